"""What a value is: bad ones first, then good ones, then there and back again."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.settings.kinds import (
    ADDRESSES,
    COUNT,
    COUNT_OR_AUTO,
    FIELD_NAME,
    HOSTS,
    PATH,
    PATH_RULES,
    PROXIES,
    PROXY_FIELDS,
    SIZE,
    SPAN,
    TABLE,
    TARGET,
    TEXT,
    USER,
    YES_NO,
    Kind,
    PathLimits,
    quoted,
)
from corn_systemd.settings.lines import tomllib


@dataclass
class Refused:
    kind: Kind[Any]
    value: object
    because: str = ""


REFUSED = [
    Refused(SPAN, -1, "negative"),
    Refused(SPAN, True),
    Refused(SPAN, float("inf"), "0 is off"),
    Refused(SPAN, float("nan")),
    Refused(SPAN, "infinity", "0 is off"),
    Refused(SPAN, ""),
    Refused(SPAN, "-5s"),
    Refused(SPAN, "1h 30"),
    Refused(SPAN, "s"),
    Refused(SPAN, "75 parsecs", "'parsecs' is no unit"),
    Refused(SPAN, "5M", "'M' is no unit"),
    Refused(SPAN, 10**400, "ten years"),
    Refused(SPAN, "600w", "ten years"),
    Refused(SPAN, ["90s"]),
    Refused(SIZE, -1, "negative"),
    Refused(SIZE, True),
    Refused(SIZE, 1.5, "whole"),
    Refused(SIZE, "640MB", 'write "640M"'),
    Refused(SIZE, "640 megabytes"),
    Refused(SIZE, "0.3K", "whole"),
    Refused(SIZE, "99999999T", "0 is off"),
    Refused(COUNT, True),
    Refused(COUNT, -1),
    Refused(COUNT, 2.0),
    Refused(COUNT, "100", "without quotes: 100"),
    Refused(COUNT, "auto"),
    Refused(COUNT_OR_AUTO, 0),
    Refused(COUNT_OR_AUTO, "Auto"),
    Refused(COUNT_OR_AUTO, 100_000),
    Refused(YES_NO, "true", "without quotes"),
    Refused(YES_NO, 1),
    Refused(TEXT, ""),
    Refused(TEXT, "  ", "empty"),
    Refused(TEXT, "a\nb", "control"),
    Refused(TEXT, 3),
    Refused(USER, "a b", "letters"),
    Refused(USER, "x\nExecStart=/bin/sh", "control"),
    Refused(USER, "%i"),
    Refused(USER, "-x"),
    Refused(PATH, "srv/shop", "from /"),
    Refused(PATH, "~/shop", "~"),
    Refused(TARGET, "shop/wsgi.py", "shop.wsgi:application"),
    Refused(TARGET, "./wsgi.py", "not a file: wsgi:application"),
    Refused(TARGET, "shop:"),
    Refused(TARGET, ":app"),
    Refused(TARGET, "shop wsgi:app"),
    Refused(TARGET, "shop:create(x)", "literals"),
    Refused(TARGET, "shop:create(", "literals"),
    Refused(TARGET, "shop:create(**{})", "literals"),
    Refused(TARGET, "shop:create()()", "literals"),
    Refused(TARGET, "shop:create().app", "literals"),
    Refused(ADDRESSES, 8080, '":8080"'),
    Refused(ADDRESSES, ["8080"], 'write ":8080"'),
    Refused(ADDRESSES, [8080]),
    Refused(ADDRESSES, True),
    Refused(ADDRESSES, ["127.0.0.1"], "port is missing"),
    Refused(ADDRESSES, ["127.0.0.1:"], "no port"),
    Refused(ADDRESSES, ["127.0.0.1:70000"], "no port"),
    Refused(ADDRESSES, ["127.0.0.1:-1"], "no port"),
    Refused(ADDRESSES, ["127.0.0.256:80"], "no IP address"),
    Refused(ADDRESSES, ["127.0.0.01:80"], "no IP address"),
    Refused(ADDRESSES, ["shop.example:80"], "no resolver"),
    Refused(ADDRESSES, ["::1:80"], "brackets"),
    Refused(ADDRESSES, ["[::1]"], "port is missing"),
    Refused(ADDRESSES, ["[::g]:80"], "no IPv6 address"),
    Refused(ADDRESSES, ["[fe80::1%eth0]:80"], "zone"),
    Refused(ADDRESSES, ["http://127.0.0.1:80"], "brackets"),
    Refused(ADDRESSES, ["@shop"]),
    Refused(ADDRESSES, ["unix:@shop"], "abstract"),
    Refused(ADDRESSES, ["unix:shop.sock"], "starts with /"),
    Refused(ADDRESSES, ["/run/shop/"], "names a file"),
    Refused(ADDRESSES, ["/run/../etc/x"], "without"),
    Refused(ADDRESSES, ["/" + "x" * 107], "107 bytes"),
    Refused(ADDRESSES, [{"path": "/run/x", "mode": 660}], "text in quotes"),
    Refused(ADDRESSES, [{"path": "/run/x", "mode": "rw"}], "octal"),
    Refused(ADDRESSES, [{"path": "/run/x", "mode": "1777"}], "octal"),
    Refused(ADDRESSES, [{"path": "/run/x", "owner": "x"}], "not 'owner'"),
    Refused(ADDRESSES, [{"mode": "0660"}], "has a path"),
    Refused(ADDRESSES, [{"proxy_protocol": True}], "a path or an address"),
    Refused(ADDRESSES, [{"address": "127.0.0.1:80", "proxy_protocol": "true"}], "without quotes"),
    Refused(ADDRESSES, [{"address": "127.0.0.1:80", "mode": "0660"}], "in the file system"),
    Refused(ADDRESSES, [{"address": "127.0.0.1:80", "path": "/run/x"}], "in the file system"),
    Refused(ADDRESSES, [{"address": 80}], "text in quotes"),
    Refused(ADDRESSES, [{"address": "127.0.0.1"}], "port is missing"),
    Refused(ADDRESSES, [{"address": "127.0.0.1:80"}, "127.0.0.1:80"], "cannot both"),
    Refused(PROXIES, 1),
    Refused(PROXIES, [1], "in quotes"),
    Refused(PROXIES, ["*"], "no IP address"),
    Refused(PROXIES, [""], "no IP address"),
    Refused(PROXIES, ["proxy.example"], "no IP address"),
    Refused(PROXIES, ["10.0.0.1/8"], "write '10.0.0.0/8'"),
    Refused(PROXIES, ["10.0.0.0/33"], "no IP address"),
    Refused(PROXIES, ["127.0.0.1:80"], "no IP address"),
    Refused(PROXIES, ["::ffff:10.0.0.1"], "IPv4 as such"),
    Refused(PROXIES, ["::ffff:0:0/96"], "IPv4 as such"),
    Refused(PROXIES, ["fe80::1%eth0"], "zone"),
    Refused(HOSTS, ["*"], "no name"),
    Refused(HOSTS, ["*.*.shop.example"], "no name"),
    Refused(HOSTS, ["www.*.example"], "no name"),
    Refused(HOSTS, ["shop.example:80"], "the name alone"),
    Refused(HOSTS, ["https://shop.example"], "the name alone"),
    Refused(HOSTS, [".shop.example"], "no name"),
    Refused(HOSTS, ["shop..example"], "no name"),
    Refused(HOSTS, [None], "in quotes"),
    Refused(FIELD_NAME, ""),
    Refused(FIELD_NAME, "X Request"),
    Refused(FIELD_NAME, "X-Id: "),
    Refused(FIELD_NAME, "X_Request_ID", "underscore"),
    Refused(FIELD_NAME, 1),
    Refused(PROXY_FIELDS, ["X-Real-IP"], "none of them"),
    Refused(ADDRESSES, [{"path": "/run/x", "group": "a b"}], "no name of a group"),
    Refused(ADDRESSES, ["127.0.0.1:80", "127.0.0.1:80"], "cannot both"),
    Refused(ADDRESSES, [":80", "127.0.0.1:80"], "cannot both"),
    Refused(ADDRESSES, ["[::]:80", "localhost:80"], "cannot both"),
    Refused(PATH_RULES, 1),
    Refused(PATH_RULES, {"match": "/x", "time_real": 1}, "two pairs of brackets"),
    Refused(PATH_RULES, ["/x"], "no table"),
    Refused(PATH_RULES, [{"time_real": 1}], "match is a path"),
    Refused(PATH_RULES, [{"match": "report", "time_real": 1}], "match is a path"),
    Refused(PATH_RULES, [{"match": 1, "time_real": 1}], "match is a path"),
    Refused(PATH_RULES, [{"match": "/x"}], "no limit"),
    Refused(PATH_RULES, [{"match": "/x", "time_real": "soon"}], "expected a duration"),
    Refused(PATH_RULES, [{"match": "/x", "memory_hard": "1G"}], "not 'memory_hard'"),
    Refused(TABLE, "A=1"),
    Refused(TABLE, {"A": 1}, 'A = "…"'),
    Refused(TABLE, {"A": True}, "in quotes"),
    Refused(TABLE, {"A": {"B": "x"}}, "one text"),
    Refused(TABLE, {"A": "x\0y"}),
    Refused(TABLE, {"A=B": "x"}, "no name"),
    Refused(TABLE, {"": "x"}, "no name"),
]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: f"{type(row.kind).__name__}-{str(row.value)[:30]!r}")
def test_a_value_that_cannot_be_meant_is_refused_with_the_reason(row: Refused) -> None:
    with pytest.raises(ValueError) as caught:
        row.kind.parse(row.value)
    assert row.because in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (YES_NO, ["perhaps"]),
        (COUNT, ["many"]),
        (COUNT, ["-1"]),
        (COUNT_OR_AUTO, ["0"]),
        (TABLE, ["NAME"]),
        (ADDRESSES, ["80"]),
        (SPAN, ["soon"]),
        (PATH, [""]),
    ],
)
def test_a_flag_that_cannot_be_meant_is_refused(kind: Kind[Any], texts: list[str]) -> None:
    with pytest.raises(ValueError):
        kind.read(texts)


def test_a_number_in_an_environment_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ValueError) as caught:
        TABLE.parse({"PASSWORD": 123456})
    assert "123456" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0), (90, 90.0), (0.5, 0.5), ("90", 90.0), ("90s", 90.0), ("1.5h", 5400.0), ("2min", 120.0),
        ("2m", 120.0), ("1h 30min", 5400.0), ("1h30min", 5400.0), ("250ms", 0.25), ("3 days", 259200.0),
        (" 1 week ", 604800.0),
    ],
)  # fmt: skip
def test_a_duration_is_seconds(value: object, seconds: float) -> None:
    assert SPAN.parse(value) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0"), (75.0, '"75s"'), (120.0, '"2min"'), (125.0, '"2min 5s"'), (5400.0, '"1h 30min"'),
     (0.05, '"50ms"'), (1.5, '"1.5s"'), (86400.0, '"1d"')],
)  # fmt: skip
def test_a_duration_is_rendered_as_people_write_it(seconds: float, text: str) -> None:
    assert SPAN.render(seconds) == text


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [(0, 0), (4096, 4096), ("4096", 4096), ("32K", 32768), ("640M", 640 << 20), ("1.5G", 3 << 29),
     ("2 MiB", 2 << 20), ("1t", 1 << 40)],
)  # fmt: skip
def test_a_size_is_bytes_in_powers_of_1024(value: object, bytes_: int) -> None:
    assert SIZE.parse(value) == bytes_


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("127.0.0.1:8080", ["127.0.0.1:8080"]),
        ("127.0.0.1:0", ["127.0.0.1:0"]),
        ("[::1]:80", ["[::1]:80"]),
        ("[0:0:0:0:0:0:0:1]:80", ["[::1]:80"]),
        ("localhost:80", ["127.0.0.1:80", "[::1]:80"]),
        (":8080", ["0.0.0.0:8080", "[::]:8080"]),
        ("*:8080", ["0.0.0.0:8080", "[::]:8080"]),
        ("unix:/run/x.sock", ["unix:/run/x.sock"]),
        ("/run//x.sock", ["unix:/run/x.sock"]),
    ],
)
def test_an_address_may_be_written_in_several_ways(text: str, addresses: list[str]) -> None:
    assert [str(address) for address in ADDRESSES.parse([text])] == addresses
    assert ADDRESSES.parse(text) == ADDRESSES.read([text]) == ADDRESSES.parse([text])


def test_a_socket_in_the_file_system_may_have_a_mode_and_a_group() -> None:
    (address,) = ADDRESSES.parse([{"path": "/run/x.sock", "mode": "0660", "group": "www-data"}])
    assert (address.path, address.mode, address.group) == ("/run/x.sock", 0o660, "www-data")


@pytest.mark.parametrize(
    ("item", "count"),
    [
        ({"address": "127.0.0.1:80", "proxy_protocol": True}, 1),
        ({"address": ":80", "proxy-protocol": True}, 2),
        ({"path": "/run/x.sock", "mode": "0660", "proxy_protocol": True}, 1),
    ],
)
def test_a_listener_may_speak_the_proxy_protocol(item: dict[str, Any], count: int) -> None:
    addresses = ADDRESSES.parse([item])
    assert [address.proxy_protocol for address in addresses] == [True] * count
    assert there_and_back(ADDRESSES, addresses) == addresses
    assert not ADDRESSES.parse([{"address": "127.0.0.1:80"}])[0].proxy_protocol


def test_proxies_and_hosts_have_one_spelling() -> None:
    assert PROXIES.parse("127.0.0.1") == ("127.0.0.1",)
    assert PROXIES.parse(["unix", "2001:DB8:0::/32", "unix", "0::1"]) == ("unix", "2001:db8::/32", "::1")
    assert HOSTS.read(["Shop.Example", "*.a.example", "[::1]"]) == ("shop.example", "*.a.example", "[::1]")
    assert PROXY_FIELDS.parse(["x-forwarded-for", "FORWARDED"]) == ("X-Forwarded-For", "Forwarded")
    for kind in (PROXIES, HOSTS, PROXY_FIELDS):
        assert kind.parse([]) == ()


def test_any_free_port_may_be_asked_for_twice() -> None:
    assert len(ADDRESSES.parse(["127.0.0.1:0", "127.0.0.1:0"])) == 2


@pytest.mark.parametrize(
    "target", ["shop", "shop.wsgi:application", "a:b.c", "shop:create(1, debug=True)", "größe:app"]
)
def test_a_target_is_a_module_and_perhaps_a_name_or_a_factory(target: str) -> None:
    assert TARGET.parse(target) == target


def test_flags_that_may_be_repeated_gather_their_parts() -> None:
    assert TABLE.read(["A=1", "B=x=y", "C="]) == {"A": "1", "B": "x=y", "C": ""}
    assert len(ADDRESSES.read(["127.0.0.1:1", "/run/x"])) == 2


def test_a_flag_that_is_given_again_is_the_last_one() -> None:
    assert COUNT_OR_AUTO.read(["3", "auto"]) == 0
    assert YES_NO.read(["no", "yes"]) is True


def there_and_back(kind: Kind[Any], value: object) -> object:
    return kind.parse(tomllib.loads(f"value = {kind.render(value)}")["value"])


@given(st.floats(0, 10 * 365 * 86400.0, allow_nan=False))
def test_every_duration_reads_as_it_was_rendered(seconds: float) -> None:
    parsed = SPAN.parse(seconds)
    assert there_and_back(SPAN, parsed) == parsed


@given(st.integers(0, (1 << 63) - 1) | st.integers(0, 1 << 20).map(lambda number: number << 20))
def test_every_size_reads_as_it_was_rendered(size: int) -> None:
    assert there_and_back(SIZE, size) == size


@given(st.text(st.characters(codec="utf-8")))
def test_every_text_reads_as_it_was_quoted(text: str) -> None:
    assert tomllib.loads(f"value = {quoted(text)}")["value"] == text


@given(st.dictionaries(st.text(st.characters(codec="utf-8", exclude_characters="=\0\n"), min_size=1),
                       st.text(st.characters(codec="utf-8", exclude_characters="\0"))))  # fmt: skip
def test_every_table_reads_as_it_was_rendered(table: dict[str, str]) -> None:
    assert there_and_back(TABLE, table) == table


@given(st.lists(st.sampled_from(["127.0.0.1:1", "[::1]:1", ":2", "/run/x"]), unique=True))
def test_every_list_of_addresses_reads_as_it_was_rendered(texts: list[str]) -> None:
    addresses = ADDRESSES.parse(texts)
    assert there_and_back(ADDRESSES, addresses) == addresses


@pytest.mark.parametrize(
    "kind",
    [SPAN, SIZE, COUNT_OR_AUTO, YES_NO, USER, PATH, TARGET, ADDRESSES, TABLE, PROXIES, HOSTS, FIELD_NAME,
     PROXY_FIELDS],
)  # fmt: skip
@given(text=st.text())
def test_no_text_is_met_with_another_exception(kind: Kind[Any], text: str) -> None:
    for attempt in (kind.parse, lambda value: kind.read([str(value)])):
        try:
            attempt(text)
        except ValueError:
            pass


def test_rules_for_paths_are_read_and_written_the_same() -> None:
    (rule,) = PATH_RULES.parse([{"match": "/report/*", "time-real": "10min", "grace": 0}])
    assert rule == PathLimits("/report/*", time_real=600.0, grace=0.0)
    rendered = PATH_RULES.render((rule,))
    assert rendered == '[{match = "/report/*", time_real = "10min", grace = 0}]'
    assert PATH_RULES.parse(tomllib.loads(f"x = {rendered}")["x"]) == (rule,)
    with pytest.raises(ValueError, match="file alone"):
        PATH_RULES.read(["/x"])
