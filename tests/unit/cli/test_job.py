"""corn job: one job by hand, and what comes of it."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from corn_systemd.cli import main

from .conftest import NAME, Control

RUN = "POST /jobs/tidy/run"
WAIT = f"{RUN}?wait=1"

Captured = pytest.CaptureFixture[str]


def corn(*words: str) -> int:
    return main(["job", *words])


def line(**value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def has_jobs(control: Control, *names: str) -> None:
    control.says("GET /jobs", {"instance": NAME, "jobs": [{"name": name} for name in names]})


def test_a_run_is_asked_for_and_its_name_told(control: Control, capsys: Captured) -> None:
    control.says(RUN, {"ok": True, "run": "tidy-1785200000"}, 202)
    assert corn("run", NAME, "tidy") == 0
    assert capsys.readouterr().out == "tidy runs; journalctl -f CORN_RUN=tidy-1785200000 shows it\n"


@pytest.mark.parametrize("words", [("run",), ("run", "--wait")])
@pytest.mark.parametrize(
    ("answer", "error", "status"),
    [(409, "tidy runs already", 1), (503, "the instance is stopping", 75)],
)
def test_what_cannot_be_now_is_told_with_its_cause(
    control: Control, capsys: Captured, words: tuple[str, ...], answer: int, error: str, status: int
) -> None:
    for question in (RUN, WAIT):
        control.says(question, {"ok": False, "error": error}, answer)
    assert corn(*words, NAME, "tidy") == status
    assert capsys.readouterr().err == f"corn: {error}\n"


@pytest.mark.parametrize("deed", ["run", "pause", "resume"])
def test_of_an_unknown_job_the_nearest_is_named_and_all_are_listed(
    control: Control, capsys: Captured, deed: str
) -> None:
    control.says(f"POST /jobs/CLEAR_SESSIONS/{deed}", {"ok": False, "error": "no such job"}, 404)
    has_jobs(control, "mail", "clear-sessions")
    assert corn(deed, NAME, "CLEAR_SESSIONS") == 1
    assert capsys.readouterr().err == (
        f"corn: {NAME} has no job 'CLEAR_SESSIONS'; did you mean 'clear-sessions'? "
        "Its jobs are: mail, clear-sessions\n"
    )


def test_where_there_are_no_jobs_none_is_near(control: Control, capsys: Captured) -> None:
    control.says(WAIT, {"ok": False, "error": "no such job"}, 404)
    has_jobs(control)
    assert corn("run", NAME, "tidy", "--wait") == 1
    assert f"{NAME} has no jobs; corn jobs {NAME} says how to add one" in capsys.readouterr().err


def test_a_name_that_can_be_none_is_one_word_of_the_question(control: Control, capsys: Captured) -> None:
    has_jobs(control, "tidy")
    assert corn("pause", NAME, "../a b") == 1
    assert control.asked[0] == "POST /jobs/..%2Fa%20b/pause"
    assert "has no job '../a b'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("deed", "outlook", "said"),
    [
        ("pause", "paused", "tidy is paused, until `corn job resume`\n"),
        ("resume", "scheduled", "tidy is scheduled\n"),
        ("resume", "disabled", "tidy is disabled in the settings (enabled = false), and stays so\n"),
        ("resume", "another", "tidy another\n"),
    ],
)
def test_pause_and_resume_say_what_the_job_is_up_to_now(
    control: Control, capsys: Captured, deed: str, outlook: str, said: str
) -> None:
    control.says(f"POST /jobs/tidy/{deed}", {"ok": True, "outlook": outlook})
    assert corn(deed, NAME, "tidy") == 0
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("outcome", "status", "said"),
    [
        ({"outcome": "done", "status": 0, "detail": ""}, 0, "tidy: done after 2.0s, 1.0s of CPU\n"),
        (
            {"outcome": "failed", "status": 3, "detail": "SystemExit: 3"},
            3,
            "tidy: failed after 2.0s, 1.0s of CPU: SystemExit: 3; journalctl CORN_JOB=tidy tells more\n",
        ),
        ({"outcome": "failed", "status": 256, "detail": "x"}, 1, "tidy: failed after 2.0s, 1.0s of CPU: x; "),
        ({"outcome": "killed", "status": 0, "detail": "SIGKILL"}, 1, "tidy: killed after 2.0s, "),
    ],
)
def test_who_waits_gets_what_the_job_prints_how_it_ended_and_its_exit_status(
    control: Control, capsys: Captured, outcome: dict[str, Any], status: int, said: str
) -> None:
    control.streams(WAIT, lambda: [line(line="one ü") + line(line=""), line(real=2.0, cpu=1.0, **outcome)])
    assert corn("run", NAME, "tidy", "--wait") == status
    told = capsys.readouterr()
    assert told.out == "one ü\n\n"
    assert told.err.startswith(said)


def test_each_line_is_printed_when_it_comes(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = threading.Event()

    class Raw(io.BytesIO):
        def write(self, data: Any) -> int:
            printed.set()
            return super().write(data)

    def parts() -> Iterator[bytes]:
        yield line(line="first")
        is_printed = printed.wait(10)
        yield line(outcome="done" if is_printed else "failed", status=9, real=0, cpu=0)

    control.streams(WAIT, parts)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Raw())))
    assert corn("run", NAME, "tidy", "--wait") == 0


def test_an_instance_that_goes_away_is_to_be_tried_later(control: Control, capsys: Captured) -> None:
    control.streams(WAIT, lambda: [line(line="one"), b'{"li'])
    assert corn("run", NAME, "tidy", "--wait") == 75
    told = capsys.readouterr()
    assert told.out == "one\n"
    assert f"instance {NAME!r} has gone, and nobody tells how tidy ended" in told.err


def test_a_run_that_was_not_is_to_be_tried_later(control: Control, capsys: Captured) -> None:
    control.streams(WAIT, lambda: [line(error="the instance is stopping")])
    assert corn("run", NAME, "tidy", "--wait") == 75
    assert capsys.readouterr().err == "corn: tidy was not run: the instance is stopping\n"


def test_a_torn_line_is_told_and_the_outcome_is_found_behind_it(control: Control, capsys: Captured) -> None:
    control.streams(WAIT, lambda: [b'{"line": "on\n\n', line(outcome="done", status=0, real=1, cpu=0)])
    assert corn("run", NAME, "tidy", "--wait") == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("corn: a line is lost here; the journal has it\ntidy: done")


def heed_ctrl_c() -> None:
    """A job in the background of a shell without job control, as a CI may be, is born with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def corn_apart() -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "corn_systemd", "job", "run", NAME, "tidy", "--wait"]
    pipe = subprocess.PIPE
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env=environment, preexec_fn=heed_ctrl_c
    )


def test_an_interrupt_ends_the_waiting_and_says_that_the_job_goes_on(control: Control) -> None:
    over = threading.Event()

    def parts() -> Iterator[bytes]:
        yield line(line="ü")
        over.wait(30)

    control.streams(WAIT, parts)
    with corn_apart() as process:
        assert process.stdout is not None
        assert process.stdout.buffer.readline() == "ü\n".encode()  # type: ignore[attr-defined]
        process.send_signal(signal.SIGINT)
        _out, err = process.communicate(timeout=20)
    over.set()
    assert process.returncode == -signal.SIGINT, "the shell that runs it shall see the interrupt"
    assert err == f"corn: no longer waiting; tidy goes on: corn jobs {NAME} shows how it ends\n"
    assert control.asked == [WAIT]


def test_who_stops_reading_still_gets_the_exit_status(control: Control) -> None:
    closed = threading.Event()

    def parts() -> Iterator[bytes]:
        yield line(line="first")
        closed.wait(30)
        yield from [line(line="second"), line(line="third")]
        yield line(outcome="failed", status=7, real=0, cpu=0, detail="")

    control.streams(WAIT, parts)
    with corn_apart() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        closed.set()
        assert process.stderr is not None
        assert process.stderr.read().startswith("tidy: failed")
        assert process.wait(20) == 7


def test_who_reads_slowly_does_not_hold_up_the_job_and_gets_all_of_it(control: Control) -> None:
    sent = threading.Event()

    def parts() -> Iterator[bytes]:
        # More than a pipe and a socket hold.
        yield from [line(line="x" * 1000)] * 4000
        sent.set()
        yield line(outcome="done", status=0, real=0, cpu=0, detail="")

    control.streams(WAIT, parts)
    with corn_apart() as process:
        assert sent.wait(20)
        assert process.stdout is not None
        assert len(process.stdout.readlines()) == 4000
        assert process.wait(20) == 0
