"""The jobs of an instance, from the clock to the ledger: who is asked for what, and what becomes of it."""

import os
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from corn_systemd.cron.events import Past
from corn_systemd.cron.ledger import Entry, LastRun, entry_of
from corn_systemd.master.flight import Stage
from corn_systemd.master.record import Overrun
from corn_systemd.policy.view import Desired, Role, State
from corn_systemd.scoreboard import Scoreboard
from corn_systemd.systemd import messages

from .house import DAY, MINUTE, NOON, SHARED, House, MemoryLedger, due, is_closed, minutely, running
from .story import tell

# From the clock to the ledger


def test_a_due_run_is_claimed_granted_handed_over_and_written_down() -> None:
    house = House()
    clerk, worker = house.clerk(), house.worker()
    house.adopt(minutely("tidy", args={"days": 3}, time_real=90.0), retries=7)
    house.look()
    assert house.stages() == {}
    assert house.jobs.look_at == house.now + MINUTE, "it is due then"
    assert house.papers(clerk) == [("note", "tidy")], "a job is known from now on"

    house.wait(MINUTE)
    house.look()
    assert house.stages() == {"tidy": "claiming"}
    ((kind, claim),) = house.lines[clerk.key].take()
    assert (kind, claim["at"], claim["lock"], claim["retries"]) == ("claim", NOON + MINUTE, "", 7)
    entry = entry_of(claim["entry"])
    assert entry == Entry("tidy", Past(NOON + MINUTE, "60.0", waiting=NOON + MINUTE), began_at=house.wall)
    assert house.orders(worker) == [], "not before it is claimed"

    house.wait(0.5)
    house.grants("tidy")
    assert house.jobs.look_at <= house.now
    house.look()
    assert house.stages() == {"tidy": "running"}
    flight = house.flight("tidy")
    assert (flight.worker, flight.began_at) == (worker.key, house.wall)
    (order,) = house.orders(worker)
    assert (order["run"], order["job"], order["call"], order["args"], order["time_real"]) == (
        f"tidy-{NOON + MINUTE:.0f}", "tidy", "shop:tidy", {"days": 3}, 90.0,
    )  # fmt: skip
    assert worker.limits.time_real == 90.0, "the master goes by them, too"

    house.wait(2.0)
    house.ran(worker, detail="")
    assert house.stages() == {}
    assert house.jobs.look_at <= house.now
    house.look()
    ((kind, ended),) = house.lines[clerk.key].take()
    assert (kind, ended["job"], ended["at"], ended["outcome"]) == ("ended", "tidy", NOON + MINUTE, "done")
    last = LastRun(NOON + MINUTE, NOON + MINUTE + 0.5, NOON + MINUTE + 2.5, "done", 1.5, 0.5, 4096)
    past = Past(NOON + MINUTE, "60.0")
    assert entry_of(ended["entry"]) == Entry("tidy", past, runs=1, last=last)
    outcome = {"outcome": "done", "status": 0, "detail": "", "real": 1.5, "cpu": 0.5}
    assert house.jobs.take_outcomes() == [(f"tidy-{NOON + MINUTE:.0f}", outcome)]
    assert house.jobs.take_outcomes() == [], "each is told once"
    assert house.journal.entries == [], "its worker says the rest"


def test_nothing_is_claimed_twice_or_handed_over_twice() -> None:
    house, clerk = due(minutely("tidy"), workers=2)
    house.look()
    house.look()
    assert house.papers(clerk) == [("claim", "tidy")]
    house.grants("tidy")
    house.look()
    house.look()
    assert house.papers(clerk) == []
    assert sum(len(house.orders(worker)) for worker in house.children.of(Role.CRON)) == 1


def test_as_much_is_claimed_as_there_are_idle_workers() -> None:
    names = ("one", "two", "three")
    house, clerk = due(*map(minutely, names), workers=2)
    house.look()
    assert sorted(house.stages().values()) == ["claiming", "claiming", "due"]
    claimed = [job for kind, job in house.papers(clerk) if kind == "claim"]
    assert len(claimed) == 2, "the third may be another machine's"
    house.grants(claimed[0])
    house.look()
    assert sorted(house.stages().values()) == ["claiming", "due", "running"]
    house.grants(claimed[1])
    house.look()
    assert house.papers(clerk) == []
    first = next(one for one in house.children if one.key == house.flight(claimed[0]).worker)
    house.ran(first)
    house.look()
    (third,) = set(names) - set(claimed)
    assert ("claim", third) in house.papers(clerk)
    house.grants(third)
    house.look()
    assert house.flight(third).worker == first.key


def test_nothing_is_claimed_without_a_worker_or_a_clerk() -> None:
    house, clerk = due(minutely("tidy"), workers=0)
    house.look()
    assert house.stages() == {"tidy": "due"}
    assert house.papers(clerk) == []
    house.gone(clerk)
    house.jobs.became_ready(house.worker())
    house.look()
    assert house.stages() == {"tidy": "due"}
    clerk = house.clerk()
    assert house.jobs.look_at <= house.now
    house.look()
    assert ("claim", "tidy") in house.papers(clerk)


@pytest.mark.parametrize("who", ["older", "retires", "starting", "draining", "http"])
def test_nothing_is_handed_to_who_is_about_to_leave_or_has_the_old_code(who: str) -> None:
    house, _clerk = due(minutely("tidy"), workers=0)
    house.adopt(minutely("tidy"), generation=2)
    states = {"starting": State.STARTING, "draining": State.DRAINING}
    role = Role.HTTP if who == "http" else Role.CRON
    unfit = house.add(role, states.get(who, State.READY), 1 if who == "older" else 2)
    unfit.retires = "it has done enough" if who == "retires" else ""
    house.look()
    assert house.stages() == {"tidy": "due"}, "nor is anything claimed for it"
    fit = house.worker()
    house.look()
    house.grants("tidy")
    house.look()
    assert house.orders(unfit) == []
    assert len(house.orders(fit)) == 1


def test_a_run_that_was_granted_waits_for_a_worker_when_the_one_it_was_claimed_for_has_gone() -> None:
    house, _clerk = due(minutely("tidy"))
    (worker,) = house.children.of(Role.CRON)
    house.look()
    worker.retires = "it has done enough"
    house.grants("tidy")
    house.look()
    assert house.stages() == {"tidy": "granted"}
    assert house.orders(worker) == []
    other = house.worker()
    house.look()
    assert len(house.orders(other)) == 1


def test_a_worker_that_does_not_listen_is_asked_again_soon() -> None:
    house, _clerk = due(minutely("tidy"))
    (worker,) = house.children.of(Role.CRON)
    house.look()
    house.grants("tidy")
    house.lines[worker.key].is_deaf = True
    house.look()
    assert house.stages() == {"tidy": "granted"}
    assert house.now < house.jobs.look_at < house.now + 0.2
    house.wait(0.1)
    house.lines[worker.key].is_deaf = False
    house.look()
    assert house.stages() == {"tidy": "running"}
    assert len(house.orders(worker)) == 1


def test_a_clerk_that_does_not_listen_is_asked_again_soon() -> None:
    house, clerk = due(minutely("tidy"))
    house.lines[clerk.key].is_deaf = True
    house.look()
    assert house.stages() == {"tidy": "due"}
    assert house.now < house.jobs.look_at < house.now + 0.2
    house.wait(0.1)
    house.lines[clerk.key].is_deaf = False
    house.look()
    assert house.papers(clerk) == [("claim", "tidy")]
    assert house.jobs.look_at > house.now + 1.0


def test_a_clerk_that_is_not_ready_is_asked_nothing() -> None:
    house, clerk = due(minutely("tidy"))
    clerk.enter(State.DRAINING, house.now)
    house.look()
    assert house.papers(clerk) == []
    assert house.stages() == {"tidy": "due"}


def test_a_worker_that_does_not_listen_is_asked_again_to_call_the_poller() -> None:
    house = House()
    worker = house.worker()
    house.lines[worker.key].is_deaf = True
    house.adopt(poll="shop:poll")
    house.look()
    assert house.now < house.jobs.look_at < house.now + 0.2
    house.lines[worker.key].is_deaf = False
    house.look()
    assert [kind for kind, _ in house.lines[worker.key].sent] == ["poll"]


def test_jobs_are_kept_off_the_worker_that_calls_the_poller_and_off_its_home_while_there_is_another() -> None:
    house, _clerk = due(minutely("one"), minutely("two"), workers=2, poll="shop:poll")
    house.look()
    home = next(one for one in house.children.of(Role.CRON) if house.lines[one.key].sent[0][0] == "poll")
    (first,) = [name for name, stage in house.stages().items() if stage == "claiming"]
    house.grants(first)
    house.look()
    assert house.orders(home) == [], "it calls the poller"
    (other,) = [one for one in house.children.of(Role.CRON) if one is not home]
    house.ran(other)
    house.says(home, "polled", is_well=True, again=None)
    house.children.records.reverse()  # however they are listed
    house.look()
    (second,) = house.stages()
    house.grants(second)
    house.look()
    assert house.orders(home) == [], "the poller may be woken"
    assert len(house.orders(other)) == 2


def test_a_clerk_that_does_not_listen_is_told_again_how_a_run_has_ended() -> None:
    house, clerk, worker = running()
    house.lines[clerk.key].is_deaf = True
    house.ran(worker)
    house.look()
    assert house.now < house.jobs.look_at < house.now + 0.2
    house.lines[clerk.key].is_deaf = False
    house.look()
    assert house.papers(clerk) == [("ended", "tidy")]
    assert house.jobs.look_at == house.now + MINUTE


def test_a_run_that_was_granted_already_is_not_granted_again() -> None:
    house, clerk, _worker = running()
    for kind in ("granted", "elsewhere", "done"):
        house.says(clerk, kind, job="tidy", at=NOON + MINUTE, owner="db2", is_well=True)
        assert house.stages() == {"tidy": "running"}, kind
    assert house.journal.entries == []


def test_what_the_clerk_says_of_another_run_or_of_an_unknown_job_changes_nothing() -> None:
    house, clerk = due(minutely("tidy"))
    house.look()
    house.says(clerk, "granted", job="tidy", at=NOON)
    house.says(clerk, "granted", job="nobody", at=NOON)
    house.says(clerk, "lost", job="tidy", at=house.flight("tidy").run.at)
    assert house.stages() == {"tidy": "claiming"}


def test_what_a_worker_says_of_another_run_changes_nothing() -> None:
    house, _clerk, worker = running()
    other = house.worker()
    about = {"outcome": "done", "real": 1, "cpu": 1, "memory": 0, "status": 0, "detail": ""}
    house.says(other, "ran", run=house.flight("tidy").id, **about)
    house.says(worker, "ran", run="tidy-1", **about)
    assert house.stages() == {"tidy": "running"}


def test_a_run_that_waited_for_the_end_of_the_last_begins_then() -> None:
    house, clerk = due(minutely("tidy", overlap="queue"))
    (worker,) = house.children.of(Role.CRON)
    house.look()
    house.grants("tidy")
    house.look()
    house.wait(MINUTE)
    house.look()
    assert len(house.orders(worker)) == 1
    house.papers(clerk)
    house.ran(worker)
    assert house.jobs.look_at <= house.now
    house.look()
    assert ("claim", "tidy") in house.papers(clerk)
    assert house.flight("tidy").run.at == NOON + 2 * MINUTE


def test_what_will_not_be_run_is_told_and_written_down() -> None:
    house, clerk, _worker = running()
    house.wait(MINUTE)
    house.look()
    (skipped,) = house.journal.told(messages.JOB_SKIPPED)
    assert (skipped["job"], skipped["cause"]) == ("tidy", "the last run has not ended")
    entry = house.entry(clerk, "note", "tidy")
    assert (entry.past.mark, entry.past.running) == (NOON + 2 * MINUTE, NOON + MINUTE)
    assert entry.began_at == NOON + MINUTE


# How runs end


def test_a_run_that_fails_is_counted_and_holds_its_job_back() -> None:
    house, clerk, worker = running(every=10.0)
    house.ran(worker, "failed", status=3, detail="ValueError: no shelf")
    (told,) = house.journal.told(messages.JOB_HELD_BACK)
    assert told["failures"] == 1
    house.look()
    entry = house.entry(clerk, "ended", "tidy")
    assert (entry.runs, entry.failures, entry.past.failures) == (1, 1, 1)
    assert entry.last is not None and entry.last.detail == "ValueError: no shelf"
    ((_, outcome),) = house.jobs.take_outcomes()
    assert (outcome["outcome"], outcome["status"]) == ("failed", 3)


def test_a_job_that_fails_too_often_is_suspended() -> None:
    house, _clerk, worker = running(give_up=1)
    house.ran(worker, "failed")
    assert len(house.journal.told(messages.JOB_SUSPENDED)) == 1
    house.wait(DAY)
    house.look()
    assert house.stages() == {}


def test_a_run_whose_worker_dies_is_killed_with_it_and_told_once() -> None:
    house, clerk, worker = running()
    house.wait(7.0)
    house.gone(worker, stacks="File shop.py in tidy")
    (killed,) = house.journal.told(messages.JOB_KILLED)
    assert (killed["job"], killed["run"]) == ("tidy", f"tidy-{NOON + MINUTE:.0f}")
    assert (killed["cause"], killed["limit"], killed["real"]) == ("signal SIGKILL", "", "7.0")
    assert (killed["slot"], killed["pid"]) == (worker.worker, worker.pid)
    assert killed["detail"] == "File shop.py in tidy"
    assert worker.kill_cause == "told", "nobody tells it again"
    house.look()
    entry = house.entry(clerk, "ended", "tidy")
    assert entry.last is not None
    assert (entry.last.outcome, entry.last.detail) == ("killed", "signal SIGKILL")
    assert entry.past.running is None
    ((_, outcome),) = house.jobs.take_outcomes()
    assert (outcome["outcome"], outcome["status"]) == ("killed", 1)


@pytest.mark.parametrize("request_id", [f"tidy-{NOON + MINUTE:.0f}", "tidy-1"])
def test_a_run_that_had_come_to_its_end_when_its_worker_died_has_gone_well(request_id: str) -> None:
    house, clerk, worker = running()
    slot = Scoreboard.create(1).slot(0)
    slot.claim(worker.pid, 1, "cron")
    slot.begin(0, request_id, "JOB", "tidy", 0.0)
    slot.ended_well()
    house.wall -= 10.0  # somebody has put the clock back
    house.gone(worker, view=slot.view())
    is_well = request_id != "tidy-1"
    assert len(house.journal.told(messages.JOB_KILLED)) == (not is_well)
    house.look()
    last = house.entry(clerk, "ended", "tidy").last
    assert last is not None
    assert (last.outcome, last.real) == ("done" if is_well else "killed", 0.0)
    assert house.jobs.take_outcomes()[0][1]["status"] == int(not is_well)


def test_a_run_that_was_ended_for_a_limit_is_told_with_the_limit() -> None:
    house, _clerk, worker = running()
    worker.overrun = Overrun("time_real", "3 s of 2 s", "in loop")
    worker.kill_cause = "3 s of 2 s"
    house.gone(worker)
    (killed,) = house.journal.told(messages.JOB_KILLED)
    assert (killed["limit"], killed["cause"], killed["detail"]) == ("time_real", "3 s of 2 s", "in loop")
    assert worker.kill_cause == "3 s of 2 s"


def test_the_end_of_who_runs_nothing_is_no_news_of_jobs() -> None:
    house, clerk, _worker = running()
    idle, http = house.worker(), house.add(Role.HTTP)
    house.gone(idle)
    house.gone(http)
    house.gone(clerk)
    assert house.stages() == {"tidy": "running"}
    assert house.journal.entries == []
    assert {one.kill_cause for one in (idle, http, clerk)} == {""}


def test_where_a_run_prints_goes_with_it_to_its_worker_and_is_then_let_go() -> None:
    reader, writer = os.pipe()
    house, _clerk, worker = running(output=writer)
    assert house.lines[worker.key].fds == [(writer,)]
    assert is_closed(writer)
    os.close(reader)


# The clerk


def test_another_clerk_is_asked_again_for_what_the_last_one_had_not_granted() -> None:
    house, _clerk = due(minutely("one"), minutely("two"), workers=2)
    house.look()
    house.grants("two", "elsewhere", owner="other")
    fresh = house.clerk()
    assert house.stages() == {"one": "due", "two": "due"}
    house.look()
    claimed = [job for kind, job in house.papers(fresh) if kind == "claim"]
    assert sorted(claimed) == ["one", "two"]


def test_another_clerk_is_offered_the_ends_that_the_last_one_has_not_confirmed() -> None:
    house, clerk, worker = running()
    house.ran(worker)
    house.look()
    assert house.papers(clerk) == [("ended", "tidy")]
    fresh = house.clerk()
    house.look()
    assert sorted(house.papers(fresh)) == [("ended", "tidy"), ("note", "tidy")]
    house.says(fresh, "written", job="tidy", at=NOON + MINUTE)
    third = house.clerk()
    house.look()
    assert house.papers(third) == [("note", "tidy")], "it is on the disk"


def test_another_clerk_is_told_which_locks_are_to_be_held_on() -> None:
    house, _clerk, _worker = running(lock=SHARED)
    fresh = house.clerk()
    ((kind, held),) = [one for one in house.lines[fresh.key].take() if one[0] != "note"]
    assert (kind, held["at"], held["lock"], held["entry"]["job"]) == ("hold", NOON + MINUTE, SHARED, "tidy")
    assert house.stages() == {"tidy": "running"}


def test_without_a_lock_there_is_nothing_to_be_held_on() -> None:
    house, _clerk, _worker = running()
    fresh = house.clerk()
    house.look()
    assert house.papers(fresh) == [("note", "tidy")]


def test_a_clerk_that_dies_young_again_and_again_comes_later_and_later() -> None:
    house, _ = due(minutely("tidy"))
    holds = []
    for _ in range(8):
        house.clerk()  # and with it the end of the one before
        holds.append(house.jobs.wants(Desired(1, 1)).clerk_from)
    assert holds[0] == 0.0, "it may have been an accident"
    assert holds[-1] > holds[-2] > house.now


def test_a_clerk_that_was_ended_by_the_master_is_no_reason_to_wait() -> None:
    house, clerk = due(minutely("tidy"))
    for _ in range(9):
        clerk.kill_cause = "stopping"
        clerk = house.clerk()
    assert house.jobs.wants(Desired(1, 1)).clerk_from == 0.0


def test_what_keeps_jobs_from_beginning_is_told_and_known_until_it_is_over() -> None:
    house, clerk = due(minutely("tidy"))
    house.says(clerk, "trouble", about="ledger", cause="no space left")
    assert house.jobs.troubles == {"ledger": "no space left"}
    assert [one["cause"] for one in house.journal.told(messages.JOBS_STOPPED)] == ["no space left"]
    house.says(clerk, "trouble", about="ledger", cause="")
    assert not any(house.jobs.troubles.values())
    assert [one["about"] for one in house.journal.told(messages.JOBS_GO_ON)] == ["ledger"]


def test_what_kept_a_clerk_from_its_work_is_forgotten_with_it() -> None:
    """The next one, who has no trouble, has none to take back."""
    house, clerk = due(minutely("tidy"))
    house.says(clerk, "trouble", about="ledger", cause="no space left")
    house.gone(clerk)
    house.clerk()
    assert not house.jobs.troubles


# Other machines


def test_a_run_that_another_machine_has_is_told_once_and_may_still_become_ours() -> None:
    house, clerk = due(minutely("tidy"), lock=SHARED)
    house.look()
    house.grants("tidy", "elsewhere", owner="db2")
    assert house.stages() == {"tidy": "elsewhere"}
    (told,) = house.journal.told(messages.JOB_ELSEWHERE)
    assert (told["job"], told["owner"]) == ("tidy", "db2")
    house.papers(clerk)
    house.look()
    assert house.papers(clerk) == [], "it is asked for already"
    house.grants("tidy")
    house.look()
    assert house.stages() == {"tidy": "running"}


def test_a_run_that_another_machine_has_does_not_take_a_worker_of_ours() -> None:
    house, clerk = due(minutely("one"), minutely("two"), lock=SHARED)
    house.look()
    (first,) = [job for kind, job in house.papers(clerk) if kind == "claim"]
    house.grants(first, "elsewhere", owner="db2")
    house.look()
    assert [kind for kind, job in house.papers(clerk) if job != first] == ["claim"]


@pytest.mark.parametrize("was_seen", [False, True])
@pytest.mark.parametrize("is_well", [False, True])
def test_a_run_that_another_machine_has_done_is_over_here(is_well: bool, was_seen: bool) -> None:
    house, clerk = due(minutely("tidy", every=20.0), lock=SHARED)
    house.look()
    if was_seen:
        house.grants("tidy", "elsewhere", owner="db2")
    house.papers(clerk)
    house.grants("tidy", "done", owner="db2", is_well=is_well)
    assert house.stages() == {}
    assert len(house.journal.told(messages.JOB_ELSEWHERE)) == 1, "whether it was seen running or not"
    assert len(house.journal.told(messages.JOB_HELD_BACK)) == (not is_well), "it failed there"
    house.look()
    entry = house.entry(clerk, "note", "tidy")
    assert (entry.past.running, entry.past.waiting, entry.runs) == (None, None, 0), "it did not run here"
    ((_, outcome),) = house.jobs.take_outcomes()
    assert (outcome["outcome"], bool(outcome["status"])) == ("done" if is_well else "failed", not is_well)
    house.wait(20.0)
    house.look()
    assert bool(house.stages()) == is_well, "the next run, unless it is held back"


def test_who_waits_for_a_run_that_another_machine_has_done_waits_no_longer() -> None:
    reader, writer = os.pipe()
    house, _clerk = due(minutely("tidy"), lock=SHARED)
    house.look()
    house.flight("tidy").output = writer
    house.grants("tidy", "done", owner="db2", is_well=True)
    assert is_closed(writer)
    os.close(reader)


def test_a_run_that_was_lost_to_another_machine_is_ended_here() -> None:
    house, _clerk, worker = running(lock=SHARED)
    house.grants("tidy", "lost")
    assert house.deeds.killed == [(worker.key, "another machine has taken over its job")]
    house.gone(worker)
    (killed,) = house.journal.told(messages.JOB_KILLED)
    assert killed["cause"] == "another machine has taken over its job"
    assert house.stages() == {}


def test_a_run_that_was_lost_before_it_began_does_not_begin_and_who_waits_is_told() -> None:
    house, clerk = due(minutely("tidy"), lock=SHARED)
    (worker,) = house.children.of(Role.CRON)
    house.look()
    house.grants("tidy")
    house.papers(clerk)
    house.grants("tidy", "lost")
    assert house.stages() == {}
    house.look()
    assert house.orders(worker) == []
    assert house.deeds.killed == []
    assert house.entry(clerk, "note", "tidy").past.running is None, "or the next start would ask for it"
    ((_, outcome),) = house.jobs.take_outcomes()
    assert "another machine" in outcome["error"]


# The stop


def test_a_stop_begins_nothing_and_lets_a_run_come_to_its_end() -> None:
    house, clerk, worker = running()
    house.jobs.stop()
    assert house.jobs.take_outcomes() == []
    house.wait(5 * MINUTE)
    house.look()
    assert house.stages() == {"tidy": "running"}
    assert house.papers(clerk) == []
    assert house.jobs.look_at == inf, "nothing is due any more"
    house.ran(worker)
    house.look()
    assert house.entry(clerk, "ended", "tidy").runs == 1
    assert house.stages() == {}


@pytest.mark.parametrize("stage", ["due", "claiming", "elsewhere", "granted"])
def test_what_has_not_begun_at_a_stop_is_still_to_be_run_and_who_waits_for_it_is_told(stage: str) -> None:
    house, clerk = due(minutely("tidy"), workers=0 if stage == "due" else 1, lock=SHARED)
    house.look()
    if stage in ("elsewhere", "granted"):
        house.grants("tidy", stage, owner="db2")
    house.jobs.stop()
    ((run, outcome),) = house.jobs.take_outcomes()
    assert (run, outcome) == (f"tidy-{NOON + MINUTE:.0f}", {"error": "the instance is stopping"})
    if stage == "claiming":
        house.grants("tidy")  # it was on its way
    house.papers(clerk)
    house.worker()
    house.look()
    assert not any(house.orders(worker) for worker in house.children.of(Role.CRON))
    assert house.jobs.take_outcomes() == []
    entry = house.jobs.book.entry("tidy", None, house.flight("tidy"))
    assert (entry.past.running, entry.past.waiting) == (None, NOON + MINUTE)


@pytest.mark.parametrize("is_late", [False, True])
def test_a_grant_that_nobody_uses_is_given_back_and_taken_out_of_the_ledger(is_late: bool) -> None:
    house, clerk = due(minutely("tidy"), lock=SHARED)
    house.look()
    house.papers(clerk)
    if is_late:
        house.jobs.stop()
    house.grants("tidy")
    house.jobs.stop()
    house.look()
    sent = dict(house.lines[clerk.key].sent)
    assert (sent["drop"]["job"], sent["drop"]["at"]) == ("tidy", NOON + MINUTE)
    past = entry_of(sent["note"]["entry"]).past
    assert (past.running, past.waiting) == (None, NOON + MINUTE)


def test_a_clerk_that_does_not_listen_is_told_again_that_a_run_is_given_back() -> None:
    """He would hold its lock as long as he lives, and no machine would run it."""
    house, clerk = due(minutely("tidy"), lock=SHARED)
    house.look()
    house.grants("tidy", "elsewhere", owner="db2")
    house.papers(clerk)
    house.lines[clerk.key].is_deaf = True
    house.adopt(generation=2, lock=SHARED)
    house.look()
    assert house.now < house.jobs.look_at < house.now + 0.2
    house.lines[clerk.key].is_deaf = False
    house.look()
    assert ("drop", "tidy") in house.papers(clerk)


# Other settings


def test_jobs_of_the_settings_come_before_those_that_the_application_declares() -> None:
    house = House()
    declared = [minutely("tidy", call="shop:declared"), minutely("mail", call="shop:mail")]
    house.adopt(minutely("tidy", call="shop:own"), declared=declared)
    assert {name: job.call for name, job in house.jobs.jobs.items()} == {
        "tidy": "shop:own", "mail": "shop:mail",
    }  # fmt: skip
    assert house.jobs.declared == {"mail"}


@pytest.mark.parametrize(
    ("cron", "workers", "has_clerk"),
    [
        ({"jobs": ()}, 0, False),
        ({"jobs": (minutely("tidy"),), "workers": 3}, 3, True),
        ({"jobs": (minutely("tidy"),), "workers": 0}, 0, False),
        ({"jobs": (), "poll": "shop:poll", "workers": 2}, 2, False),
        ({"jobs": (), "poll": "shop:poll", "workers": 0}, 0, False),
    ],
)
def test_children_for_jobs_are_wanted_where_there_are_jobs(
    cron: dict[str, Any], workers: int, has_clerk: bool
) -> None:
    house = House()
    assert house.jobs.wants(Desired(1, 4)) == Desired(1, 4), "nothing is, before a generation serves"
    jobs = cron.pop("jobs")
    house.adopt(*jobs, **cron)
    assert house.jobs.wants(Desired(1, 4)) == Desired(1, 4, cron=workers, has_clerk=has_clerk)


def test_the_ledger_is_read_once_and_only_where_there_are_jobs() -> None:
    house = House()
    house.adopt()
    house.look()
    assert (house.ledger.readings, house.jobs.look_at) == (0, inf)
    house.adopt(minutely("tidy"), generation=2)
    house.adopt(minutely("tidy"), minutely("mail"), generation=3)
    assert house.ledger.readings == 1, "from then on it is the clerk's"


def test_what_is_wrong_with_the_ledger_is_told_and_jobs_begin_all_the_same() -> None:
    torn = House(ledger=MemoryLedger(torn=2))
    torn.adopt(minutely("tidy"))
    (told,) = torn.journal.told(messages.LEDGER_TORN)
    assert (told["count"], told["path"]) == (2, "state/ledger")
    house = House(ledger=MemoryLedger(error="can not read state/ledger: Permission denied"))
    house.adopt(minutely("tidy"))
    assert len(house.journal.told(messages.LEDGER_UNREADABLE)) == 1
    house.wait(MINUTE)
    house.look()
    assert house.stages() == {"tidy": "due"}


def test_what_an_earlier_master_knew_counts_on() -> None:
    last = LastRun(NOON - DAY, NOON - DAY, NOON - DAY + 1, "failed")
    house = House(Entry("tidy", Past(NOON - 3 * DAY, failures=1), runs=7, failures=2, last=last))
    clerk, worker = house.clerk(), house.worker()
    house.wait(5 * MINUTE)
    house.adopt(minutely("tidy", every=DAY / 2))
    house.look()
    assert house.flight("tidy").run.at == NOON, "the last of those that were missed"
    assert house.flight("tidy").run.is_caught_up
    assert len(house.journal.told(messages.JOB_MISSED)) == 1, "those before"
    house.grants("tidy")
    house.look()
    house.ran(worker, "failed")
    house.look()
    entry = house.entry(clerk, "ended", "tidy")
    assert (entry.runs, entry.failures, entry.past.failures) == (8, 3, 2)


def cut_off() -> House:
    """A house whose ledger says that an earlier master has left a run behind."""
    house = House(Entry("tidy", Past(NOON - MINUTE, running=NOON - MINUTE), began_at=NOON - 50.0, runs=7))
    house.wait(1.0)
    return house


def test_a_run_that_an_earlier_master_has_left_is_told_and_not_repeated() -> None:
    house = cut_off()
    clerk = house.clerk()
    house.worker()
    house.adopt(minutely("tidy"))
    (killed,) = house.journal.told(messages.JOB_KILLED)
    assert killed["run"] == f"tidy-{NOON - MINUTE:.0f}"
    assert "ended while it ran" in killed["cause"]
    assert house.stages() == {}
    house.look()
    entry = house.entry(clerk, "ended", "tidy")
    assert (entry.past.running, entry.past.failures, entry.runs, entry.failures) == (None, 1, 8, 1)
    assert entry.last is not None
    assert (entry.last.began_at, entry.last.outcome) == (NOON - 50.0, "killed")


def test_a_run_that_an_earlier_master_has_left_is_asked_for_again_where_machines_share_a_lock() -> None:
    house = cut_off()
    clerk, worker = house.clerk(), house.worker()
    house.adopt(minutely("tidy"), lock=SHARED)
    assert house.journal.entries == []
    house.look()
    claim = house.entry(clerk, "claim", "tidy")
    assert claim.past.waiting == NOON - MINUTE
    house.grants("tidy")
    house.look()
    assert house.orders(worker)[0]["run"] == f"tidy-{NOON - MINUTE:.0f}"


def test_a_run_that_lasts_over_a_reload_goes_on_and_is_counted_once() -> None:
    house, clerk, worker = running()
    house.adopt(minutely("tidy", call="shop:new"), generation=2)
    house.look()
    assert house.stages() == {"tidy": "running"}
    assert house.journal.entries == []
    house.ran(worker)
    house.look()
    assert house.entry(clerk, "ended", "tidy").runs == 1
    house.wait(MINUTE)
    fresh = house.worker()
    house.look()
    house.grants("tidy")
    house.look()
    assert [order["call"] for order in house.orders(fresh)] == ["shop:new"]


def test_a_run_that_waits_over_a_reload_is_run_as_the_job_is_now() -> None:
    house, _clerk = due(minutely("tidy", args=["old"]), workers=0)
    house.look()
    house.adopt(minutely("tidy", args=["new"]), generation=2)
    worker = house.worker()
    house.look()
    house.grants("tidy")
    house.look()
    assert [order["args"] for order in house.orders(worker)] == [["new"]]


def test_a_run_of_a_job_that_is_taken_away_before_it_begins_is_none_and_who_waits_is_told() -> None:
    reader, writer = os.pipe()
    house, _clerk = due(minutely("tidy"), workers=0)
    house.look()
    house.flight("tidy").output = writer
    house.adopt(minutely("mail"), generation=2)
    assert house.stages() == {}
    ((_run, outcome),) = house.jobs.take_outcomes()
    assert outcome == {"error": "the job has been taken away"}
    assert is_closed(writer), "where it would have printed is let go"
    os.close(reader)


@pytest.mark.parametrize("stage", ["due", "elsewhere"])
def test_a_run_that_was_taken_away_with_its_job_was_never_killed_when_the_job_comes_back(stage: str) -> None:
    shared = {"lock": SHARED} if stage == "elsewhere" else {}
    house, clerk = due(minutely("tidy"), workers=0 if stage == "due" else 1, **shared)
    house.look()
    if stage == "elsewhere":
        house.grants("tidy", "elsewhere", owner="db2")
    house.papers(clerk)
    house.adopt(minutely("mail"), generation=2, **shared)
    house.look()
    if stage == "elsewhere":
        assert ("drop", "tidy") in house.papers(clerk), "or we would hold its lock and not run it"
    house.adopt(minutely("tidy"), generation=3, **shared)
    assert house.journal.told(messages.JOB_KILLED) == []
    assert house.stages() == {}
    assert house.jobs.book.known("tidy").runs == 0


@pytest.mark.parametrize("stage", ["claiming", "granted", "running"])
def test_a_run_of_a_job_that_is_taken_away_goes_to_its_end_once_it_is_claimed(stage: str) -> None:
    house, clerk = due(minutely("tidy"))
    (worker,) = house.children.of(Role.CRON)
    house.look()
    if stage != "claiming":
        house.grants("tidy")
    if stage == "running":
        house.look()
    house.adopt(minutely("mail"))
    assert house.stages() == {"tidy": stage}
    if stage == "claiming":
        house.grants("tidy")
    house.look()
    house.ran(worker)
    house.look()
    entry = house.entry(clerk, "ended", "tidy")
    assert (entry.runs, entry.past.running) == (1, None)
    house.adopt(minutely("tidy"), generation=2)
    assert house.journal.told(messages.JOB_KILLED) == []
    assert house.jobs.book.known("tidy").runs == 1, "it is known when it comes back"


def test_a_job_that_can_not_be_followed_is_told_and_the_others_are_run() -> None:
    house = House()
    house.adopt(minutely("tidy"), minutely("bad", every=0.0, schedule="0 0 1 1 *", timezone="Nowhere/At_All"))
    assert [one["job"] for one in house.journal.told(messages.JOB_BROKEN)] == ["bad"]
    house.wait(MINUTE)
    house.look()
    assert house.stages() == {"tidy": "due"}


def test_all_jobs_are_let_go_when_there_shall_be_no_cron_workers() -> None:
    house, _clerk = due(minutely("tidy"), workers=0)
    house.look()
    house.adopt(minutely("tidy"), workers=0, generation=2)
    assert house.jobs.jobs == {} == house.stages()
    house.wait(DAY)
    house.look()
    assert house.stages() == {}
    assert house.jobs.look_at >= house.now + 59.0


# The clocks


def test_a_thousand_jobs_that_are_due_tomorrow_wake_nobody_for_a_minute() -> None:
    house = House()
    clerk = house.clerk()
    house.worker()
    house.adopt(*(minutely(f"job-{number}", every=DAY) for number in range(1000)))
    house.wait(DAY / 4)
    house.look()
    assert house.now + 59.0 <= house.jobs.look_at <= house.now + 60.0
    assert len(house.papers(clerk)) == 1000
    house.wait(60.0)
    house.look()
    assert house.now + 59.0 <= house.jobs.look_at
    assert house.papers(clerk) == []


def test_nobody_looks_where_there_are_no_jobs() -> None:
    house = House()
    house.look()
    assert house.jobs.look_at == inf
    house.adopt()
    house.look()
    assert house.jobs.look_at == inf


def test_a_job_that_waits_for_a_worker_is_not_looked_at_all_the_time() -> None:
    house, _clerk = due(minutely("tidy"), workers=0)
    house.look()
    assert house.jobs.look_at >= house.now + 59.0


def test_a_poller_that_is_called_or_late_makes_no_job_late() -> None:
    house = House()
    house.clerk()
    poller, _other = house.worker(), house.worker()
    house.adopt(minutely("tidy"), workers=2, poll="shop:poll")
    house.look()
    assert house.lines[poller.key].sent[0][0] == "poll"
    assert house.jobs.look_at == house.now + MINUTE, "when the job is due"
    house.says(poller, "polled", is_well=True, again=30.0)
    house.look()
    assert house.jobs.look_at == house.now + 30.0, "when the poller is"
    poller.enter(State.DRAINING, house.now)
    house.wait(30.0)
    house.look()
    assert house.jobs.look_at == house.now + 30.0, "it waits for the end of its worker, and the job does not"


def test_a_clock_that_is_put_forward_is_noticed_at_the_next_look() -> None:
    house = House()
    clerk = house.clerk()
    house.worker()
    house.adopt(minutely("tidy", every=DAY))
    house.look()
    house.now = house.jobs.look_at
    house.wall += DAY + 60.0
    house.look()
    assert house.stages() == {"tidy": "claiming"}
    assert house.papers(clerk) == [("note", "tidy"), ("claim", "tidy")]


def test_a_clock_that_is_put_back_makes_no_run_a_second_one() -> None:
    house, _clerk, worker = running()
    house.ran(worker)
    house.wall -= 10 * MINUTE
    for _ in range(9):
        house.now += MINUTE
        house.wall += MINUTE
        house.look()
        assert house.stages() == {}
    house.now += 2 * MINUTE
    house.wall += 2 * MINUTE
    house.look()
    assert house.flight("tidy").run.at == NOON + 2 * MINUTE


def test_a_run_that_took_less_than_nothing_by_the_clock_is_written_as_nothing() -> None:
    house, clerk, worker = running()
    house.wall -= 10.0
    house.gone(worker)
    house.look()
    last = house.entry(clerk, "ended", "tidy").last
    assert last is not None and last.real == 0.0


# Rubbish

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 1 << 64, -1]),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
RIGHT: dict[str, Any] = {
    "run": f"tidy-{NOON + MINUTE:.0f}", "outcome": "done", "real": 1.0, "cpu": 1.0, "memory": 1, "status": 0,
    "detail": "", "is_well": True, "again": 1.0, "job": "tidy", "at": NOON + MINUTE, "owner": "db2",
    "about": "ledger", "cause": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("who", "kind", "stage"),
    [
        ("worker", "ran", Stage.RUNNING),
        ("worker", "polled", Stage.RUNNING),
        ("worker", "granted", Stage.CLAIMING),
        ("clerk", "granted", Stage.CLAIMING),
        ("clerk", "elsewhere", Stage.CLAIMING),
        ("clerk", "done", Stage.CLAIMING),
        ("clerk", "lost", Stage.RUNNING),
        ("clerk", "written", Stage.RUNNING),
        ("clerk", "trouble", Stage.RUNNING),
        ("clerk", "ran", Stage.RUNNING),
    ],
)
@hypothesis_settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.sampled_from(list(RIGHT)), VALUES, max_size=3),
    st.sets(st.sampled_from(list(RIGHT)), max_size=1),
)
def test_whatever_a_child_says_is_understood_or_raises_what_the_master_expects(
    who: str, kind: str, stage: Stage, wrong: dict[str, Any], missing: set[str]
) -> None:
    house, clerk, worker = running(poll="shop:poll", workers=2)
    (poller,) = [one for one in house.children.of(Role.CRON) if one is not worker]
    house.flight("tidy").stage = stage
    speaker = clerk if who == "clerk" else poller if kind == "polled" else worker
    fields = {name: value for name, value in {**RIGHT, **wrong}.items() if name not in missing}
    try:
        house.says(speaker, kind, **fields)
    except (KeyError, TypeError, ValueError):
        pass
    house.look()
    house.papers(clerk)  # what there is to be written can be
    assert house.jobs.look_at <= house.now + 60.0, "the clock goes on"


@pytest.mark.parametrize("memory", [-5 * 2**20, 0, 2**40])
def test_a_run_that_gives_memory_back_can_be_written_down(memory: int) -> None:
    house, clerk, worker = running()
    house.ran(worker, memory=memory)
    house.look()
    last = house.entry(clerk, "ended", "tidy").last
    assert last is not None and (last.outcome, last.memory) == ("done", memory)


def test_a_run_of_which_rubbish_is_told_still_lasts() -> None:
    """Its worker is killed for it, and with it the run."""
    house, _clerk, worker = running()
    for rubbish in (inf, float("nan"), -1.0, 1e300, "soon", None):
        with pytest.raises((TypeError, ValueError)):
            house.ran(worker, real=rubbish)
    assert house.stages() == {"tidy": "running"}


# Whole stories


@pytest.mark.parametrize("is_shared", [False, True])
def test_whatever_happens_no_run_happens_twice_and_all_of_it_is_written_down(is_shared: bool) -> None:
    for seed in range(40):
        tell(seed, 300, is_shared=is_shared)


def test_a_clerk_that_says_nothing_for_a_minute_is_ended_unless_it_has_said_what_is_in_its_way() -> None:
    house = House()
    clerk, _worker = house.clerk(), house.worker()
    house.adopt(minutely("tidy"))
    house.wait(MINUTE)
    house.look()
    assert house.stages() == {"tidy": "claiming"}
    house.wait(MINUTE)
    house.look()
    assert house.deeds.killed == []
    house.jobs.troubles["lock"] = "no route to host"
    house.wait(1.0)
    house.look()
    assert house.deeds.killed == [], "it knows"
    house.jobs.troubles.clear()
    house.look()
    assert house.deeds.killed == [(clerk.key, "it has not answered for 60 s")]
