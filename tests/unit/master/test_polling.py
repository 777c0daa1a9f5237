"""When a poller is called, and by whom: with workers that only note what they are asked."""

from math import inf
from typing import Any

import pytest

from corn_systemd.master.polling import FIRST_DELAY, LONGEST_DELAY, Polling
from corn_systemd.master.record import Record
from corn_systemd.policy.view import Role, State
from corn_systemd.settings.sections import Cron, JobLimits, Settings

from .house import FakeLifeline

NOW = 100.0


def worker(key: int) -> Record:
    line: Any = FakeLifeline()
    return Record(key, Role.CRON, 1, NOW, line, slot=key, pid=1000 + key, state=State.READY)


def line(record: Record) -> FakeLifeline:
    fake: Any = record.lifeline
    assert isinstance(fake, FakeLifeline)
    return fake


def polling(poll: str = "shop:poll", workers: int = 1, now: float = NOW) -> Polling:
    made = Polling()
    adopt(made, poll, workers, now)
    return made


def adopt(made: Polling, poll: str = "shop:poll", workers: int = 1, now: float = NOW) -> None:
    cron = Cron(poll=poll, workers=workers, limits=JobLimits(time_real=77.0))
    made.adopt(Settings(name="shop", app="shop:application", cron=cron), now)


def asked(record: Record, made: Polling, now: float = NOW) -> None:
    """This worker is calling the poller now."""
    assert made.ask([record], now)
    assert made.running == record.key


def polled(made: Polling, record: Record, now: float = NOW, **fields: Any) -> None:
    made.heard(record, "polled", {"is_well": True, "again": None, **fields}, now)


@pytest.mark.parametrize(("poll", "workers"), [("", 1), ("shop:poll", 0)])
def test_without_a_target_or_a_worker_there_is_no_poller(poll: str, workers: int) -> None:
    made = polling(poll, workers)
    assert not made.is_wanted
    assert made.due_at == inf


def test_a_poller_is_called_first_of_all_under_the_limits_of_jobs() -> None:
    made, record = polling(), worker(1)
    assert made.is_wanted
    assert made.due_at == NOW
    idle = [record, worker(2)]
    assert made.ask(idle, NOW)
    assert [one.key for one in idle] == [2], "who calls it is idle no longer"
    ((kind, fields),) = line(record).sent
    assert kind == "poll"
    assert (fields["call"], fields["args"], fields["time_real"]) == ("shop:poll", [], 77.0)
    assert record.limits.time_real == 77.0, "the master goes by them, too"
    assert (made.due_at, made.running) == (inf, 1)


def test_a_worker_that_does_not_listen_calls_no_poller() -> None:
    made, record = polling(), worker(1)
    line(record).is_deaf = True
    idle = [record]
    assert not made.ask(idle, NOW)
    assert idle == [record]
    assert (made.due_at, made.running) == (NOW, 0)


@pytest.mark.parametrize(("again", "due_at"), [(None, inf), (0, NOW), (12.5, NOW + 12.5)])
def test_a_poller_says_when_it_wants_to_be_called_again(again: float | None, due_at: float) -> None:
    made, record = polling(), worker(1)
    asked(record, made)
    polled(made, record, again=again)
    assert (made.due_at, made.running) == (due_at, 0)


@pytest.mark.parametrize("again", [float("nan"), inf, -1.0, 10**400, "soon", [1]])
def test_an_instant_that_is_none_is_refused(again: Any) -> None:
    made, record = polling(), worker(1)
    asked(record, made)
    with pytest.raises((TypeError, ValueError)):
        polled(made, record, again=again)


def test_a_poller_that_is_woken_is_called_at_once() -> None:
    made, record = polling(), worker(1)
    asked(record, made)
    polled(made, record, again=600)
    made.heard(record, "woken", {}, NOW + 5.0)
    assert made.due_at == NOW + 5.0


def test_only_the_worker_that_is_calling_the_poller_says_how_it_went() -> None:
    made, record, other = polling(), worker(1), worker(2)
    asked(record, made)
    polled(made, other, again=1)
    assert (made.due_at, made.running) == (inf, 1)
    polled(made, record)
    made.heard(other, "woken", {}, NOW)
    assert made.due_at == inf
    polled(made, record, again=1)
    assert made.due_at == inf, "it has said so already"
    made.heard(record, "anything", {}, NOW)
    assert made.due_at == inf


def test_a_poller_that_is_at_work_is_not_woken() -> None:
    made, record = polling(), worker(1)
    asked(record, made)
    made.heard(record, "woken", {}, NOW)
    assert made.due_at == inf


def test_a_poller_stays_with_its_worker_and_waits_while_that_does_something_else() -> None:
    made, home, other = polling(), worker(1), worker(2)
    asked(home, made)
    polled(made, home, again=0)
    idle = [other]
    assert made.ask(idle, NOW), "there is nobody to be asked again"
    assert idle == [other]
    assert line(other).sent == []
    assert made.due_at == NOW
    idle = made.in_order([other, home])
    assert made.ask(idle, NOW)
    assert [kind for kind, _ in line(home).sent] == ["poll", "poll"]


def test_jobs_are_given_to_the_worker_with_the_poller_last() -> None:
    made, home = polling(), worker(2)
    asked(home, made)
    polled(made, home)
    idle = made.in_order([worker(1), home, worker(3)])
    assert [idle.pop().key for _ in range(3)][-1] == home.key


def test_a_poller_that_fails_is_called_later_and_later_and_at_once_when_it_went_well() -> None:
    made, record = polling(), worker(1)
    delays = []
    for _ in range(9):
        asked(record, made)
        polled(made, record, is_well=False)
        delays.append(made.due_at - NOW)
    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays[-1] == LONGEST_DELAY
    asked(record, made)
    polled(made, record, again=3)
    asked(record, made)
    polled(made, record, is_well=False)
    assert made.due_at == NOW + FIRST_DELAY


def test_a_poller_whose_worker_ends_while_it_is_called_has_failed() -> None:
    made, record = polling(), worker(1)
    asked(record, made)
    assert made.bury(record.key, NOW)
    assert (made.due_at, made.running) == (NOW + FIRST_DELAY, 0)
    asked(worker(2), made)


def test_a_poller_whose_worker_ends_while_it_waits_is_called_by_another_at_once() -> None:
    """What was to wake it has ended, too."""
    made, record = polling(), worker(1)
    asked(record, made)
    polled(made, record)
    assert not made.bury(record.key, NOW + 1.0)
    assert made.due_at == NOW + 1.0
    asked(worker(2), made)


def test_the_end_of_another_worker_is_none_of_the_pollers() -> None:
    made, record = polling(), worker(1)
    asked(record, made)
    assert not made.bury(2, NOW)
    assert (made.due_at, made.running) == (inf, 1)


def test_a_reload_has_the_poller_called_by_a_new_worker_when_the_old_one_has_gone() -> None:
    made, old, new = polling(), worker(1), worker(2)
    asked(old, made)
    polled(made, old, again=600)
    adopt(made, "shop:new", now=NOW + 1.0)
    assert made.due_at == NOW + 1.0
    idle = [new]
    assert made.ask(idle, NOW + 1.0)
    assert line(new).sent == [], "never by two"
    made.bury(old.key, NOW + 2.0)
    assert made.due_at == NOW + 2.0
    asked(new, made, NOW + 2.0)
    assert line(new).sent[0][1]["call"] == "shop:new"


def test_a_reload_forgets_how_often_the_poller_has_failed() -> None:
    made, record = polling(), worker(1)
    for _ in range(5):
        asked(record, made)
        polled(made, record, is_well=False)
    adopt(made, "shop:mended")
    asked(record, made)
    polled(made, record, is_well=False)
    assert made.due_at == NOW + FIRST_DELAY


def test_a_poller_that_is_called_over_a_reload_comes_to_its_end_and_is_called_anew() -> None:
    made, old, new = polling(), worker(1), worker(2)
    asked(old, made)
    adopt(made, "shop:new", now=NOW + 1.0)
    assert made.due_at == inf
    polled(made, old, again=600)
    assert made.ask([new], NOW + 700.0)
    assert line(new).sent == []
    assert not made.bury(old.key, NOW + 2.0)
    assert made.due_at == NOW + 2.0


@pytest.mark.parametrize("how", ["well", "badly", "with its worker", "woken", "with its idle worker"])
def test_a_poller_that_a_reload_has_taken_away_is_never_called_again(how: str) -> None:
    made, record = polling(), worker(1)
    asked(record, made)
    if how in ("woken", "with its idle worker"):
        polled(made, record, again=5)
    adopt(made, "", now=NOW)
    assert not made.is_wanted
    if how == "woken":
        made.heard(record, "woken", {}, NOW)
    elif how.startswith("with"):
        made.bury(record.key, NOW)
    else:
        polled(made, record, is_well=how == "well", again=5)
    assert (made.due_at, made.running) == (inf, 0)
