"""units/corn-wake: what it makes of the word that a sleeping instance has left, where systemd pretends."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .programs import program

Captured = pytest.CaptureFixture[str]
# 2099-01-01 00:00:00 UTC
LATER = 4070908800


class Machine:
    """One with an instance `shop`, and systemd: its units, and the second for which a timer was made."""

    def __init__(self, directory: Path) -> None:
        self.program = program("corn-wake")
        self.word, self.timer = directory / "state" / "shop" / "wake", directory / "run" / "corn@shop.timer"
        self.program.STATE, self.program.TRANSIENT = str(directory / "state"), str(directory / "run")
        self.program.HEEDED = str(directory)
        self.program.PAUSE, self.program.run = 0.0, self.run
        for path in (self.word, self.timer):
            path.parent.mkdir(parents=True)
        self.shows = {
            ("corn@shop.service", "ActiveState"): "inactive",
            ("corn@shop.service", "Result"): "success",
            ("corn@shop.service", "ExecMainCode"): "1",
            ("corn@shop.socket", "ActiveState"): "active",
            # It has run while the socket was open.
            ("corn@shop.socket", "ActiveEnterTimestampMonotonic"): "1000",
            ("corn@shop.service", "InactiveEnterTimestampMonotonic"): "2000",
        }
        self.due_at: float | None = None
        self.words: set[str] = set()
        self.refusals = 0
        self.is_slow_by = 0.0
        # What the next answers about a unit are, before they are what they are.
        self.moments: dict[str, list[str]] = {}
        self.done: list[str] = []

    def wake(self) -> int:
        status: int = self.program.main("shop")
        return status

    # As systemd

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        assert command[0].startswith("/usr/bin/"), "nothing is looked for along a PATH"
        verb = Path(command[0]).name if command[0].endswith("systemd-run") else command[1]
        answer = getattr(self, verb.strip("-").replace("-", "_"))(*command[1:])
        return subprocess.CompletedProcess(command, *answer)

    def show(self, _show: str, wanted: str, unit: str) -> tuple[int, str, str]:
        # What lies in the past is made, and never elapses.
        is_waiting = self.timer.exists()
        known = {
            **self.shows,
            ("corn@shop.timer", "ActiveState"): "active" if is_waiting else "inactive",
            ("corn@shop.timer", "SubState"): "waiting" if is_waiting else "dead",
        }
        if self.moments.get(unit):
            known[unit, "ActiveState"] = self.moments[unit].pop(0)
        names = wanted.removeprefix("--property=").split(",")
        lines = [f"{name}={known[unit, name]}\n" for name in names if (unit, name) in known]
        return 0, "".join(lines), ""

    def stop(self, _stop: str, unit: str) -> tuple[int, str, str]:
        assert unit == "corn@shop.timer"
        self.timer.unlink()
        self.done.append("stopped")
        return 0, "", ""

    def no_block(self, _no_block: str, verb: str, unit: str) -> tuple[int, str, str]:
        self.done.append(f"{verb} {unit}")
        return 0, "", ""

    def systemd_run(self, *options: str) -> tuple[int, str, str]:
        assert "--unit=corn@shop.service" in options
        if self.refusals > 0 or self.timer.exists():
            self.refusals -= 1
            return 1, "", "Unit corn@shop.timer was already loaded\n"
        (due,) = (one.partition("=")[2] for one in options if one.startswith("--on-calendar="))
        at = time.mktime(time.strptime(due, "%Y-%m-%d %H:%M:%S UTC")) - time.timezone
        slow_by, self.is_slow_by = self.is_slow_by, 0.0
        if at > time.time() + slow_by:
            self.due_at = at
            self.words = {one.partition("=")[2] for one in options if one.startswith("--timer-property=")}
            self.timer.touch()
        return 0, "", "Specified calendar expression is in the past, proceeding anyway."


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_makes_a_timer_that_starts_the_service_at_that_second_and_ends_with_its_socket(
    machine: Machine,
) -> None:
    machine.word.write_text(f"{LATER}\n")
    assert machine.wake() == 0
    assert machine.due_at == LATER and machine.done == []
    assert {f"{word}=corn@shop.socket" for word in ("PartOf", "Requisite", "After")} < machine.words


def test_who_has_left_no_word_is_not_woken_and_an_older_timer_goes(machine: Machine) -> None:
    assert machine.wake() == 0 and machine.done == []
    machine.timer.touch()
    assert machine.wake() == 0 and machine.done == ["stopped"]
    assert machine.due_at is None


def test_an_older_timer_makes_way_for_the_new_one(machine: Machine) -> None:
    machine.word.write_text(f"{LATER}\n")
    machine.timer.touch()
    assert machine.wake() == 0
    assert (machine.done, machine.due_at) == (["stopped"], LATER)


@pytest.mark.parametrize(
    ("unit", "state"), [("corn@shop.service", "active"), ("corn@shop.socket", "inactive")]
)
def test_who_runs_again_or_was_stopped_for_good_is_not_woken(
    machine: Machine, unit: str, state: str
) -> None:
    machine.word.write_text(f"{LATER}\n")
    machine.shows[unit, "ActiveState"] = state
    assert machine.wake() == 0
    assert machine.due_at is None and machine.done == []


def from_now(machine: Machine) -> float:
    assert machine.due_at is not None
    return machine.due_at - time.time()


def leave(machine: Machine, word: str) -> None:
    """As the master does: another file each time."""
    draft = machine.word.with_name("draft")
    draft.write_text(word)
    draft.replace(machine.word)


@pytest.mark.parametrize("result", ["success", "exit-code"])
def test_what_is_due_by_now_is_woken_soon_and_who_did_not_come_to_serve_then_after_some_minutes(
    machine: Machine, result: str
) -> None:
    leave(machine, "1\n")
    assert machine.wake() == 0
    assert 2 <= from_now(machine) <= 20
    # It is still to elapse: whoever asks for it again gets the same.
    before, machine.due_at = machine.due_at, None
    assert machine.wake() == 0
    assert machine.due_at is None and machine.done == []
    machine.due_at = before
    # It has elapsed, and the start has failed, be it for something that the service needs.
    machine.timer.unlink()
    machine.shows["corn@shop.service", "Result"] = result
    assert machine.wake() == 0
    assert 290 <= from_now(machine) <= 310
    assert machine.wake() == 0
    assert 290 <= from_now(machine) <= 310
    machine.timer.unlink()
    # It has served, and sleeps again.
    leave(machine, "1\n")
    machine.shows["corn@shop.service", "Result"] = "success"
    assert machine.wake() == 0
    assert 2 <= from_now(machine) <= 20


def test_who_was_stopped_before_it_could_take_its_word_back_is_stopped(machine: Machine) -> None:
    machine.word.write_text("1\n")
    machine.shows["corn@shop.service", "ExecMainCode"] = "2"  # by SIGTERM, which is no failure
    assert machine.wake() == 0 and machine.due_at is None
    machine.shows["corn@shop.service", "Result"] = "signal"
    assert machine.wake() == 0 and machine.due_at is not None


def open_again(machine: Machine, *, at: int = 3000) -> None:
    machine.shows["corn@shop.socket", "ActiveEnterTimestampMonotonic"] = str(at)


def test_when_its_socket_is_opened_the_word_counts_whatever_was_stopped_before(machine: Machine) -> None:
    machine.word.write_text(f"{LATER}\n")
    machine.shows["corn@shop.service", "ExecMainCode"] = "2"
    open_again(machine)
    assert machine.wake() == 0 and machine.due_at == LATER


def test_when_its_socket_is_opened_again_it_is_not_late_for_that(machine: Machine) -> None:
    machine.word.write_text("1\n")
    for opening in (3000, 4000):
        open_again(machine, at=opening)
        assert machine.wake() == 0 and 2 <= from_now(machine) <= 20
        machine.timer.unlink()
    # A start that fails before the service has run at all.
    assert machine.wake() == 0 and 290 <= from_now(machine) <= 310


def test_after_a_boot_the_word_counts(machine: Machine) -> None:
    machine.word.write_text(f"{LATER}\n")
    machine.shows["corn@shop.service", "ExecMainCode"] = "0"
    machine.shows["corn@shop.service", "InactiveEnterTimestampMonotonic"] = "0"
    assert machine.wake() == 0 and machine.due_at == LATER


def test_who_has_jobs_and_has_left_no_word_is_started_when_its_socket_is_opened_and_not_when_it_ends(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_again(machine)
    assert machine.wake() == 0 and machine.due_at is None
    monkeypatch.setenv("CORN_HAS_JOBS", "1")
    assert machine.wake() == 0 and 2 <= from_now(machine) <= 20
    # It has run since, and was stopped.
    machine.timer.unlink()
    machine.due_at = None
    machine.shows["corn@shop.service", "InactiveEnterTimestampMonotonic"] = "4000"
    assert machine.wake() == 0 and machine.due_at is None
    open_again(machine, at=5000)
    assert machine.wake() == 0 and 2 <= from_now(machine) <= 20


def test_who_has_jobs_and_can_not_start_is_tried_again_after_some_minutes(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORN_HAS_JOBS", "1")
    machine.shows["corn@shop.service", "ActiveState"] = "failed"
    machine.shows["corn@shop.service", "Result"] = "exit-code"
    assert machine.wake() == 0 and 290 <= from_now(machine) <= 310


def test_who_opens_the_socket_while_it_looks_is_not_overlooked(machine: Machine) -> None:
    machine.word.write_text(f"{LATER}\n")
    machine.moments["corn@shop.socket"] = ["inactive"]
    assert machine.wake() == 0 and machine.due_at == LATER


def test_where_systemd_does_not_answer_it_tries_again(machine: Machine) -> None:
    machine.word.write_text(f"{LATER}\n")
    machine.timer.touch()
    machine.moments["corn@shop.service"] = [""]
    assert machine.wake() == 1 and machine.done == [] and machine.timer.exists()


def test_who_is_about_to_start_needs_no_timer(machine: Machine) -> None:
    machine.word.write_text("1\n")
    open_again(machine)
    machine.shows["corn@shop.service", "Job"] = "4711"
    assert machine.wake() == 0 and machine.due_at is None


def test_a_timer_that_is_in_the_past_when_it_is_made_is_made_again(machine: Machine) -> None:
    machine.word.write_text("1\n")
    machine.is_slow_by = 10.0
    assert machine.wake() == 0
    assert machine.due_at is not None and machine.timer.exists()


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_text(""),
        lambda path: path.write_text("soon"),
        lambda path: path.write_text("-1"),
        lambda path: path.write_text("1e3"),
        lambda path: path.write_text("1 --unit=ssh"),
        lambda path: path.write_text("1" * 13),
        lambda path: path.write_text("99999999999"),
        lambda path: path.write_bytes(b"\xff\xb2"),
        lambda path: path.write_text("\u0661\u0662"),
        lambda path: path.mkdir(),
        fifo,
        lambda path: (path.with_name("other").write_text(f"{LATER}"), path.symlink_to("other")),
    ],
    ids=[
        *("nothing", "a word", "below zero", "a float", "an option", "too long", "after all years", "bytes"),
        *("digits of others", "a directory", "a pipe", "a link"),
    ],
)
def test_a_word_that_is_no_number_in_a_file_of_its_own_is_none(
    machine: Machine, make: Callable[[Path], object]
) -> None:
    make(machine.word)
    assert machine.wake() == 0 and machine.due_at is None


def test_it_waits_until_the_unit_of_the_older_timer_has_gone(machine: Machine) -> None:
    machine.refusals = 3
    machine.word.write_text(f"{LATER}\n")
    assert machine.wake() == 0 and machine.due_at == LATER


def test_a_timer_that_is_restarted_with_its_socket_is_its_own(machine: Machine) -> None:
    machine.word.write_text(f"{LATER}\n")
    machine.moments["corn@shop.timer"] = ["inactive"]
    assert machine.wake() == 0
    assert (machine.due_at, machine.done, machine.timer.exists()) == (LATER, [], True)


def test_where_the_socket_goes_meanwhile_it_looks_again(machine: Machine) -> None:
    machine.word.write_text(f"{LATER}\n")
    machine.refusals = 10_000
    machine.moments["corn@shop.socket"] = ["active", "inactive"]
    assert machine.wake() == 1 and machine.done == []


def test_where_systemd_refuses_it_says_why_and_starts_the_service_again(
    machine: Machine, capsys: Captured
) -> None:
    machine.refusals = 10_000
    machine.word.write_text(f"{LATER}\n")
    assert machine.wake() == 1
    said = capsys.readouterr().err
    assert "corn@shop can not be woken for its next job" in said and "was already loaded" in said
    assert machine.done == ["start corn@shop.service"]


def test_what_does_not_answer_is_not_waited_for_for_ever() -> None:
    wake = program("corn-wake")
    wake.PATIENCE = 0.1
    done = wake.run("/bin/sleep", "60")
    assert done.returncode == 1 and "timed out" in done.stderr
