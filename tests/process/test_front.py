"""Whom a worker believes, for whom it works, and for how long anybody has waited."""

import ast
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corn_systemd.systemd import messages
from tests.apps import crashing, echo, hello, liar

from .conftest import HELLO, Start
from .engine import DEADLINE, Engine, get, read_all, read_until
from .harness import address, connect

ME = "127.0.0.1"
CLIENT = "203.0.113.7"


def environ(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), answer
    found = {}
    for line in body.decode().splitlines():
        name, _, value = line.partition("=")
        if value[0] in "'\"0123456789TF":
            found[name] = ast.literal_eval(value)
    return found


def ask(engine: Engine, *fields: str, before: bytes = b"") -> dict[str, Any]:
    return environ(engine.ask(before + get("/?environ", "Connection: close", *fields)))


def status(engine: Engine, *fields: str, before: bytes = b"", version: str = "1.1") -> int:
    answer = engine.ask(before + get("/?environ", "Connection: close", *fields, version=version))
    return int(answer[9:12])


# Strangers.

TALES = (
    "Forwarded: for=6.6.6.6;proto=https;host=evil.example", "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https", "x-forwarded-host: evil.example", "X-Forwarded-Port: 443",
    "X-Forwarded-Prefix: /admin", "X-Forwarded-Ssl: on", "X-Real-IP: 6.6.6.6", "X-Request-Start: t=1",
    "X_Forwarded_For: 6.6.6.6",
)  # fmt: skip


@pytest.mark.parametrize("trusted", [[], ["10.0.0.1", "unix"]])
def test_what_a_stranger_says_of_himself_does_not_reach_the_application(trusted: list[str]) -> None:
    with Engine(echo.application, trusted_proxies=trusted) as engine:
        made = ask(engine, *TALES, "X-Other: kept")
    assert (made["REMOTE_ADDR"], made["wsgi.url_scheme"], made["HTTP_HOST"]) == (ME, "http", "a")
    assert made["SERVER_NAME"] == ME
    assert made["SERVER_PORT"] != "443"
    assert not [
        name for name in made if "FORWARDED" in name or name in ("HTTP_X_REAL_IP", "HTTP_X_REQUEST_START")
    ]
    assert made["HTTP_X_OTHER"] == "kept"
    assert "6.6.6.6" not in str(made) and "evil" not in str(made)


def test_a_stranger_s_nonsense_is_no_reason_to_refuse_him() -> None:
    with Engine(echo.application, trusted_proxies=["10.0.0.1"]) as engine:
        assert status(engine, "Forwarded: ;;;", "X-Forwarded-For: x") == 200


def test_a_unix_socket_is_a_stranger_unless_it_is_named(tmp_path: Path) -> None:
    with Engine(echo.application, socket.AF_UNIX, tmp_path / "s", trusted_proxies=[ME]) as engine:
        made = ask(engine, *TALES)
    assert (made["REMOTE_ADDR"], made["wsgi.url_scheme"]) == ("", "http")
    with Engine(echo.application, socket.AF_UNIX, tmp_path / "t", trusted_proxies=["unix"]) as engine:
        made = ask(engine, f"X-Forwarded-For: 6.6.6.6, {CLIENT}", "X-Forwarded-Proto: https")
    assert (made["REMOTE_ADDR"], made["wsgi.url_scheme"], made["SERVER_PORT"]) == (CLIENT, "https", "443")
    assert "REMOTE_PORT" not in made


# Proxies.


@pytest.mark.parametrize(
    "fields",
    [
        ("Forwarded: for=6.6.6.6;host=evil;proto=http, "
         'for="203.0.113.7:5555";proto=https;host="shop.example:8443", for=127.0.0.1',),
        (f"X-Forwarded-For: 6.6.6.6, {CLIENT}:5555, 127.0.0.1", "X-Forwarded-Proto: https",
         "X-Forwarded-Host: shop.example:8443"),
        (f"X-Forwarded-For: 6.6.6.6, {CLIENT}:5555", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https",
         "X-Forwarded-Host: shop.example:8443", "X-Forwarded-Port: 8443"),
    ],
)  # fmt: skip
def test_a_trusted_proxy_tells_who_the_client_is_and_what_it_asked_for(fields: tuple[str, ...]) -> None:
    with Engine(echo.application, trusted_proxies=["127.0.0.0/8"]) as engine:
        made = ask(engine, *fields)
    assert (made["REMOTE_ADDR"], made["REMOTE_PORT"]) == (CLIENT, "5555")
    assert (made["wsgi.url_scheme"], made["HTTP_HOST"]) == ("https", "shop.example:8443")
    assert (made["SERVER_NAME"], made["SERVER_PORT"]) == ("shop.example", "8443")


def test_one_request_s_client_is_not_the_next_one_s() -> None:
    with Engine(echo.application, trusted_proxies=[ME]) as engine, engine.connect() as proxy:
        addresses = []
        for fields in ([f"X-Forwarded-For: {CLIENT}"], [], ["X-Forwarded-For: 192.0.2.9"]):
            proxy.sendall(get("/?environ", *fields))
            answer = read_until(proxy, b"wsgi.version=(1, 0)\n")
            addresses.append(environ(answer)["REMOTE_ADDR"])
        assert addresses == [CLIENT, ME, "192.0.2.9"]


@pytest.mark.parametrize(
    "field",
    [
        "Forwarded: for=1.2.3.4;",
        "X-Forwarded-For: nobody",
        "X-Forwarded-Proto: gopher",
        "X-Forwarded-Host: a b",
        "X-Forwarded-Port: 0",
    ],
)
def test_nonsense_from_a_trusted_proxy_is_refused(field: str) -> None:
    with Engine(echo.application, trusted_proxies=[ME]) as engine:
        assert status(engine, field) == 400
        assert engine.slot.story == []


def test_a_proxy_that_maintains_one_kind_does_not_vouch_for_the_other() -> None:
    with Engine(echo.application, trusted_proxies=[ME]) as engine:
        assert status(engine, "Forwarded: for=6.6.6.6", f"X-Forwarded-For: {CLIENT}") == 400
    with Engine(echo.application, trusted_proxies=[ME], forwarded_fields=["X-Forwarded-For"]) as engine:
        made = ask(engine, "Forwarded: for=6.6.6.6", f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Host: evil")
    assert (made["REMOTE_ADDR"], made["HTTP_HOST"]) == (CLIENT, "a")
    assert "HTTP_FORWARDED" not in made and "HTTP_X_FORWARDED_HOST" not in made


# The PROXY protocol.

V1 = f"PROXY TCP4 {CLIENT} 192.0.2.2 5555 443\r\n".encode()
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x21"
    + struct.pack(">H", 39)
    + socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::2")
    + struct.pack(">HH", 5555, 443)
    + b"\x04\x00\x00"
)
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
GET = get("/?environ", "Connection: close")


@pytest.mark.parametrize(
    "data",
    [
        GET,
        b"PROXY nonsense\r\n" + GET,
        b"PROXY TCP6 ::g ::1 1 2\r\n" + GET,
        b"PROXY TCP4 1.2.3.400 1.2.3.4 1 2\r\n" + GET,
        V2[:12] + b"\x31" + V2[13:] + GET,
        b"PROXY " + b"x" * 200,
        b"\x16\x03\x01\x02\x00",
    ],
)
def test_a_connection_without_a_good_header_ends_without_a_word(data: bytes) -> None:
    with Engine(echo.application, proxy_protocol=True) as engine, engine.connect() as client:
        client.sendall(data)
        try:
            assert read_all(client) == b""
        except ConnectionResetError:
            pass
        assert engine.slot.story == []


@pytest.mark.parametrize(
    ("header", "client", "server"),
    [
        (V1, (CLIENT, "5555"), ("192.0.2.2", "443")),
        (V2, ("2001:db8::7", "5555"), ("2001:db8::2", "443")),
        (b"PROXY TCP6 2001:DB8::7 ::1 1 2\r\n", ("2001:db8::7", "1"), ("::1", "2")),
        (b"PROXY UNKNOWN\r\n", (ME, None), (ME, None)),
        (LOCAL, (ME, None), (ME, None)),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_header_tells_who_is_there_however_it_comes(
    header: bytes, client: tuple[str, str | None], server: tuple[str, str | None], size: int
) -> None:
    data = header + get("/?environ") + GET
    with Engine(echo.application, proxy_protocol=True) as engine, engine.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), size):
            sock.sendall(data[at : at + size])
        answers = read_all(sock).split(b"HTTP/1.1 200 OK")[1:]
    assert len(answers) == 2
    for answer in answers:
        made = environ(b"HTTP/1.1 200 OK" + answer)
        assert made["REMOTE_ADDR"] == client[0]
        assert made["SERVER_NAME"] == server[0]
        if client[1]:
            assert (made["REMOTE_PORT"], made["SERVER_PORT"]) == (client[1], server[1])


def test_a_header_that_takes_too_long_is_waited_for_no_longer_than_a_head() -> None:
    with (
        Engine(hello.application, proxy_protocol=True, head_timeout=0.1) as engine,
        engine.connect() as client,
    ):
        client.sendall(V1[:20])
        assert read_all(client) == b""


def test_only_trusted_proxies_may_introduce_others_where_they_are_named() -> None:
    with Engine(echo.application, proxy_protocol=True, trusted_proxies=["10.0.0.1"]) as engine:
        with engine.connect() as client:
            try:
                client.sendall(V1 + GET)
                assert read_all(client) == b""
            except (ConnectionResetError, BrokenPipeError):
                pass
        assert engine.slot.story == []
    with Engine(echo.application, proxy_protocol=True, trusted_proxies=[ME]) as engine:
        # Whom the header names is a stranger; one that it names may be a proxy himself.
        made = ask(engine, "X-Forwarded-For: 6.6.6.6", before=V1)
        assert made["REMOTE_ADDR"] == CLIENT
        assert "HTTP_X_FORWARDED_FOR" not in made
        through = f"PROXY TCP4 {ME} {ME} 1 2\r\n".encode()
        assert ask(engine, "X-Forwarded-For: 192.0.2.9", before=through)["REMOTE_ADDR"] == "192.0.2.9"


def test_the_header_is_expected_where_the_instance_s_file_says_so(shop: Start) -> None:
    told = HELLO.replace('b"hello"', 'environ["REMOTE_ADDR"].encode()')
    assert told != HELLO
    corn = shop(told, start=False)
    text = (corn.directory / "shop.toml").read_text()
    where = address(corn.sockets[0])
    assert f'"{where}"' in text
    corn.write("shop.toml", text.replace(f'"{where}"', f'{{address = "{where}", proxy_protocol = true}}'))
    corn.start().ready()
    with connect(corn.sockets[0]) as client:
        client.sendall(V1 + get("/", "Connection: close"))
        assert read_all(client).endswith(b"\r\n\r\n" + CLIENT.encode())


def test_other_listeners_know_no_header() -> None:
    with Engine(echo.application) as engine:
        assert status(engine, before=V1) == 400


# Hosts.


@pytest.mark.parametrize(
    ("host", "version", "expected"),
    [("evil.example", "1.1", 421), ("evil.example", "1.0", 421), ("shop.example.evil", "1.1", 421),
     ("shop.example:8080", "1.1", 200), ("WWW.shop.example", "1.1", 200)],
)  # fmt: skip
def test_only_hosts_of_the_list_are_served(host: str, version: str, expected: int) -> None:
    with Engine(echo.application, hosts=["shop.example", "*.shop.example"]) as engine:
        answer = engine.ask(f"GET / HTTP/{version}\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert int(answer[9:12]) == expected
        assert len(engine.slot.story) == (3 if expected == 200 else 0)


def test_a_request_without_a_host_is_for_nobody_on_the_list() -> None:
    with Engine(echo.application, hosts=["shop.example"]) as engine:
        assert engine.ask(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_host_is_refused_before_the_body_comes() -> None:
    with Engine(echo.application, hosts=["shop.example"]) as engine, engine.connect() as client:
        client.sendall(get("/", "Content-Length: 1000000", "Expect: 100-continue", method="POST"))
        assert read_all(client).startswith(b"HTTP/1.1 421 Misdirected Request\r\n")


def test_a_refused_head_request_gets_no_body() -> None:
    with Engine(echo.application, hosts=["shop.example"]) as engine:
        assert engine.ask(get("/", method="HEAD")).endswith(b"\r\n\r\n")


def test_the_host_that_counts_is_the_one_a_trusted_proxy_tells() -> None:
    with Engine(echo.application, hosts=["shop.example"], trusted_proxies=[ME]) as engine:
        assert status(engine, "X-Forwarded-Host: shop.example") == 200
        assert status(engine, "X-Forwarded-Host: evil.example") == 421


# Names of requests.


def test_every_request_has_an_id_of_its_own() -> None:
    with Engine(echo.application) as engine:
        ids = [ask(engine, "X-Request-ID: mine")["REQUEST_ID"] for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9]+", one) for one in ids)


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "\x7fé".encode().decode("latin-1")[1:]])
def test_an_id_that_cannot_be_printed_is_not_taken_from_a_proxy(given: str) -> None:
    with Engine(echo.application, trusted_proxies=[ME]) as engine, engine.connect() as client:
        client.sendall(get("/?environ", "Connection: close").replace(
            b"\r\n\r\n", b"\r\nX-Request-ID: " + given.encode("latin-1") + b"\r\n\r\n"))  # fmt: skip
        assert re.fullmatch(r"[0-9a-f]{16}-[0-9]+", environ(read_all(client))["REQUEST_ID"])


def test_a_trusted_proxy_s_id_is_kept_in_the_environ_the_journal_and_the_answer() -> None:
    settings: dict[str, Any] = {
        "trusted_proxies": [ME],
        "request_id_header": "X-Trace",
        "request_id_answer": True,
    }
    with Engine(crashing.application, **settings) as engine:
        engine.ask(get("/before", "X-Trace: abc/1:2", "Connection: close"))
        _, values = engine.journal.expects(messages.APP_ERROR)
        assert values["request_id"] == "abc/1:2"
        assert isinstance(values["wait_us"], int)
        answer = engine.ask(get("/", "X-Trace: abc/1:3", "Connection: close"))
    assert answer.count(b"\r\nX-Trace: abc/1:3\r\n") == 1
    with Engine(liar.application, **settings) as engine:
        engine.ask(get("/too-long", "X-Trace: abc/1:4", "Connection: close"))
        assert engine.journal.expects(messages.APP_MISCOUNTED)[1]["request_id"] == "abc/1:4"


def test_answers_tell_the_id_only_if_asked_to_and_never_twice() -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("204 No Content", [("x-request-id", "own")] if environ["QUERY_STRING"] else [])
        return []

    with Engine(application) as engine:
        assert b"X-Request-ID" not in engine.ask(get("/", "Connection: close"))
    with Engine(application, request_id_answer=True) as engine:
        assert re.search(rb"\r\nX-Request-ID: [0-9a-f]{16}-1\r\n", engine.ask(get("/", "Connection: close")))
        answer = engine.ask(get("/?own", "Connection: close")).lower()
    assert answer.count(b"x-request-id: ") == 1 and b"x-request-id: own\r\n" in answer


# Waiting.


class Slow:
    """Holds its first request until it is told to go on, and then for another tenth of a second."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.seen: list[str] = []
        self.waits: list[float] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.seen.append(environ["PATH_INFO"])
        self.waits.append(environ["corn.wait"])
        if environ["PATH_INFO"] == "/first":
            self.begun.set()
            assert self.go.wait(DEADLINE)
            time.sleep(0.1)
        start_response("200 OK", [])
        return [b"served\n"]


SERVED = b"served\n"


def test_the_page_for_an_application_that_failed_tells_the_id_too() -> None:
    with Engine(crashing.application, request_id_answer=True) as engine:
        answer = engine.ask(get("/before", "Connection: close"))
    head = answer.partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("HTTP/1.1 500 ") and "\r\nX-Request-ID: " in head
    assert head.endswith("Connection: close")



def test_a_request_that_is_served_at_once_has_hardly_waited() -> None:
    slow = Slow()
    with Engine(slow) as engine:
        engine.ask(get("/", "Connection: close"))
    assert 0 <= slow.waits[0] < 1


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_time_behind_a_neighbour_counts_on_open_connections_and_in_the_backlog(
    family: socket.AddressFamily,
) -> None:
    slow = Slow()
    with Engine(slow, family) as engine, engine.connect() as first, engine.connect() as old:
        old.sendall(get("/warm"))
        read_until(old, SERVED)
        first.sendall(get("/first"))
        assert slow.begun.wait(DEADLINE)
        old.sendall(get("/old"))
        with engine.connect() as new:
            new.sendall(get("/new"))
            slow.go.set()
            for client in (first, old, new):
                read_until(client, SERVED)
    waits = dict(zip(slow.seen, slow.waits, strict=True))
    assert waits["/first"] < 0.08 < min(waits["/old"], waits["/new"])


def test_a_request_behind_another_on_its_connection_has_waited_for_that() -> None:
    slow = Slow()
    slow.go.set()
    with Engine(slow) as engine:
        engine.ask(get("/first") + get("/second", "Connection: close"))
    assert slow.waits[1] > 0.08


def test_the_time_that_a_body_takes_to_come_is_no_waiting() -> None:
    slow = Slow()
    with Engine(slow) as engine, engine.connect() as client:
        client.sendall(get("/", "Content-Length: 2", "Connection: close", method="POST") + b"a")
        with engine.connect() as other:
            slow.go.set()
            other.sendall(get("/first", "Connection: close"))
            read_all(other)
        client.sendall(b"b")
        read_all(client)
    assert slow.waits[1] < 0.08


@pytest.mark.parametrize("scale", [1, 1000, 1_000_000])
def test_a_trusted_proxy_tells_since_when_a_request_has_waited(scale: int) -> None:
    def start(ago: float) -> str:
        at = (time.time() - ago) * scale
        return f"X-Request-Start: t={at:.3f}" if scale == 1 else f"X-Request-Start: {int(at)}"

    with Engine(echo.application, trusted_proxies=[ME]) as engine:
        assert 29 < ask(engine, start(30))["corn.wait"] < 40
        # Wrong clocks, and nonsense.
        for field in (start(-30), start(100_000), "X-Request-Start: soon", "X-Request-Start: t=1e9"):
            assert ask(engine, field)["corn.wait"] < 5
    with Engine(echo.application) as engine:
        assert ask(engine, start(30))["corn.wait"] < 5


def test_a_request_that_has_waited_too_long_is_not_started() -> None:
    with Engine(echo.application, trusted_proxies=[ME], max_wait=10.0, request_id_answer=True) as engine:
        late = f"X-Request-Start: t={time.time() - 60:.3f}"
        answer = engine.ask(get("/", late, "X-Request-ID: abc"))
        assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert b"\r\nRetry-After: 1\r\nX-Request-ID: abc\r\n" in answer
        assert engine.slot.story == []
        _, values = engine.journal.expects(messages.REQUESTS_STALE)
        assert (values["count"], values["request"]) == (1, "GET /")
        assert values["wait_us"] >= 59_000_000  # type: ignore[operator]
        assert status(engine) == 200
        # Said once, and counted until it is said again.
        engine.ask(get("/", late))
        assert len(engine.journal.entries) == 1


def test_nobody_is_refused_for_waiting_unless_it_is_wished() -> None:
    with Engine(echo.application, trusted_proxies=[ME]) as engine:
        assert status(engine, f"X-Request-Start: t={time.time() - 60:.3f}") == 200


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def served_behind(engine: Engine, slow: Slow, leave: Callable[[socket.socket], None]) -> list[str]:
    """What is served of two requests that came behind a neighbour and whose clients did `leave`."""
    with engine.connect() as first, engine.connect() as old:
        old.sendall(get("/warm"))
        read_until(old, SERVED)
        first.sendall(get("/first"))
        assert slow.begun.wait(DEADLINE)
        new = engine.connect()
        old.sendall(get("/old"))
        new.sendall(get("/new"))
        leave(old)
        leave(new)
        slow.go.set()
        read_until(first, SERVED)
        engine.ask(get("/last", "Connection: close"))
        new.close()
    return [path for path in slow.seen if path in ("/old", "/new")]


def test_a_request_whose_client_was_reset_is_not_started() -> None:
    slow = Slow()
    with Engine(slow) as engine:
        assert served_behind(engine, slow, reset) == []
        assert engine.slot.open <= 2


def test_a_request_whose_client_hung_up_is_not_started(tmp_path: Path) -> None:
    slow = Slow()
    with Engine(slow, socket.AF_UNIX, tmp_path / "s") as engine:
        assert served_behind(engine, slow, socket.socket.close) == []


def half_close(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


def test_a_client_that_has_said_all_is_there_unless_the_operator_says_no() -> None:
    slow = Slow()
    with Engine(slow) as engine:
        assert sorted(served_behind(engine, slow, half_close)) == ["/new", "/old"]
    slow = Slow()
    with Engine(slow, abort_on_eof=True) as engine:
        assert served_behind(engine, slow, half_close) == []
