"""What a value is: bad ones first, then good ones, then there and back again."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.settings.kinds import (
    ADDRESSES,
    COUNT,
    COUNT_OR_AUTO,
    COUNTS,
    FIELD_LINES,
    FIELD_NAME,
    HOSTS,
    JOBS,
    NICE,
    PATH,
    PATH_RULES,
    PROXIES,
    PROXY_FIELDS,
    REQUEST_PATH,
    SIZE,
    SPAN,
    TABLE,
    TARGET,
    TEXT,
    USER,
    YES_NO,
    Faults,
    Job,
    Kind,
    PathLimits,
    crontab,
    quoted,
)
from corn_systemd.settings.lines import tomllib


def job(**keys: Any) -> list[dict[str, Any]]:
    """One job that is well, but for `keys`; those that are None are left out."""
    whole = {"name": "tidy", "call": "shop.jobs:tidy", "schedule": "17 3 * * *", **keys}
    return [{name: value for name, value in whole.items() if value is not None}]


def timed(text: str) -> list[dict[str, Any]]:
    return job(schedule=text)


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
    Refused(COUNTS, 50),
    Refused(COUNTS, "50", "in brackets"),
    Refused(COUNTS, [0, 50], "0 is not a whole number from 1"),
    Refused(COUNTS, [50, True], "True is not"),
    Refused(COUNTS, [50, "200"], "'200' is not"),
    Refused(COUNTS, [200, 50], "50 stands behind 200"),
    Refused(COUNTS, [50, 50], "50 stands behind 50"),
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
    Refused(REQUEST_PATH, "health", "begins with /"),
    Refused(REQUEST_PATH, "http://shop/health", "begins with /"),
    Refused(REQUEST_PATH, "/a b", "%20"),
    Refused(REQUEST_PATH, "/a#b", "no #"),
    Refused(FIELD_LINES, ["Host"], "a colon"),
    Refused(FIELD_LINES, ["Host:"], "a value"),
    Refused(FIELD_LINES, ["A b: c"], "a name"),
    Refused(FIELD_LINES, ["A: b\r\nC: d"], "printable"),
    Refused(FIELD_LINES, ["connection: close"], "corn's own"),
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
    Refused(NICE, 20),
    Refused(JOBS, 1),
    Refused(JOBS, job()[0], "two pairs of brackets"),
    Refused(JOBS, ["tidy"], "no table"),
    Refused(JOBS, job(name=None), "job number 1: name is missing"),
    Refused(JOBS, job(name="Tidy"), "small letters"),
    Refused(JOBS, job(name="-tidy"), "small letters"),
    Refused(JOBS, job(name="x" * 65), "64 at most"),
    Refused(JOBS, job(name=3), "no name of a job"),
    Refused(JOBS, job() + job(), "number 1 has the same name"),
    Refused(JOBS, job(call=None), "call is missing"),
    Refused(JOBS, job(call="shop.jobs:tidy()"), "what it is called with is args"),
    Refused(JOBS, job(call="shop.jobs"), "expected MODULE:FUNCTION"),
    Refused(JOBS, job(call="shop/jobs.py:tidy"), "expected MODULE:FUNCTION"),
    Refused(JOBS, job(call=3), "expected MODULE:FUNCTION"),
    Refused(JOBS, job(schedule=None), "does not say when"),
    Refused(JOBS, job(every=60), "take one of them away"),
    Refused(JOBS, job(schedule=None, every="50ms"), "a second at least"),
    Refused(JOBS, job(schedule=None, every=0), "a second at least"),
    Refused(JOBS, job(schedule=None, every="soon"), "expected a duration"),
    Refused(JOBS, job(schedule=None, every=60, timezone="UTC"), "means nothing to every"),
    Refused(JOBS, job(schedule=None, every=60, jitter=60), "shorter than every"),
    Refused(JOBS, job(timezone="Berlin"), "did you mean 'Europe/Berlin'?"),
    Refused(JOBS, job(timezone="Europe"), "there is no time zone 'Europe'"),
    Refused(JOBS, job(timezone="../../etc/passwd"), "there is no time zone"),
    Refused(JOBS, job(timezone=2), "expected a text"),
    Refused(JOBS, job(args="x"), 'write args = ["x"]'),
    Refused(JOBS, job(args={"not-one": 1}), "no name of a parameter"),
    Refused(JOBS, job(args=[[float("inf")]]), "args[0][0]: JSON has no inf"),
    Refused(
        JOBS, job(args={"day": date(2026, 1, 1)}), "args.day: JSON has no dates and times: put it in quotes"
    ),
    Refused(JOBS, job(overlap="wait"), '"skip" or "queue"'),
    Refused(JOBS, job(catch_up="no"), "without quotes"),
    Refused(JOBS, [{**job()[0], "catch_up": True, "catch-up": True}], "there twice"),
    Refused(JOBS, job(jitter=-1), "negative"),
    Refused(JOBS, job(timezoen="UTC"), "did you mean 'timezone'?"),
    Refused(JOBS, job(colour="red"), "it may have name, call"),
    Refused(JOBS, timed(""), "empty"),
    Refused(JOBS, timed("17 3 * *"), "4 fields, and not five"),
    Refused(JOBS, timed("0 17 3 * * *"), 'there are no seconds: write every = "10s"'),
    Refused(JOBS, timed("@every 5m"), 'write every = "5m"'),
    Refused(JOBS, timed("@reboot"), "by the clock"),
    Refused(JOBS, timed("@dayly"), "none of @hourly"),
    Refused(JOBS, timed("60 * * * *"), "minute: 60 is not in 0-59"),
    Refused(JOBS, timed("* 24 * * *"), "hour: 24 is not in 0-23"),
    Refused(JOBS, timed("0 0 0 * *"), "day of the month: 0 is not in 1-31"),
    Refused(JOBS, timed("0 0 * 13 *"), "month: 13 is not in 1-12"),
    Refused(JOBS, timed("0 0 * * 8"), "day of the week: 8 is not in 0-7"),
    Refused(JOBS, timed("0 0 * * foo"), "'foo' is no number and no name"),
    Refused(JOBS, timed("mon 0 * * *"), "'mon' is no number"),
    Refused(JOBS, timed("0 0 L * *"), "no number, range or step"),
    Refused(JOBS, timed("0 0 * * mon#1"), "no number, range or step"),
    Refused(JOBS, timed("R R * * *"), "no number, range or step"),
    Refused(JOBS, timed("1,,2 * * * *"), "no number, range or step"),
    Refused(JOBS, timed("0 22-2 * * *"), "goes backwards"),
    Refused(JOBS, timed("5/15 * * * *"), "a step needs a range: 5-59/15"),
    Refused(JOBS, timed("*/0 * * * *"), "no step of 0"),
    Refused(JOBS, timed("*/90 * * * *"), 'write every = "90min"'),
    Refused(JOBS, timed("0 0 30,31 2 *"), "no calendar has such a day"),
    Refused(JOBS, timed("0 0 31 feb,apr-jun/2,9,11 *"), "no calendar has such a day"),
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
        (COUNTS, ["50", "20"]),
        (COUNTS, ["50,200"]),
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
    assert REQUEST_PATH.parse("/health?deep=1") == "/health?deep=1"
    assert REQUEST_PATH.parse("") == ""
    assert FIELD_LINES.read(["Host:shop.example", "A: b:c "]) == ("Host: shop.example", "A: b:c")
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
    assert COUNTS.read(["50", "200"]) == (50, 200)


def test_a_flag_that_is_given_again_is_the_last_one() -> None:
    assert COUNT_OR_AUTO.read(["3", "auto"]) == 0
    assert YES_NO.read(["no", "yes"]) is True


def test_numbers_of_requests_ascend_and_none_is_off() -> None:
    assert COUNTS.parse([50, 200, 1000]) == (50, 200, 1000)
    assert COUNTS.parse([]) == ()
    assert COUNTS.render((50, 200)) == "[50, 200]"


def there_and_back(kind: Kind[Any], value: object) -> object:
    return kind.parse(tomllib.loads(f"value = {kind.render(value)}")["value"])


@pytest.mark.parametrize(
    ("text", "field", "numbers"),
    [
        ("*/20 * * * *", "minutes", (0, 20, 40)),
        ("5,50-59/4,7 * * * *", "minutes", (5, 7, 50, 54, 58)),
        ("0 9-17/4 * * *", "hours", (9, 13, 17)),
        ("0 0 */10 * *", "days", (1, 11, 21, 31)),
        ("0 0 * JAN,oct-dec *", "months", (1, 10, 11, 12)),
        ("0 0 * * mon-fri", "weekdays", (1, 2, 3, 4, 5)),
        ("0 0 * * 5-7", "weekdays", (0, 5, 6)),
        ("0 0 * * fri-sun", "weekdays", (0, 5, 6)),
        ("0 0 * * 0,7", "weekdays", (0,)),
        ("0 0 * * */2", "weekdays", (0, 2, 4, 6)),
        ("@weekly", "weekdays", (0,)),
        ("@Yearly", "months", (1,)),
        ("0 0 29 2 *", "days", (29,)),
        ("0 0 31 2 mon", "days", (31,)),
        ("17 3 1 * *", "is_either_day", False),
        ("17 3 1 * 1", "is_either_day", True),
        ("17 3 */2 * 1", "is_either_day", False),
        ("@hourly", "is_elapsed", True),
        ("0 */2 * * *", "is_elapsed", True),
        ("*/5 2 * * *", "is_elapsed", False),
    ],
)
def test_five_fields_name_numbers(text: str, field: str, numbers: object) -> None:
    assert getattr(crontab(text), field) == numbers


def test_a_job_may_say_all_that_there_is_to_say() -> None:
    value = {"name": "a-1_b", "call": "a.b:c.d", "schedule": " 17  3 * * * ", "timezone": "Europe/Berlin",
             "args": [1, "ü", {"deep": [True, 1.5]}], "overlap": "queue", "catch-up": False, "jitter": "5min",
             "enabled": False, "time_real": "1h", "time-cpu": 0}  # fmt: skip
    jobs = JOBS.parse([value, {"name": "b", "call": "a:b", "every": "1h", "args": {"x": {"y z": "\n"}}}])
    assert jobs[0] == Job(
        "a-1_b", "a.b:c.d", "17 3 * * *", 0.0, "Europe/Berlin", (1, "ü", {"deep": [True, 1.5]}), "queue",
        False, 300.0, False, 3600.0, 0.0,
    )  # fmt: skip
    assert jobs[1].every == 3600.0
    assert there_and_back(JOBS, jobs) == jobs
    assert hash(jobs[1]) == hash(jobs[1])


def test_all_that_is_wrong_with_jobs_is_told_with_its_place() -> None:
    with pytest.raises(Faults) as caught:
        JOBS.parse([*job(call=3, jitter="x"), *job(name="b", schedule="@x")])
    assert [path for path, _ in caught.value.faults] == [(0, "call"), (0, "jitter"), (1, "schedule")]


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
    [SPAN, SIZE, COUNTS, COUNT_OR_AUTO, YES_NO, USER, PATH, TARGET, ADDRESSES, TABLE, PROXIES, HOSTS,
     FIELD_NAME, PROXY_FIELDS],
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
