"""The stories of jobs: lists of (when, what happens, what the agenda then says).

Instants are written `03:17` or `2 03:17:30`, with the day of January 2026, which is the first unless it is
told; all of them are UTC.
"""

import math
from datetime import datetime, timezone
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corn_systemd.cron.agenda import BELIEVED, PUNCTUAL, Agenda
from corn_systemd.cron.events import (
    Disbelieved,
    Event,
    HeldBack,
    Missed,
    Outlook,
    Past,
    Run,
    Skipped,
    Suspended,
)
from corn_systemd.cron.schedule import Schedule
from corn_systemd.settings.kinds import Job

MIDNIGHT = datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp()


def at(text: str) -> float:
    day, _, time = text.rpartition(" ")
    hours, minutes, seconds, *_ = [*time.split(":"), "0"]
    return MIDNIGHT + (int(day or 1) - 1) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def text(instant: float) -> str:
    day, rest = divmod(round(instant - MIDNIGHT, 3), 86400)
    minutes, seconds = divmod(rest, 60)
    time = f"{int(minutes) // 60:02}:{int(minutes) % 60:02}" + (f":{seconds:02g}" if seconds else "")
    return f"{int(day) + 1} {time}" if day else time


def said(event: Event) -> str:
    match event:
        case Run(_, when, is_caught_up, is_by_hand):
            word = "by hand" if is_by_hand else "made up for" if is_caught_up else "run"
            return f"{word} {text(when)}"
        case Skipped(_, when, because):
            return f"skipped {text(when)}: {because.name.lower()}"
        case Missed(_, first, last):
            return f"missed {text(first)} to {text(last)}"
        case HeldBack(_, failures, until):
            return f"{failures} failed, held back until {text(until)}"
        case Suspended(_, failures):
            return f"{failures} failed, suspended"
        case Disbelieved(_, mark):
            return f"disbelieved {text(mark)}"


class World:
    """One job, a clock that the story moves, and a worker that ends a run when the story says so."""

    def __init__(self, began: str, mark: str = "", **job: Any) -> None:
        self.job = Job(**{"name": "tidy", "call": "a:b", "timezone": "UTC", **job})
        past = {"tidy": Past(mark=at(mark))} if mark else {}
        self.agenda = Agenda([self.job], past, at(began))
        self.running: list[Run] = []

    def tell(self, when: str, what: str) -> list[str]:
        now, told = at(when), []
        match what.split(" "):
            case ["ends"]:
                told += self.agenda.finished(self.running.pop(), True, now)
            case ["fails"]:
                told += self.agenda.finished(self.running.pop(), False, now)
            case ["pause"]:
                told += self.agenda.pause("tidy", now)
            case ["resume"]:
                self.agenda.resume("tidy", now)
            case ["hand"]:
                told += [self.agenda.by_hand("tidy", now)]
            case ["reload", *changes]:
                changed = dict(change.split("=") for change in changes)
                self.job = Job(**{**vars(self.job), **changed, "enabled": changed.get("enabled") != "no"})
                self.agenda = Agenda([self.job], self.agenda.pasts(), now)
        told += self.agenda.due(now)
        assert self.agenda.next_at > now or self.agenda.next_at == math.inf
        self.running += [event for event in told if isinstance(event, Run)]
        return [said(event) for event in told]


# (title, the world at its beginning, the story)
STORIES: list[tuple[str, World, list[tuple[str, str, list[str]]]]] = [
    ("a job is run when it is due, once",
     World("03:00", schedule="17 3 * * *"),
     [("03:16:59", "", []), ("03:17", "", ["run 03:17"]), ("03:17:30", "", []), ("03:18", "ends", []),
      ("2 03:16", "", []), ("2 03:17:02", "", ["run 2 03:17"])]),
    ("a job that is new is not made up for from before it was known",
     World("04:00", schedule="17 3 * * *"), [("04:00", "", []), ("2 03:17", "", ["run 2 03:17"])]),
    ("a missed run is made up for once at the start",
     World("5 04:00", mark="1 03:17", schedule="17 3 * * *"),
     [("5 04:00", "", ["missed 2 03:17 to 4 03:17", "made up for 5 03:17"]), ("5 04:01", "ends", []),
      ("6 03:17", "", ["run 6 03:17"])]),
    ("what one minute is too late for is not late",
     World("2 03:17:59", mark="1 03:17", schedule="17 3 * * *", catch_up=False),
     [("2 03:17:59", "", ["run 2 03:17"])]),
    ("a missed run is told where nobody wants it made up for",
     World("5 04:00", mark="1 03:17", schedule="17 3 * * *", catch_up=False),
     [("5 04:00", "", ["missed 2 03:17 to 5 03:17"]), ("6 03:17", "", ["run 6 03:17"])]),
    ("a run on time makes up for those before",
     World("5 03:17:30", mark="1 03:17", schedule="17 3 * * *"),
     [("5 03:17:30", "", ["missed 2 03:17 to 4 03:17", "run 5 03:17"])]),
    ("nothing was missed in a short absence",
     World("2 03:00", mark="1 03:17", schedule="17 3 * * *"), [("2 03:00", "", []), ("2 03:16", "", [])]),
    ("a clock that is put forward makes up for the last run and tells the others",
     World("00:00", every=600.0),
     [("00:10", "", ["run 00:10"]), ("00:10:30", "ends", []),
      ("09:01", "", ["missed 00:20 to 08:50", "run 09:00"]), ("09:02", "ends", []),
      ("09:10", "", ["run 09:10"])]),
    ("a clock that is put back repeats no run",
     World("00:00", every=600.0),
     [("00:10", "", ["run 00:10"]), ("00:10:01", "ends", []), ("00:00", "", []), ("00:10", "", []),
      ("00:19:59", "", []), ("00:20", "", ["run 00:20"])]),
    ("a clock that was ahead by years is not waited for",
     World("00:00", schedule="0 * * * *"),
     [("01:00", "", ["run 01:00"]), ("01:01", "ends", []),
      ("400 00:30", "", ["missed 02:00 to 399 23:00", "made up for 400 00:00"]), ("400 00:31", "ends", []),
      ("01:31", "", ["disbelieved 400 00:00"]), ("02:00", "", ["run 02:00"])]),
    ("a mark of years ahead is not waited for at the start",
     World("01:31", mark="400 00:00", schedule="0 * * * *"),
     [("01:31", "", ["disbelieved 400 00:00"]), ("02:00", "", ["run 02:00"])]),
    ("a run that is due while the last one lasts is left out",
     World("00:00", every=600.0),
     [("00:10", "", ["run 00:10"]), ("00:20", "", ["skipped 00:20: running"]),
      ("00:31", "", ["skipped 00:30: running"]), ("00:32", "ends", []), ("00:40", "", ["run 00:40"])]),
    ("with a queue one run waits, and not more",
     World("00:00", every=600.0, overlap="queue"),
     [("00:10", "", ["run 00:10"]), ("00:20", "", []), ("00:30", "", ["skipped 00:30: waiting"]),
      ("00:35", "ends", ["run 00:20"]), ("00:40", "", []), ("00:41", "ends", ["run 00:40"]),
      ("00:42", "ends", []), ("00:50", "", ["run 00:50"])]),
    ("a failure holds a job back for a while",
     World("00:00", every=10.0),
     [("00:00:10", "", ["run 00:00:10"]), ("00:00:11", "fails", ["1 failed, held back until 00:00:41"]),
      ("00:00:40", "", []), ("00:00:50", "", ["run 00:00:50"]),
      ("00:00:55", "fails", ["2 failed, held back until 00:01:55"]), ("00:01:54", "", []),
      ("00:02", "", ["run 00:02"]), ("00:02:01", "ends", []), ("00:02:10", "", ["run 00:02:10"]),
      ("00:02:11", "fails", ["1 failed, held back until 00:02:41"])]),
    ("a failure changes nothing for a job that is not due soon",
     World("00:00", every=3600.0),
     [("01:00", "", ["run 01:00"]), ("01:01", "fails", []), ("02:00", "", ["run 02:00"])]),
    ("a run that waits is held back, not lost",
     World("00:00", every=600.0, overlap="queue"),
     [("00:10", "", ["run 00:10"]), ("00:20", "", []),
      ("00:29:50", "fails", ["1 failed, held back until 00:30:20"]), ("00:30:19", "", []),
      ("00:30:20", "", ["run 00:20"]), ("00:31", "ends", []), ("00:40", "", ["run 00:40"])]),
    ("a run by hand comes before one that is held back",
     World("00:00", every=600.0, overlap="queue"),
     [("00:10", "", ["run 00:10"]), ("00:20", "", []),
      ("00:29:50", "fails", ["1 failed, held back until 00:30:20"]), ("00:30", "hand", ["by hand 00:30"]),
      ("00:30:20", "", []), ("00:31", "ends", ["run 00:20"]), ("00:32", "ends", []),
      ("00:40", "", ["run 00:40"])]),
    ("a run that waits is dropped when its job is disabled",
     World("00:00", every=600.0, overlap="queue"),
     [("00:10", "", ["run 00:10"]), ("00:20", "", []), ("00:21", "reload enabled=no", []),
      ("00:22", "ends", []), ("00:30", "", []), ("00:31", "reload", []), ("00:40", "", ["run 00:40"])]),
    ("after five failures in a row a job is suspended until it is resumed",
     World("00:00", every=3600.0),
     [("01:00", "", ["run 01:00"]), ("01:01", "fails", []), ("02:00", "", ["run 02:00"]),
      ("02:01", "fails", []),
      ("03:00", "", ["run 03:00"]), ("03:01", "fails", []), ("04:00", "", ["run 04:00"]),
      ("04:01", "fails", []),
      ("05:00", "", ["run 05:00"]), ("05:01", "fails", ["5 failed, suspended"]), ("09:00", "", []),
      ("09:01", "reload", []), ("09:02", "hand", ["by hand 09:02"]), ("09:03", "ends", []), ("10:00", "", []),
      ("10:30", "resume", []), ("11:00", "", ["run 11:00"]), ("11:01", "fails", []),
      ("12:00", "", ["run 12:00"])]),
    ("a success between makes failures count anew",
     World("00:00", every=3600.0),
     [("01:00", "", ["run 01:00"]), ("01:01", "fails", []), ("02:00", "", ["run 02:00"]),
      ("02:01", "fails", []),
      ("03:00", "", ["run 03:00"]), ("03:01", "fails", []), ("04:00", "", ["run 04:00"]),
      ("04:01", "fails", []),
      ("05:00", "", ["run 05:00"]), ("05:01", "ends", []), ("06:00", "", ["run 06:00"]),
      ("06:01", "fails", []),
      ("07:00", "", ["run 07:00"])]),
    ("a paused job is left out, and nothing of it was missed",
     World("00:00", every=600.0),
     [("00:10", "", ["run 00:10"]), ("00:10:30", "ends", []), ("00:15", "pause", []), ("01:00", "", []),
      ("01:05", "reload", []), ("01:15", "resume", []), ("01:20", "", ["run 01:20"])]),
    ("a run that waits is left out when its job is paused",
     World("00:00", every=600.0, overlap="queue"),
     [("00:10", "", ["run 00:10"]), ("00:20", "", []), ("00:21", "pause", ["skipped 00:20: paused"]),
      ("00:22", "ends", []), ("00:30", "", []), ("00:31", "resume", []), ("00:40", "", ["run 00:40"])]),
    ("a disabled job is never due, and starts anew when it is enabled",
     World("00:00", every=600.0),
     [("00:10", "", ["run 00:10"]), ("00:11", "ends", []), ("00:12", "reload enabled=no", []),
      ("01:00", "", []),
      ("01:05", "reload", []), ("01:10", "", ["run 01:10"])]),
    ("a clock that is put back while a job is paused repeats no run",
     World("00:00", every=600.0),
     [("01:00", "", ["missed 00:10 to 00:50", "run 01:00"]), ("01:01", "ends", []), ("01:02", "pause", []),
      ("00:30", "reload", []), ("00:31", "resume", []), ("01:00", "", []), ("01:10", "", ["run 01:10"])]),
    ("a run by hand lasts like any other, and neither fails nor makes up for a job",
     World("00:00", every=600.0),
     [("00:05", "hand", ["by hand 00:05"]), ("00:06", "hand", ["skipped 00:06: running"]),
      ("00:10", "", ["skipped 00:10: running"]), ("00:15", "fails", []), ("00:20", "", ["run 00:20"])]),
    ("a reload keeps what runs and what waits",
     World("00:00", every=600.0, overlap="queue"),
     [("00:10", "", ["run 00:10"]), ("00:20", "", []), ("00:21", "reload", []),
      ("00:30", "", ["skipped 00:30: waiting"]), ("00:31", "ends", ["run 00:20"]), ("00:32", "reload", []),
      ("00:40", "", []), ("00:41", "ends", ["run 00:40"])]),
    ("a job with another schedule is a new one",
     World("03:00", schedule="17 3 * * *"),
     [("03:17", "", ["run 03:17"]), ("03:18", "ends", []), ("2 12:00", "reload schedule=@daily", []),
      ("3 00:00", "", ["run 3 00:00"])]),
]  # fmt: skip


@pytest.mark.parametrize(("world", "story"), [row[1:] for row in STORIES], ids=[row[0] for row in STORIES])
def test_the_story_of_a_job(world: World, story: list[tuple[str, str, list[str]]]) -> None:
    for when, what, expected in story:
        assert world.tell(when, what) == expected, f"{when} {what}"


def agenda(*jobs: Job, now: str = "00:00", **past: Past) -> Agenda:
    return Agenda(jobs, past, at(now))


def test_the_next_instant_is_that_of_the_first_job_and_infinite_without_any() -> None:
    assert agenda().next_at == math.inf
    one = agenda(
        Job("a", "x:y", every=600.0), Job("b", "x:y", every=90.0), Job("c", "x:y", enabled=False, every=1.0)
    )
    assert one.next_at == at("00:01:30")
    one.pause("b", at("00:01"))
    assert one.next_at == at("00:10")
    one.pause("a", at("00:01"))
    assert one.next_at == math.inf


def test_jobs_begin_in_the_order_in_which_they_are_due() -> None:
    one = agenda(Job("a", "x:y", every=600.0), Job("b", "x:y", every=200.0), Job("c", "x:y", every=200.0))
    names = [event.job.name for event in one.due(at("00:10")) if isinstance(event, Run)]
    assert names == ["b", "c", "a"]


def test_an_agenda_is_shown_job_by_job() -> None:
    jobs = [
        Job("a", "x:y", every=600.0),
        Job("b", "x:y", every=600.0, enabled=False),
        Job("c", "x:y", every=60.0),
    ]
    one = agenda(*jobs, c=Past(mark=at("00:00"), failures=5))
    assert [one.view(job.name).outlook for job in jobs] == [
        Outlook.SCHEDULED,
        Outlook.DISABLED,
        Outlook.SUSPENDED,
    ]
    assert one.view("a").due_at == one.view("a").start_at == at("00:10")
    assert one.view("c").due_at == math.inf
    assert one.view("c").past == Past(at("00:00"), "60.0", is_asleep=True, failures=5)
    for ask in (one.view, lambda name: one.pause(name, 0.0), lambda name: one.by_hand(name, 0.0)):
        with pytest.raises(KeyError):
            ask("nobody")


def test_the_end_of_a_run_whose_job_is_gone_is_no_news() -> None:
    job = Job("a", "x:y", every=60.0)
    (run,) = agenda(job).due(at("00:01"))
    assert isinstance(run, Run)
    assert agenda().finished(run, False, at("00:02")) == []
    assert agenda(job).finished(run, False, at("00:02")) == []


@pytest.mark.parametrize("schedule", [{"every": 3600.0}, {"schedule": "0 * * * *"}])
def test_jitter_delays_the_start_and_never_the_key(schedule: dict[str, Any]) -> None:
    jobs = [Job(f"job-{number}", "x:y", jitter=1800.0, **schedule) for number in range(50)]
    one, again = agenda(*jobs), agenda(*jobs)
    starts = {one.view(job.name).start_at for job in jobs}
    assert all(at("01:00") <= start < at("01:30") for start in starts) and len(starts) == 50
    assert starts == {again.view(job.name).start_at for job in jobs}
    assert one.next_at == min(starts)
    assert one.due(min(starts) - 0.001) == []
    assert {event.at for event in one.due(max(starts)) if isinstance(event, Run)} == {at("01:00")}


def test_a_run_that_jitter_still_delays_was_not_missed() -> None:
    job = Job("a", "x:y", every=3600.0, jitter=1800.0)
    start = agenda(job).next_at
    assert start > at("01:00") + PUNCTUAL
    again = agenda(job, now="01:00:30", a=Past(mark=at("00:00")))
    assert again.due(at("01:00:30")) == []
    assert [said(event) for event in again.due(start)] == ["run 01:00"]
    late = agenda(job, now="01:00:30", a=Past(mark=at("1 00:00") - 7200))
    assert [said(event) for event in late.due(at("01:00:30"))] == [
        "missed 0 23:00 to 0 23:00",
        "made up for 00:00",
    ]
    assert late.next_at == start


def test_jitter_is_over_before_the_next_run_is_due() -> None:
    one = agenda(Job("a", "x:y", schedule="* * * * *", jitter=86400.0, timezone="UTC"))
    now = at("00:00")
    for minute in range(1, 30):
        now = one.next_at
        (run,) = one.due(now)
        assert isinstance(run, Run) and run.at == at(f"00:{minute:02}")
        assert run.at <= now < run.at + 60
        one.finished(run, True, now)


ACTS = st.tuples(
    st.sampled_from(["", "", "", "ends", "ends", "fails", "pause", "resume", "reload", "hand"]),
    st.sampled_from([0.0, 1.0, 30.0, 60.0, 599.0, 3600.0, 86400.0, -1.0, -60.0, -3600.0, -80000.0]),
)
JOBS = st.builds(
    Job,
    name=st.just("tidy"),
    call=st.just("a:b"),
    schedule=st.sampled_from(["*/10 * * * *", "30 2 * * *", "@hourly"]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin"]),
    overlap=st.sampled_from(["skip", "queue"]),
    catch_up=st.booleans(),
    jitter=st.sampled_from([0.0, 45.0, 7200.0]),
)


@settings(max_examples=200, deadline=None)
@given(JOBS, st.lists(ACTS, max_size=40))
def test_whatever_happens_no_due_run_is_told_twice_and_none_is_forgotten(
    job: Job, acts: list[tuple[str, float]]
) -> None:
    now = latest = began = at("80 00:00")
    one = Agenda([job], {}, now, give_up=3)
    running: list[Run] = []
    told: list[Event] = []
    was_off = False
    for what, step in acts:
        now = max(now + step, latest - 0.9 * BELIEVED)
        latest = max(latest, now)
        if what in ("ends", "fails") and running:
            told += one.finished(running.pop(), what == "ends", now)
        elif what == "pause":
            told += one.pause("tidy", now)
        elif what == "resume":
            one.resume("tidy", now)
        elif what == "hand":
            running += [run for run in [one.by_hand("tidy", now)] if isinstance(run, Run)]
        elif what == "reload":
            one = Agenda([job], one.pasts(), now, give_up=3)
        was_off = was_off or one.view("tidy").outlook is not Outlook.SCHEDULED
        events = one.due(now)
        told += events
        running += [event for event in events if isinstance(event, Run)]
        assert len(running) <= 1
        assert one.due(now) == []
    keys = [event.at for event in told if isinstance(event, (Run, Skipped))]
    assert len(set(keys)) == len(keys)
    of = Schedule.of(job)
    assert all(of.after(key - 1) == key for key in keys)
    if was_off or any(isinstance(event, HeldBack) for event in told):
        return
    waiting = one.view("tidy").past.waiting
    accounted = {*keys, *([waiting] if waiting is not None else [])}
    due = began
    while (due := of.after(due)) <= latest and due < one.view("tidy").due_at:
        is_missed = any(isinstance(e, Missed) and e.first_at <= due <= e.last_at for e in told)
        assert (due in accounted) != is_missed, text(due)


def test_a_thousand_jobs_are_read_quickly_and_cost_nothing_while_none_is_due() -> None:
    jobs = [
        Job(f"job-{n}", "x:y", schedule=f"{n % 60} {n % 24} * * *", timezone="Europe/Berlin")
        for n in range(1000)
    ]
    start = perf_counter()
    one = agenda(*jobs, now="00:00:30")
    built = perf_counter()
    for _ in range(1000):
        assert one.due(at("00:00:31")) == [] and one.next_at > at("00:00:31")
    asked = perf_counter()
    assert built - start < 3.0  # 0.1 s here; a machine that is busy otherwise is no failure
    assert asked - built < 0.3
