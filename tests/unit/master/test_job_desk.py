"""What people ask about jobs, and what becomes of it."""

import json
import os
from typing import Any

import pytest

from corn_systemd.cron.events import Past
from corn_systemd.cron.ledger import Entry, LastRun
from corn_systemd.master.job_desk import JobDesk, NoSuchJob, NotNow
from corn_systemd.policy.view import Role
from corn_systemd.settings.kinds import Job

from .house import DAY, MINUTE, NOON, SHARED, House, due, is_closed, minutely, running

TOMORROW = Job("tidy", "shop:tidy", every=DAY)


def desk_of(house: House) -> JobDesk:
    return JobDesk(house.jobs, "shop")


def at_desk(*jobs: Job, workers: int = 1, **more: Any) -> tuple[House, JobDesk]:
    house = House()
    house.clerk()
    for _ in range(workers):
        house.worker()
    house.adopt(*jobs, **more)
    house.look()
    return house, desk_of(house)


def row(desk: JobDesk, name: str = "tidy") -> dict[str, Any]:
    report = json.loads(json.dumps(desk.report(), allow_nan=False))
    found: dict[str, Any] = next(one for one in report["jobs"] if one["name"] == name)
    return found


# Runs by hand


def test_a_run_by_hand_goes_the_way_of_all_runs() -> None:
    house, desk = at_desk(TOMORROW)
    house.wait(1.25)
    run = desk.run("tidy")
    assert run == f"tidy-{NOON + 1.25}"
    assert house.jobs.look_at <= house.now
    house.look()
    house.grants("tidy")
    house.look()
    (worker,) = house.children.of(Role.CRON)
    assert [order["run"] for order in house.orders(worker)] == [run]
    house.ran(worker)
    assert [about for about, _ in house.jobs.take_outcomes()] == [run]


def test_a_run_by_hand_that_fails_does_not_hold_the_job_back() -> None:
    house, desk = at_desk(TOMORROW, give_up=1)
    (worker,) = house.children.of(Role.CRON)
    desk.run("tidy")
    house.look()
    house.grants("tidy")
    house.look()
    house.ran(worker, "failed")
    assert row(desk)["outlook"] == "scheduled"
    assert (row(desk)["failures"], row(desk)["failures_in_row"]) == (1, 0)


@pytest.mark.parametrize("more", [{"enabled": False}, {}])
def test_a_job_that_is_disabled_or_paused_is_run_by_hand_all_the_same(more: dict[str, Any]) -> None:
    house, desk = at_desk(minutely("tidy", **more))
    if not more:
        desk.switch("tidy", "pause")
    desk.run("tidy")
    house.look()
    assert house.stages() == {"tidy": "claiming"}


def test_where_a_run_by_hand_prints_is_its_own_from_then_on() -> None:
    reader, writer = os.pipe()
    house, desk = at_desk(TOMORROW)
    desk.run("tidy", writer)
    assert not is_closed(writer)
    house.look()
    house.grants("tidy")
    house.look()
    (worker,) = house.children.of(Role.CRON)
    assert house.lines[worker.key].fds[-1] == (writer,)
    assert is_closed(writer), "the worker has it"
    os.close(reader)


def test_there_is_no_run_of_a_job_that_is_not_there_and_the_others_are_named() -> None:
    reader, writer = os.pipe()
    _house, desk = at_desk(TOMORROW, minutely("mail"))
    with pytest.raises(NoSuchJob, match=r"no job 'tydi' here; there are tidy, mail"):
        desk.run("tydi", writer)
    assert is_closed(writer), "or who waits there would wait for ever"
    with pytest.raises(NoSuchJob, match="'mial'"):
        desk.switch("mial", "pause")
    empty = desk_of(House())
    with pytest.raises(NoSuchJob, match="there are none"):
        empty.run("tidy")
    with pytest.raises(NoSuchJob):
        empty.switch("tidy", "resume")
    os.close(reader)


@pytest.mark.parametrize("stage", ["due", "claiming", "granted", "running"])
def test_there_is_no_second_run_of_a_job_at_the_same_time(stage: str) -> None:
    house, _clerk = due(minutely("tidy"), workers=0 if stage == "due" else 1)
    desk = desk_of(house)
    house.look()
    if stage in ("granted", "running"):
        house.grants("tidy")
    if stage == "running":
        house.look()
    reader, writer = os.pipe()
    with pytest.raises(NotNow, match="corn jobs shows it"):
        desk.run("tidy", writer)
    assert is_closed(writer)
    assert house.stages() == {"tidy": stage}
    os.close(reader)


def test_nothing_is_run_by_hand_while_the_instance_stops() -> None:
    house, desk = at_desk(TOMORROW)
    house.jobs.stop()
    reader, writer = os.pipe()
    with pytest.raises(NotNow, match="stopping"):
        desk.run("tidy", writer)
    assert is_closed(writer)
    assert house.stages() == {}
    os.close(reader)


def test_a_run_by_hand_that_has_not_begun_is_not_made_up_for_after_a_stop() -> None:
    house, desk = at_desk(TOMORROW)
    desk.run("tidy")
    house.look()
    house.grants("tidy")
    (clerk,) = house.children.of(Role.CLERK)
    house.papers(clerk)
    house.jobs.stop()
    house.look()
    past = house.entry(clerk, "note", "tidy").past
    assert (past.running, past.waiting) == (None, None)


def test_a_due_run_that_falls_into_one_by_hand_is_skipped_as_any_other() -> None:
    house, desk = at_desk(minutely("tidy"))
    (worker,) = house.children.of(Role.CRON)
    desk.run("tidy")
    house.look()
    house.grants("tidy")
    house.look()
    house.wait(MINUTE)
    house.look()
    assert len(house.orders(worker)) == 1
    house.ran(worker)
    house.look()
    assert house.stages() == {}


# Pause and resume


def test_a_job_that_is_paused_is_left_out_until_it_is_resumed() -> None:
    house, desk = at_desk(minutely("tidy"))
    (clerk,) = house.children.of(Role.CLERK)
    house.papers(clerk)
    assert desk.switch("tidy", "pause") == "paused"
    assert house.jobs.look_at <= house.now
    house.look()
    assert house.entry(clerk, "note", "tidy").past.is_paused, "also after a restart"
    house.wait(5 * MINUTE)
    house.look()
    assert house.stages() == {}
    assert desk.switch("tidy", "resume") == "scheduled"
    house.look()
    assert house.stages() == {}, "what was due meanwhile is not made up for"
    assert not house.entry(clerk, "note", "tidy").past.is_paused
    house.wait(MINUTE)
    house.look()
    assert house.stages() == {"tidy": "claiming"}


def test_a_job_that_is_suspended_is_resumed_with_a_clean_slate() -> None:
    house, _clerk, worker = running(give_up=1)
    desk = desk_of(house)
    house.ran(worker, "failed")
    assert row(desk)["outlook"] == "suspended"
    assert desk.switch("tidy", "resume") == "scheduled"
    assert (row(desk)["failures_in_row"], row(desk)["failures"]) == (0, 1)


def test_a_pause_is_kept_over_a_reload() -> None:
    house, desk = at_desk(minutely("tidy"))
    desk.switch("tidy", "pause")
    house.adopt(minutely("tidy"), generation=2)
    assert row(desk)["outlook"] == "paused"


def test_the_run_that_waits_for_the_last_one_is_skipped_by_a_pause_and_the_last_one_goes_on() -> None:
    house, _clerk = due(minutely("tidy", overlap="queue"))
    desk = desk_of(house)
    (worker,) = house.children.of(Role.CRON)
    house.look()
    house.grants("tidy")
    house.look()
    house.wait(MINUTE)
    house.look()
    desk.switch("tidy", "pause")
    assert house.stages() == {"tidy": "running"}
    house.ran(worker)
    house.look()
    assert house.stages() == {}
    assert [values["cause"] for _, values in house.journal.entries] == ["the job was paused"]


def test_a_job_that_is_disabled_stays_so() -> None:
    _house, desk = at_desk(minutely("tidy", enabled=False))
    assert desk.switch("tidy", "resume") == "disabled"


# The report


def test_a_job_that_has_never_run_is_shown_with_what_is_to_come() -> None:
    house = House()
    house.adopt(
        Job("tidy", "shop:tidy", schedule="17 3 * * *", timezone="UTC"),
        declared=[minutely("mail", call="shop.mail:send", every=90.0)],
    )
    desk = desk_of(house)
    tidy, mail = row(desk), row(desk, "mail")
    assert (tidy["schedule"], tidy["timezone"], tidy["origin"]) == ("17 3 * * *", "UTC", "settings")
    assert (mail["schedule"], mail["timezone"], mail["origin"]) == ("every 90s", "", "code")
    assert (mail["call"], mail["outlook"], mail["next_at"]) == ("shop.mail:send", "scheduled", NOON + 90.0)
    for name in ("stage", "run", "began_at", "worker", "last"):
        assert tidy[name] is None, name
    assert (tidy["runs"], tidy["failures"], tidy["failures_in_row"]) == (0, 0, 0)
    assert (desk.report()["instance"], desk.report()["now"]) == ("shop", NOON)


def test_a_span_is_shown_as_people_write_it() -> None:
    _house, desk = at_desk(minutely("rare", every=999 * DAY), minutely("odd", every=90.5))
    assert row(desk, "rare")["schedule"] == "every 999d"
    assert row(desk, "odd")["schedule"] == "every 90.5s"


def test_a_run_is_shown_with_its_worker_as_far_as_it_has_come() -> None:
    house, _clerk = due(minutely("tidy"))
    desk = desk_of(house)
    (worker,) = house.children.of(Role.CRON)
    house.look()
    told = row(desk)
    assert (told["stage"], told["run"], told["worker"], told["began_at"]) == (
        "claiming", f"tidy-{NOON + MINUTE:.0f}", None, None,
    )  # fmt: skip
    house.grants("tidy")
    house.look()
    told = row(desk)
    assert (told["stage"], told["worker"], told["began_at"]) == ("running", worker.worker, house.wall)


def test_a_run_that_has_ended_is_shown_with_what_it_took() -> None:
    house, _clerk, worker = running()
    desk = desk_of(house)
    house.wait(2.0)
    house.ran(worker, "failed", detail="ValueError: no shelf")
    told = row(desk)
    assert told["last"] == {
        "at": NOON + MINUTE, "began_at": NOON + MINUTE, "ended_at": NOON + MINUTE + 2.0, "outcome": "failed",
        "real": 1.5, "cpu": 0.5, "memory": 4096, "detail": "ValueError: no shelf",
    }  # fmt: skip
    assert (told["runs"], told["failures"], told["failures_in_row"]) == (1, 1, 1)
    assert (told["stage"], told["worker"]) == (None, None)


def test_what_an_earlier_master_knew_is_shown() -> None:
    last = LastRun(NOON - DAY, NOON - DAY, NOON - DAY + 3.0, "done")
    house = House(Entry("tidy", Past(NOON), runs=41, failures=2, last=last))
    house.adopt(minutely("tidy"))
    told = row(desk_of(house))
    assert (told["runs"], told["failures"], told["last"]["ended_at"]) == (41, 2, NOON - DAY + 3.0)


def test_a_job_of_which_no_run_is_in_sight_can_be_shown_too() -> None:
    _house, desk = at_desk(minutely("tidy", enabled=False))
    told = row(desk)
    assert (told["outlook"], told["due_at"], told["next_at"]) == ("disabled", None, None)


def test_what_keeps_jobs_from_beginning_is_in_the_report_while_it_lasts() -> None:
    house, desk = at_desk(TOMORROW)
    (clerk,) = house.children.of(Role.CLERK)
    house.says(clerk, "trouble", about="lock", cause="no database")
    assert desk.report()["troubles"] == {"lock": "no database"}
    assert desk.words() == "jobs can not begin"
    house.says(clerk, "trouble", about="lock", cause="")
    assert desk.report()["troubles"] == {}
    assert desk.words() == "cron idle"


def test_a_line_says_what_jobs_are_doing() -> None:
    assert desk_of(House()).words() == ""
    _house, desk = at_desk()
    assert desk.words() == ""
    _house, desk = at_desk(poll="shop:poll")
    assert desk.words() == "cron idle"
    house, clerk = due(*(minutely(name) for name in ("d", "c", "b", "a")), workers=4, lock=SHARED)
    desk = desk_of(house)
    house.look()
    assert desk.words() == "cron idle", "claimed is not running"
    for name in "abcd":
        house.grants(name)
    house.look()
    house.papers(clerk)
    assert desk.words() == "cron a, b, c", "no more than a line has room for"
