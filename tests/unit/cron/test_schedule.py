"""When jobs are due: both changes of summer time, in instants that nobody can misread."""

import math
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corn_systemd.cron import schedule as module
from corn_systemd.cron.schedule import Schedule, check
from corn_systemd.cron.zone import Zone
from corn_systemd.errors import ConfigError
from corn_systemd.settings.kinds import JOBS, Crontab, Job, crontab

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
APIA, UTC = "Pacific/Apia", "UTC"


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def schedule(text: str, zone: str = UTC) -> Schedule:
    return Schedule.of(Job("x", "a:b", schedule=text, timezone=zone))


def due(of: Schedule, since: float, until: float) -> list[float]:
    """All due instants in (since, until]."""
    found = []
    while (since := of.after(since)) <= until:
        found.append(since)
    return found


# (schedule, zone, from when, the first due instants after it)
TABLE = [
    # Berlin: 02:00 becomes 03:00 on 2026-03-29, and 03:00 becomes 02:00 on 2026-10-25.
    ("30 2 * * *", BERLIN, "2026-03-28T00:00+01:00",
     ["2026-03-28T02:30+01:00", "2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
    ("30 2 * * *", BERLIN, "2026-10-24T12:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
    ("0 2 * * *", BERLIN, "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
    ("0 3 * * *", BERLIN, "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T03:00+02:00"]),
    ("0 2 * * *", BERLIN, "2026-10-24T12:00+02:00", ["2026-10-25T02:00+02:00", "2026-10-26T02:00+01:00"]),
    ("0 3 * * *", BERLIN, "2026-10-24T12:00+02:00", ["2026-10-25T03:00+01:00", "2026-10-26T03:00+01:00"]),
    # The reader may begin in the middle of either.
    ("30 2 * * *", BERLIN, "2026-10-25T02:30+02:00", ["2026-10-26T02:30+01:00"]),
    ("30 2 * * *", BERLIN, "2026-10-25T02:15+01:00", ["2026-10-26T02:30+01:00"]),
    ("45 2 * * *", BERLIN, "2026-10-25T02:40+02:00", ["2026-10-25T02:45+02:00", "2026-10-26T02:45+01:00"]),
    ("30 2 * * *", BERLIN, "2026-03-29T01:59:59+01:00", ["2026-03-29T03:00+02:00"]),
    ("30 2 * * *", BERLIN, "2026-03-29T03:00+02:00", ["2026-03-30T02:30+02:00"]),
    # What falls together is one run; so is what is due at the end of the gap anyway.
    ("10,50 2,3 * * *", BERLIN, "2026-03-29T01:00+01:00",
     ["2026-03-29T03:00+02:00", "2026-03-29T03:10+02:00", "2026-03-29T03:50+02:00"]),
    ("0 1-4 * * *", BERLIN, "2026-03-29T00:30+01:00",
     ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]),
    ("0 1-4 * * *", BERLIN, "2026-10-25T00:30+02:00",
     ["2026-10-25T01:00+02:00", "2026-10-25T02:00+02:00", "2026-10-25T03:00+01:00",
      "2026-10-25T04:00+01:00"]),
    # An hour field that begins with * follows elapsed time.
    ("*/30 * * * *", BERLIN, "2026-10-25T01:30+02:00",
     ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00",
      "2026-10-25T02:30+01:00", "2026-10-25T03:00+01:00"]),
    ("*/30 * * * *", BERLIN, "2026-03-29T01:00+01:00",
     ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]),
    ("@hourly", BERLIN, "2026-03-29T01:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]),
    ("15 */2 * * *", BERLIN, "2026-03-29T00:15+01:00", ["2026-03-29T04:15+02:00"]),
    ("15 */2 * * *", BERLIN, "2026-10-25T00:15+02:00",
     ["2026-10-25T02:15+02:00", "2026-10-25T02:15+01:00", "2026-10-25T04:15+01:00"]),
    ("59 * * * *", BERLIN, "2026-10-25T02:59+02:00", ["2026-10-25T02:59+01:00", "2026-10-25T03:59+01:00"]),
    # Beginning before a change that is far away, and ending behind it.
    ("0 * 25 10 *", BERLIN, "2026-03-01T00:00+01:00", ["2026-10-25T00:00+02:00", "2026-10-25T01:00+02:00",
     "2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"]),
    ("30 * 29 3 *", BERLIN, "2025-03-29T23:30+01:00",
     ["2026-03-29T00:30+01:00", "2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00"]),
    # New York: 02:00 becomes 03:00 on 2026-03-08, and 02:00 becomes 01:00 on 2026-11-01.
    ("30 2 * * *", NEW_YORK, "2026-03-07T12:00-05:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:30-04:00"]),
    ("30 1 * * *", NEW_YORK, "2026-10-31T12:00-04:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
    ("*/30 * * * *", NEW_YORK, "2026-11-01T00:30-04:00",
     ["2026-11-01T01:00-04:00", "2026-11-01T01:30-04:00", "2026-11-01T01:00-05:00",
      "2026-11-01T01:30-05:00", "2026-11-01T02:00-05:00"]),
    ("0 0 1 11 *", NEW_YORK, "2026-03-01T00:00-05:00", ["2026-11-01T00:00-04:00", "2027-11-01T00:00-04:00"]),
    # Lord Howe: half an hour, 02:00 becomes 02:30 on 2026-10-04, and 02:00 becomes 01:30 on 2026-04-05.
    ("15 2 * * *", LORD_HOWE, "2026-10-03T12:00+10:30", ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]),
    ("45 1 * * *", LORD_HOWE, "2026-04-04T12:00+11:00", ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
    ("*/15 * * * *", LORD_HOWE, "2026-04-05T01:30+11:00",
     ["2026-04-05T01:45+11:00", "2026-04-05T01:30+10:30", "2026-04-05T01:45+10:30",
      "2026-04-05T02:00+10:30"]),
    ("*/15 * * * *", LORD_HOWE, "2026-10-04T01:45+10:30",
     ["2026-10-04T02:30+11:00", "2026-10-04T02:45+11:00"]),
    # Samoa left out the whole of 2011-12-30: one run for all of it.
    ("30 2 * * *", APIA, "2011-12-28T12:00-10:00",
     ["2011-12-29T02:30-10:00", "2011-12-31T00:00+14:00", "2011-12-31T02:30+14:00"]),
    ("0 0,12 30 * *", APIA, "2011-12-01T00:00-10:00", ["2011-12-31T00:00+14:00", "2012-01-30T00:00+14:00"]),
    ("0 */12 * * *", APIA, "2011-12-29T00:00-10:00",
     ["2011-12-29T12:00-10:00", "2011-12-31T00:00+14:00", "2011-12-31T12:00+14:00"]),
    # And Alaska had one Friday twice, in 1867, with another calendar.
    ("0 12 18 10 *", "America/Juneau", "1867-10-17T00:00+00:00",
     ["1867-10-18T12:00+15:02:19", "1868-10-18T12:00-08:57:41"]),
    # UTC knows nothing of it.
    ("30 2 29 3 *", UTC, "2026-01-01T00:00+00:00", ["2026-03-29T02:30+00:00", "2027-03-29T02:30+00:00"]),
    # The calendar: days that are rare, and two days of which either or both are meant.
    ("0 0 29 2 *", UTC, "2024-02-29T00:00+00:00", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
    ("0 0 29 2 *", UTC, "2096-02-29T00:00+00:00", ["2104-02-29T00:00+00:00"]),
    ("0 0 31 * *", UTC, "2026-01-31T00:00+00:00", ["2026-03-31T00:00+00:00", "2026-05-31T00:00+00:00"]),
    ("0 0 13 * fri", UTC, "2026-02-06T00:00+00:00", ["2026-02-13T00:00+00:00", "2026-02-20T00:00+00:00"]),
    ("0 0 1-31 * mon", UTC, "2026-02-06T00:00+00:00", ["2026-02-07T00:00+00:00"]),
    ("0 0 */2 * mon", UTC, "2026-02-06T00:00+00:00", ["2026-02-09T00:00+00:00", "2026-02-23T00:00+00:00"]),
    ("0 0 * * sun", UTC, "2026-02-06T00:00+00:00", ["2026-02-08T00:00+00:00", "2026-02-15T00:00+00:00"]),
    ("@monthly", UTC, "2026-12-15T00:00+00:00", ["2027-01-01T00:00+00:00", "2027-02-01T00:00+00:00"]),
    # Strictly after, to the microsecond.
    ("* * * * *", UTC, "2026-01-01T00:00:59.999999+00:00", ["2026-01-01T00:01+00:00"]),
    ("* * * * *", UTC, "2026-01-01T00:01:00.000001+00:00", ["2026-01-01T00:02+00:00"]),
]  # fmt: skip


def instants(texts: list[str]) -> list[float]:
    return [at(text) for text in texts]


@pytest.mark.parametrize(("text", "zone", "since", "expected"), TABLE)
def test_a_job_is_due_when_people_expect_it(text: str, zone: str, since: str, expected: list[str]) -> None:
    of = schedule(text, zone)
    found = [at(since)]
    for _ in expected:
        found.append(of.after(found[-1]))
    zoned = [datetime.fromtimestamp(instant, ZoneInfo(zone)).isoformat() for instant in found[1:]]
    assert found[1:] == instants(expected), zoned


@pytest.mark.parametrize(
    ("every", "since", "expected"),
    [
        (90.0, 0.0, 90.0),
        (90.0, 89.999999, 90.0),
        (90.0, 90.0, 180.0),
        (1.5, 1.5, 3.0),
        (1.1, 1.1 * 3, 4.4),
        (7 * 86400.0, at("2026-03-01T00:00+00:00"), at("2026-03-05T00:00+00:00")),
    ],
)
def test_every_means_the_multiples_since_1970_whatever_the_zone(
    every: float, since: float, expected: float
) -> None:
    of = Schedule.of(Job("x", "a:b", every=every), ZoneInfo(BERLIN))
    assert of.after(since) == expected


@given(
    st.floats(1, 1e6).map(lambda seconds: round(seconds, 6)),
    st.floats(0, 4e9),
    st.integers(0, 10**6),
)
def test_multiples_follow_each_other_without_a_hole(every: float, since: float, count: int) -> None:
    of = Schedule.of(Job("x", "a:b", every=every))
    first = of.after(since)
    second = of.after(first)
    assert since < first <= since + every + 1e-6
    assert abs(second - first - every) < 1e-6
    assert of.after(math.nextafter(first, 0)) == first
    assert of.latest(since, first) == first
    assert of.latest(since, math.nextafter(first, 0)) is None
    far = of.after(first + count * every)
    assert of.latest(since, far) == far


def field(least: int, most: int) -> st.SearchStrategy[str]:
    number = st.integers(least, most)
    ranges = st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}")
    steps = st.tuples(st.just("*") | ranges, st.integers(1, most)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    one = number.map(str) | ranges | steps
    return st.just("*") | steps | st.lists(one, min_size=1, max_size=3).map(",".join)


TIMES = st.tuples(st.sampled_from(["0", "30", "*/20", "59", "*"]) | field(0, 59), field(0, 23)).map(" ".join)
DAYS = st.tuples(field(1, 31), field(1, 12), field(0, 7)).map(" ".join)
EPOCH = datetime(1970, 1, 1)


def may_be(text: str) -> bool:
    try:
        crontab(text)
    except ValueError:
        return False
    return True


def is_named(named: Crontab, reading: datetime) -> bool:
    """crontab(5) in the plainest words."""
    is_day, is_weekday = reading.day in named.days, reading.isoweekday() % 7 in named.weekdays
    is_today = is_day or is_weekday if named.is_either_day else is_day and is_weekday
    is_now = reading.minute in named.minutes and reading.hour in named.hours
    return is_now and is_today and reading.month in named.months


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(TIMES, DAYS).map(" ".join).filter(may_be),
    st.datetimes(datetime(1999, 1, 1), datetime(2101, 1, 1)),
)
def test_the_calendar_names_what_the_fields_say_and_nothing_less(text: str, since: datetime) -> None:
    named = crontab(text)
    wall = (since - EPOCH) // timedelta(seconds=1)
    found = EPOCH + timedelta(seconds=module._calendar(text).after(wall))
    assert found > since.replace(microsecond=0)
    assert is_named(named, found) and not found.second
    # Nothing between, as far as it can be looked at in a moment.
    minute = since.replace(second=0, microsecond=0)
    for _ in range(1000):
        minute += timedelta(minutes=1)
        if minute >= found:
            break
        assert not is_named(named, minute)


CHANGES = {
    BERLIN: ["2026-03-29T01:00+00:00", "2026-10-25T01:00+00:00"],
    NEW_YORK: ["2026-03-08T07:00+00:00", "2026-11-01T06:00+00:00"],
    LORD_HOWE: ["2026-10-03T15:30+00:00", "2026-04-04T15:00+00:00"],
    APIA: ["2011-12-30T10:00+00:00"],
    "America/Juneau": ["1867-10-19T08:31:37+00:00"],
    UTC: ["2026-03-29T01:00+00:00"],
}
NEAR = st.sampled_from([(zone, change) for zone, changes in CHANGES.items() for change in changes])


def plainly(text: str, rules: tzinfo, since: int, until: int) -> list[float]:
    """The due instants in (since, until], one after the other: by what clocks show, and what they pass."""
    named, found = crontab(text), []
    first = since - 26 * 3600
    highest = datetime.fromtimestamp(first, rules).replace(tzinfo=None)
    step = 60 if not first % 60 else 1  # offsets of today are whole minutes
    for instant in range(first + step, until + 1, step):
        shown = datetime.fromtimestamp(instant, rules).replace(tzinfo=None)
        if named.is_elapsed:
            is_due = not shown.second and is_named(named, shown)
        else:
            is_due = False
            reading = highest.replace(second=0)
            while (reading := reading + timedelta(minutes=1)) <= shown:
                is_due = is_due or is_named(named, reading)
            highest = max(highest, shown)
        if is_due and instant > since:
            found.append(float(instant))
    return found


@settings(max_examples=80, deadline=None)
@given(TIMES, st.sampled_from(["* * *"] * 4 + ["29 3 *", "*/2 * *", "* * sun", "30 12 *"]), NEAR, st.data())
def test_near_a_change_of_clocks_due_is_what_clocks_show_or_pass(
    times: str, days: str, near: tuple[str, str], data: st.DataObject
) -> None:
    zone, change = near
    text = f"{times} {days}"
    middle = int(at(change))
    since = middle - 60 * data.draw(st.integers(0, 1800))
    since -= since % 60
    until = since + 86400 + 3600
    if zone == "America/Juneau":  # its offsets are no whole minutes
        since, until = middle - 3600, middle + 3600
    assert due(schedule(text, zone), since, until) == plainly(text, ZoneInfo(zone), since, until)


ZONED = st.tuples(
    st.tuples(TIMES, st.sampled_from(["* * *", "*/3 * *", "* * mon-fri", "29 3 *", "25 10 *", "1 * 0"])).map(
        " ".join
    ),
    st.sampled_from(list(CHANGES)),
)
INSTANTS = st.floats(at("2011-01-01T00:00+00:00"), at("2060-01-01T00:00+00:00"))


@settings(deadline=None)
@given(ZONED, INSTANTS)
def test_due_instants_grow_and_are_named_but_at_the_end_of_a_gap(
    zoned: tuple[str, str], since: float
) -> None:
    text, zone = zoned
    rules, named = ZoneInfo(zone), crontab(text)
    of = schedule(text, zone)
    for _ in range(5):
        found = of.after(since)
        assert found > since
        shown = datetime.fromtimestamp(found, rules).replace(tzinfo=None)
        before = datetime.fromtimestamp(found - 1, rules).replace(tzinfo=None)
        assert is_named(named, shown) or (not named.is_elapsed and shown - before > timedelta(seconds=1))
        since = found


@settings(deadline=None)
@given(ZONED, INSTANTS, st.floats(0, 3 * 86400), st.floats(0, 1))
def test_an_interval_in_two_parts_has_the_same_runs(
    zoned: tuple[str, str], since: float, length: float, part: float
) -> None:
    of = schedule(*zoned)
    until, middle = since + length, since + length * part
    whole = due(of, since, until)
    assert due(of, since, middle) + due(of, middle, until) == whole
    assert of.latest(since, until) == (whole[-1] if whole else None)


@pytest.mark.parametrize("text", ["* * * * *", "*/5 2 * * *", "* * 1 1 *", "0 0 29 2 *", "7 */6 * * *"])
@pytest.mark.parametrize("day", [1, 2, 40, 364])
def test_the_latest_of_many_runs_is_found_without_going_through_them(text: str, day: int) -> None:
    of = schedule(text, BERLIN)
    since, until = at("2023-01-01T00:00+01:00"), at("2026-01-01T00:00+01:00") + day * 86400 + 12345
    calls = 0
    after = of.after

    def counted(instant: float) -> float:
        nonlocal calls
        calls += 1
        return after(instant)

    of.after = counted  # type: ignore[method-assign]
    found = of.latest(since, until)
    assert found is not None and found <= until < after(found)
    assert calls < 100


def test_the_machine_s_own_zone_is_that_of_the_c_library_unless_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import time

    job = Job("x", "a:b", schedule="30 2 * * *")
    since = at("2026-03-28T12:00+01:00")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        assert Schedule.of(job).after(since) == at("2026-03-29T03:00+02:00")
        autumn = [Schedule.of(job).after(at("2026-10-24T12:00+02:00"))]
        autumn.append(Schedule.of(job).after(autumn[0]))
        assert autumn == instants(["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"])
    time.tzset()
    assert Schedule.of(job, ZoneInfo(NEW_YORK)).after(since) == at("2026-03-29T02:30-04:00")


def test_what_cannot_be_followed_is_told_for_all_jobs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check(JOBS.parse([{"name": "a", "call": "b:c", "schedule": "@daily"}]))
    jobs = [
        Job("a", "b:c", schedule="0 0 30 2 *"),
        Job("b", "b:c", every=60.0),
        Job("c", "b:c", schedule="0 0 * * *", timezone="Mars/Olympus"),
    ]
    with pytest.raises(ConfigError) as caught:
        check(jobs)
    assert [line.partition(":")[2][:10] for line in str(caught.value).splitlines()] == [
        " job 'a': ",
        " job 'c': ",
    ]


def test_without_croniter_the_cure_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "croniter", None)
    module._calendar.cache_clear()
    check([Job("b", "b:c", every=60.0)])
    with pytest.raises(ConfigError, match="apt install python3-croniter"):
        check([Job("a", "b:c", schedule="@daily")])


def test_clocks_are_read_in_both_directions() -> None:
    zone = Zone(ZoneInfo(BERLIN))
    instant = int(at("2026-10-25T02:30+01:00"))
    assert zone.wall(instant) == zone.wall(instant - 3600) == int(at("2026-10-25T02:30+00:00"))
    assert zone.first(zone.wall(instant)) == instant - 3600
    change = int(at("2026-10-25T01:00+00:00"))
    assert zone.change(change - 86400, change + 86400) == change
    assert zone.change(change, change + 86400) is None
    assert zone.change(change - 86400, change - 1) is None


@pytest.mark.parametrize(
    ("text", "after", "due"),
    [
        ("0 0 */5 * *", "2001-02-28T08:00", "2001-03-01T00:00"),
        ("0 0 1,31 * *", "2026-02-10T00:00", "2026-03-01T00:00"),
        ("0 0 1,30 * *", "2026-02-10T00:00", "2026-03-01T00:00"),
        ("0 0 29,31 2-4 *", "2026-02-10T00:00", "2026-03-29T00:00"),
        ("0 0 30,31 4,6 *", "2026-04-30T00:00", "2026-06-30T00:00"),
        ("0 0 1,31 * mon", "2026-02-26T00:00", "2026-03-01T00:00"),
    ],
)
def test_a_month_that_has_not_got_a_day_leaves_out_no_other(text: str, after: str, due: str) -> None:
    """croniter 1.3.5 takes the 31st of March for the next of 1,31 in February."""
    schedule = Schedule.of(Job("x", "a:b", schedule=text, timezone="UTC"))
    instants = [datetime.fromisoformat(one + "+00:00").timestamp() for one in (after, due)]
    assert schedule.after(instants[0]) == instants[1]
