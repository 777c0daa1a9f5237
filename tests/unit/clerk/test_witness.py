"""What the scoreboard tells of runs whose master has died: which have ended."""

import os
import subprocess
import sys

from corn_systemd.clerk.witness import ended_well
from corn_systemd.scoreboard import Scoreboard


def begun(scoreboard: Scoreboard, number: int, run: str, role: str = "cron") -> None:
    """A run begins in the slot of a worker that has ended since."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    slot = scoreboard.slot(number)
    slot.claim(process.pid, 1, role)
    slot.begin(0, run, "JOB", run.partition("-")[0], 1.0)


def test_only_runs_whose_function_has_returned_have_ended_well() -> None:
    scoreboard = Scoreboard.create(8)
    for number, run in enumerate(("tidy-1", "look-2", "late-3")):
        begun(scoreboard, number, run)
    scoreboard.slot(0).ended_well()
    scoreboard.slot(1).end(2.0, 0)  # it has failed
    assert ended_well(scoreboard) == {"tidy-1"}
    scoreboard.slot(0).begin(0, "tidy-61", "JOB", "tidy", 3.0)
    assert ended_well(scoreboard) == set(), "the run before it was told of by itself"


def test_a_slot_that_was_given_back_and_one_of_a_request_tell_nothing() -> None:
    scoreboard = Scoreboard.create(8)
    begun(scoreboard, 0, "tidy-1")
    begun(scoreboard, 1, "GET-1", role="http")
    for number in (0, 1):
        scoreboard.slot(number).ended_well()
    scoreboard.slot(0).clear()
    assert ended_well(scoreboard) == set()


def test_it_waits_for_the_end_of_a_worker_that_still_lives() -> None:
    scoreboard = Scoreboard.create(8)
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=reader)
    os.close(reader)
    slot = scoreboard.slot(0)
    slot.claim(process.pid, 1, "cron")
    slot.begin(0, "tidy-1", "JOB", "tidy", 1.0)
    os.close(writer)
    # Whatever it does until its end counts.
    assert ended_well(scoreboard) == set()
    assert process.poll() is not None or process.wait(0.1) == 0, "it has ended by then"
