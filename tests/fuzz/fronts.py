"""What must hold of the tales that proxies tell, and of the hosts that are asked for. Needs no fuzzer itself.

Addresses are known by the worker's own Trust, and checked by `ipaddress`, which it does not use.
"""

import ipaddress
import re
import time
from collections.abc import Mapping

from corn_systemd.errors import BadRequest
from corn_systemd.http.forwarded import (
    DEFAULT_PORTS,
    FOR,
    FORWARDED,
    HONOURED,
    HOST,
    PORT,
    PROTO,
    Told,
    apply,
    split_port,
    told,
)
from corn_systemd.http.hosts import BOUND, Hosts
from corn_systemd.http.lines import is_host
from corn_systemd.worker.trust import Trust

# What no text of a head holds stands between the values.
BETWEEN = "\x1e"

TRUST = Trust(("10.0.0.0/8", "2001:db8::/32", "unix"))
PROXY, STRANGER = "10.255.0.9", "198.51.100.77"

MOMENT = 0.5
PUMPED_BYTES = 60_000


def ask(fields: Mapping[str, str]) -> Told | None:
    """None for what is refused."""
    try:
        return told(fields, TRUST)
    except BadRequest as error:
        assert error.status == 400
        return None


def check_forwarded(data: bytes) -> None:
    """The values of Forwarded and of the X-Forwarded fields, in the order of HONOURED; "" is no field."""
    values = data.decode("latin-1").split(BETWEEN)
    fields = {name: value for name, value in zip(HONOURED, values, strict=False) if value}
    said = ask(fields)
    assert ask({**dict.fromkeys(HONOURED, ""), **fields}) == said, "an empty field says something"
    for kind in ((FORWARDED,), (FOR, PROTO, HOST, PORT)):
        mine = {name: fields[name] for name in kind if name in fields}
        alone = ask(mine)
        if said is not None:
            assert alone is not None, "what is refused alone passes with other fields"
            agrees(alone, said)
        if alone is not None:
            is_possible(alone)
            is_from_the_nearest_stranger(mine, alone)
            says_it_again(alone)
            is_written_down(alone)
    takes_no_time(values)


def is_possible(said: Told) -> None:
    if said.client is not None:
        address, port = said.client
        if address:
            assert ipaddress.ip_address(address) and TRUST.read(address) == address, "no address"
            assert not port or int(port) < 65536
        else:
            assert not port
    assert said.scheme in ("", "http", "https")
    assert not said.host or is_host(said.host)
    assert not said.port or (said.port.isascii() and said.port.isdecimal() and int(said.port) < 65536)


def agrees(part: Told, whole: Told) -> None:
    """One kind of fields never says what the answer contradicts."""
    assert not part.client or (whole.client and part.client[0] == whole.client[0])
    for mine, other in zip(part[1:], whole[1:], strict=True):
        assert not mine or mine == other, "the other kind was believed"


def is_from_the_nearest_stranger(fields: Mapping[str, str], said: Told) -> None:
    """Nothing that a client wrote himself counts; what our own proxies add changes nothing."""
    if said.client is None:
        return
    more = {FORWARDED: f"for={PROXY};proto=http;host=a", FOR: PROXY, PROTO: "http", HOST: "a", PORT: "1"}
    # Where a field says nothing they have nothing to add to.
    behind = {name: f"{value}, {more[name]}" for name, value in fields.items() if value.strip(", \t")}
    assert ask(behind) == said, "another proxy of ours behind tells another tale"
    if said.client[0] and not TRUST.trusts(said.client[0]):
        tale = {FORWARDED: f'for="{STRANGER}";proto=https;host=evil', FOR: STRANGER}
        before = {name: f"{tale[name]}, {value}" if name in tale else value for name, value in fields.items()}
        assert ask(before) == said, "a client's own tale is believed"


def says_it_again(said: Told) -> None:
    """What was understood can be told in both ways, and then means the same."""
    address, port = said.client or ("", "")
    node = f"[{address}]" if ":" in address else address or "unknown"
    node += f":{port}" if port else ""
    host_port = split_port(said.host)[1]
    old = {PROTO: said.scheme, HOST: said.host}
    new = []
    if said.client is not None:
        old[FOR] = node
        new.append(f'for="{node}"')
    if said.port != host_port:
        old[PORT] = said.port
    new += [f"proto={said.scheme}"] if said.scheme else []
    new += [f'host="{said.host}"'] if said.host else []
    assert ask(old) == said, "it means something else when it is said again"
    assert ask({FORWARDED: ";".join(new)}) == said._replace(port=host_port), "RFC 7239 says something else"
    if said.port == host_port:
        # A port that differs from the host's can be told in one of the two ways alone.
        assert ask({**old, FORWARDED: ";".join(new)}) == said, "it disagrees with itself"


def is_written_down(said: Told) -> None:
    before = {"HTTP_HOST": "shop.example:81", "HTTP_X": "a"}
    fields = dict(before)
    apply(said, fields)
    if not (said.scheme or said.host or said.port):
        assert fields == before, "it was told nothing"
        return
    assert {name for name in fields if fields[name] != before.get(name)} <= {
        *("wsgi.url_scheme", "HTTP_HOST", "SERVER_NAME", "SERVER_PORT")
    }
    assert fields.get("wsgi.url_scheme", "") == said.scheme
    assert fields["HTTP_HOST"] == (said.host or before["HTTP_HOST"])
    assert fields["SERVER_PORT"] in (said.port, split_port(fields["HTTP_HOST"])[1], *DEFAULT_PORTS.values())
    assert fields["SERVER_PORT"].isdecimal(), "a server without a port"
    again = dict(fields)
    apply(said, again)
    assert again == fields, "twice is something else"


def takes_no_time(values: list[str]) -> None:
    for name, value in zip(HONOURED, values, strict=False):
        for stretched in (value[:8] * (PUMPED_BYTES // 8), value + value[-1:] * PUMPED_BYTES):
            # Three times, as the machine may have other things to do.
            assert any(cpu_time({name: stretched}) < MOMENT for _ in range(3)), f"{name} takes too long"


def cpu_time(fields: Mapping[str, str]) -> float:
    began = time.process_time()
    ask(fields)
    return time.process_time() - began


PATTERNS = ("shop.example", "*.shop.example", "*.wide.example", "127.0.0.1", "[::1]", "xn--bcher-kva.example")
# The same, as an expression over the whole field.
OURS = re.compile(
    r"(?:(?:[^.:][^:]*\.)?shop\.example\.?|[^.:][^:]*\.wide\.example\.?|127\.0\.0\.1\.?|\[::1\]"
    r"|xn--bcher-kva\.example\.?)(?::[0-9]*)?",
    re.IGNORECASE,
).fullmatch


def check_hosts(data: bytes) -> None:
    """Values of Host fields, asked for one after the other."""
    hosts = Hosts(PATTERNS)
    for _ in range(2):
        for host in data.decode("latin-1").split(BETWEEN):
            is_ours = hosts[host]
            name, port = split_port(host)
            assert host in (f"{name}:{port}", name), "it falls apart"
            assert Hosts(PATTERNS)[host] == hosts[host] == is_ours, "what was asked before decides"
            assert not Hosts(())[host], "nobody's host is served"
            assert len(hosts) <= BOUND
            if is_host(host):
                assert Hosts(PATTERNS)[name] == is_ours, "a port decides"
                assert is_ours == bool(OURS(host)), f"{host!r} is judged otherwise"
                assert hosts[host.swapcase()] == is_ours, "the case decides"
