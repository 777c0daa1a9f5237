"""A cron worker over a real lifeline and a real slot; its journal only keeps what it is told."""

import asyncio
import gc
import os
import select
import signal
import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import corn_systemd
from corn_systemd.deadlines import serve_by
from corn_systemd.errors import CpuTimeExceeded, RequestTimeout
from corn_systemd.lifeline import Lifeline, Message
from corn_systemd.scoreboard import Scoreboard
from corn_systemd.settings.sections import Limits
from corn_systemd.systemd import messages
from corn_systemd.worker import cron
from corn_systemd.worker.cron import CronWorker, call, print_line_by_line, stand_back

# What the jobs below have done.
done: list[Any] = []
READER, WRITER = -1, -1


def speak(*words: str, **more: str) -> str:
    text = " ".join([*words, *(f"{name}={value}" for name, value in more.items())])
    os.write(1, text.encode() + b"\n")  # sys.stdout is pytest's
    return "nobody hears that"


def fail(text: str = "no shelf") -> None:
    os.write(2, b"about to fail\n")
    raise ValueError(text)


def leave(status: Any) -> None:
    sys.exit(status)


def fork_and_fail(how: str) -> None:
    """A child comes back, by return or by exit; then the job fails."""
    pid = os.fork()
    if pid == 0:
        return sys.exit(0) if how == "exit" else None
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    raise RuntimeError(f"the child left with {status}")


def overrun(kind: str) -> None:
    error = RequestTimeout(2.0, 3.0) if kind == "time_real" else CpuTimeExceeded(2.0, 3.0)
    try:
        raise error
    except RequestTimeout:
        raise RuntimeError("the application made another of it") from error


def wake(fd: int) -> None:
    os.write(fd, b"x")


class Heavy:
    pass


def hold(error: str) -> None:
    """Has something in its hands when it fails."""
    heavy = Heavy()
    done.append(weakref.ref(heavy))
    raise {"exit": SystemExit(0), "limit": RequestTimeout(1.0, 2.0), "other": ValueError()}[error]


async def coroutine() -> None:
    done.append("never")


def generator() -> Iterator[None]:
    done.append("never")
    yield


async def asynchronous_generator() -> Any:
    done.append("never")
    yield


def look_around() -> None:
    done.append((os.environ["CORN_JOB"], os.environ["CORN_RUN"], corn_systemd.deadline() is not None))


def unsettle(directory: str, status: int) -> None:
    """Changes what there is to be changed, and leaves."""
    os.chdir(directory)
    os.umask(0o777)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    os.rmdir(directory)
    sys.exit(status)


def surroundings() -> None:
    mask = os.umask(0)
    os.umask(mask)
    handler = signal.getsignal(signal.SIGUSR2)
    done.append((Path.cwd(), mask, handler))


def answer(*values: Any) -> Any:
    done.append("polled")
    return values[0] if len(values) == 1 else values


def wake_me() -> Any:
    done.append("polled")
    return None, READER


class FakeJournal:
    """Keeps what is told: messages of the table with their values, and lines with theirs."""

    def __init__(self) -> None:
        self.entries: list[tuple[messages.Message, dict[str, Any]]] = []
        self.lines: list[tuple[str, str, str]] = []

    def emit(self, message: messages.Message, detail: str = "", **values: object) -> None:
        message.text.format(**values)
        self.entries.append((message, {**values, "detail": detail}))

    def write(self, priority: int, text: str, **values: object) -> None:
        self.lines.append((text, str(values["job"]), str(values["run"])))

    def keep_stderr(self) -> None:
        pass

    def told(self, message: messages.Message) -> list[dict[str, Any]]:
        return [values for one, values in self.entries if one is message]


class Bench:
    """A cron worker that has not begun to listen, and the master's end of its lifeline."""

    def __init__(self) -> None:
        self.master, theirs = Lifeline.pair()
        self.lifeline = Lifeline(theirs)
        self.slot = Scoreboard.create(2).slot(1)
        self.slot.claim(os.getpid(), 1, "cron")
        self.journal = FakeJournal()
        journal: Any = self.journal
        self.renewed = 0
        self.worker = CronWorker(Limits(time_real=50.0), self.slot, journal, self.lifeline, self.renew)

    def renew(self) -> None:
        self.renewed += 1

    def ask(self, kind: str, name: str, *args: Any, fds: tuple[int, ...] = (), **more: Any) -> None:
        """The master names a run, or the poller, by what this module calls it."""
        fields = {"job": name, "run": f"{name}-7", "call": f"{__name__}:{name}", "args": list(args)}
        assert self.master.send(kind, fds, **{**fields, "time_real": 60.0, "extend_max": 0.0, **more})

    def serve(self) -> list[Message]:
        """The worker does all that it was asked for, and then leaves; what it has said."""
        self.master.send("drain")
        self.worker.serve()
        said = []
        while (message := self.master.receive()) is not None:
            said.append(message)
        return said

    def run(self, name: str, *args: Any, **more: Any) -> dict[str, Any]:
        """What the worker says of this run alone."""
        self.ask("run", name, *args, **more)
        (said,) = self.serve()
        assert (said.kind, said.fields["run"]) == ("ran", f"{name}-7")
        assert not self.slot.view().is_busy
        return said.fields

    def poll(self, name: str, *args: Any) -> dict[str, Any]:
        self.ask("poll", name, *args)
        (said,) = self.serve()
        assert said.kind == "polled"
        return said.fields

    def close(self) -> None:
        self.master.close()
        self.lifeline.close()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for name in ("CORN_JOB", "CORN_RUN"):
        monkeypatch.setenv(name, "of the test")
    done.clear()
    made = Bench()
    yield made
    made.close()
    serve_by(None)


# Runs


def test_a_run_is_told_from_its_beginning_to_its_end(bench: Bench) -> None:
    told = bench.run("speak", "hello", "world")
    assert (told["outcome"], told["status"], told["detail"]) == ("done", 0, "")
    assert told["real"] >= 0.0 and told["cpu"] >= 0.0 and isinstance(told["memory"], int)
    assert "value" not in told
    about = {"job": "speak", "run": "speak-7", "slot": 2}
    started, finished = bench.journal.entries
    assert started == (messages.JOB_STARTED, {**about, "detail": ""})
    assert finished[0] is messages.JOB_FINISHED
    assert about.items() <= finished[1].items()
    assert bench.journal.lines == [("hello world", "speak", "speak-7")]
    view = bench.slot.view()
    assert (view.requests, view.request, view.request_id) == (1, "JOB speak", "speak-7")
    assert view.is_well


@pytest.mark.parametrize(("grown", "text"), [(-(1 << 20), "-1.0"), (-4096, "0.0"), (0, "0.0")])
def test_what_a_run_has_given_back_is_told_as_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, grown: int, text: str
) -> None:
    monkeypatch.setattr(cron, "grown_bytes", lambda before: grown)
    assert bench.run("speak")["memory"] == grown
    (finished,) = bench.journal.told(messages.JOB_FINISHED)
    assert finished["growth"] == text


def test_a_job_is_called_with_a_table_of_parameters_too(bench: Bench) -> None:
    bench.run("speak", args={"days": 3})
    assert [text for text, _, _ in bench.journal.lines] == ["days=3"]


def test_a_job_knows_which_run_it_is_and_by_when_it_is_to_end(bench: Bench) -> None:
    bench.ask("run", "look_around")
    bench.ask("run", "look_around", run="other-1", job="other", time_real=0.0)
    bench.serve()
    assert done == [("look_around", "look_around-7", True), ("other", "other-1", False)]


def test_a_run_that_fails_is_told_with_its_traceback_and_the_worker_goes_on(bench: Bench) -> None:
    bench.ask("run", "fail")
    bench.ask("run", "speak", "after")
    failed, well = bench.serve()
    assert failed.fields["outcome"] == "failed"
    assert (failed.fields["status"], failed.fields["detail"]) == (1, "ValueError: no shelf")
    assert well.fields["outcome"] == "done"
    (told,) = bench.journal.told(messages.JOB_FAILED)
    assert (told["error"], told["limit"], told["run"]) == ("ValueError: no shelf", "", "fail-7")
    assert "in fail" in told["detail"]
    assert "corn_systemd/worker" not in told["detail"], "its own frames alone"
    assert [text for text, _, _ in bench.journal.lines] == ["about to fail", "after"]
    assert len(bench.journal.told(messages.JOB_FINISHED)) == 1


def test_what_a_run_has_failed_of_is_told_in_a_line_that_has_an_end(bench: Bench) -> None:
    assert len(bench.run("fail", "x" * 100_000)["detail"]) == 500
    assert not bench.slot.view().is_well
    (told,) = bench.journal.told(messages.JOB_FAILED)
    assert len(told["error"]) > 100_000, "the journal has all of it"


@pytest.mark.parametrize("error", ["exit", "limit", "other"])
def test_what_a_run_had_in_its_hands_when_it_failed_is_let_go(bench: Bench, error: str) -> None:
    gc.disable()
    try:
        bench.run("hold", error)
        (held,) = done
        assert held() is None, "not only when garbage is collected"
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("status", "outcome", "told"),
    [(0, "done", 0), (None, "done", 0), (3, "failed", 3), ("no shelf", "failed", 1)],
)
def test_a_job_may_leave_as_a_program_does(bench: Bench, status: Any, outcome: str, told: int) -> None:
    said = bench.run("leave", status)
    assert (said["outcome"], said["status"]) == (outcome, told)
    assert bench.slot.view().is_well == (outcome == "done"), "and so it is, should the master die now"


@pytest.mark.parametrize("how", ["return", "exit"])
def test_a_child_that_comes_back_from_the_job_does_not_end_its_run(bench: Bench, how: str) -> None:
    told = bench.run("fork_and_fail", how)
    assert told["outcome"] == "failed"
    assert "the child left with 0" in told["detail"]
    assert not bench.slot.view().is_well, "the slot is the parent's"


@pytest.mark.parametrize("limit", ["time_real", "time_cpu"])
def test_a_run_that_a_limit_has_interrupted_is_told_with_the_limit(bench: Bench, limit: str) -> None:
    assert bench.run("overrun", limit)["outcome"] == "failed"
    (told,) = bench.journal.told(messages.JOB_FAILED)
    assert told["limit"] == limit


@pytest.mark.parametrize("name", ["coroutine", "generator", "asynchronous_generator"])
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_a_function_of_which_nothing_has_run_has_failed(bench: Bench, name: str) -> None:
    said = bench.run(name)
    assert said["outcome"] == "failed"
    assert "of which nothing has run" in said["detail"]
    assert done == []


@pytest.mark.parametrize(
    ("target", "cause"),
    [
        (f"{__name__}:nowhere", "has no 'nowhere'"),
        (f"{__name__}:READER", "cannot be called as a job"),
        ("no_such_module:job", "No module named 'no_such_module'"),
    ],
)
def test_a_job_that_is_not_there_has_failed(bench: Bench, target: str, cause: str) -> None:
    said = bench.run("lost", call=target)
    assert said["outcome"] == "failed"
    assert cause in said["detail"]
    assert "AppError" not in said["detail"], "that is corn's word for it"
    (told,) = bench.journal.told(messages.JOB_FAILED)
    assert cause in told["error"]


def test_a_job_that_is_called_with_too_much_has_failed(bench: Bench) -> None:
    assert "TypeError" in bench.run("look_around", "one too many")["detail"]


def test_who_looks_on_gets_what_is_printed_and_then_the_end(bench: Bench) -> None:
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        bench.run("speak", "hello", fds=(there.fileno(),))
        there.close()
        with here.makefile("rb") as file:
            assert file.read() == b'{"line": "hello"}\n', "and nobody holds the other end"


def test_what_the_master_says_in_another_tongue_is_let_pass(bench: Bench) -> None:
    bench.master.send("anything", what=1)
    assert bench.run("speak")["outcome"] == "done"


@pytest.mark.parametrize("status", [0, 3])
def test_what_a_run_has_changed_the_next_one_does_not_find(bench: Bench, tmp_path: Path, status: int) -> None:
    (tmp_path / "gone").mkdir()
    bench.ask("run", "surroundings")
    bench.ask("run", "unsettle", str(tmp_path / "gone"), status)
    bench.ask("run", "surroundings")
    _, unsettled, _ = bench.serve()
    assert unsettled.fields["status"] == status, "its own outcome stays"
    before, after = done
    assert before == after
    assert bench.renewed == 1


def test_what_can_not_be_put_back_is_no_failure_of_the_run(bench: Bench, tmp_path: Path) -> None:
    here, home = Path.cwd(), tmp_path / "home"
    home.mkdir()
    os.chdir(home)
    try:
        assert bench.run("unsettle", str(home), 0)["outcome"] == "done"
    finally:
        os.chdir(here)
    assert bench.slot.view().is_well


def test_what_the_import_of_a_job_sets_stays(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("CORN_OF_AN_IMPORT", "before")
    code = "import os\nos.environ['CORN_OF_AN_IMPORT'] = 'after'\ndef job(): pass\n"
    (tmp_path / "imported_late.py").write_text(code)
    assert bench.run("late", call="imported_late:job")["outcome"] == "done"
    assert os.environ["CORN_OF_AN_IMPORT"] == "after"
    del sys.modules["imported_late"]


# The end


def test_a_worker_that_is_asked_to_leave_does_nothing_that_comes_after(bench: Bench) -> None:
    bench.master.send("drain")
    bench.ask("run", "look_around")
    bench.worker.serve()
    assert done == []
    assert bench.slot.view().state == "draining"


def test_a_worker_whose_master_has_gone_leaves(bench: Bench) -> None:
    bench.ask("run", "look_around")
    bench.master.close()
    bench.worker.serve()
    assert len(done) == 1


# The poller


def test_a_poller_is_called_and_its_answer_handed_on(bench: Bench) -> None:
    assert bench.poll("answer", 60) == {"is_well": True, "again": 60.0}
    assert bench.journal.entries == [], "that is no news"
    assert bench.slot.view().requests == 1


def test_a_poller_that_fails_is_told_and_says_nothing_about_the_next_time(bench: Bench) -> None:
    assert bench.poll("fail") == {"is_well": False, "again": None}
    assert len(bench.journal.told(messages.JOB_FAILED)) == 1


@pytest.mark.parametrize("value", [None, "soon", -1])
def test_a_poller_whose_answer_makes_no_sense_has_failed(bench: Bench, value: Any) -> None:
    assert bench.poll("answer", value) == {"is_well": False, "again": None}
    (told,) = bench.journal.told(messages.JOB_FAILED)
    assert "the poller has returned" in told["error"]
    assert (told["job"], told["limit"]) == ("answer", "")


def master_of(bench: Bench, deeds: dict[str, Callable[[], None]]) -> threading.Thread:
    """The master, in a thread: at each word of the worker it does what goes with it, and then asks it to
    leave."""

    def live() -> None:
        for kind, deed in deeds.items():
            heard = None
            while heard is None:
                assert select.select([bench.master], [], [], 10.0)[0]
                heard = bench.master.receive()
            assert heard.kind == kind
            deed()
        bench.master.send("drain")

    thread = threading.Thread(target=live)
    thread.start()
    return thread


def test_a_poller_is_woken_by_its_descriptor(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(sys.modules[__name__], "READER", reader)
    bench.ask("poll", "wake_me")
    master = master_of(bench, {"polled": lambda: wake(writer), "woken": lambda: None})
    bench.worker.serve()
    master.join(10.0)
    os.close(reader)
    os.close(writer)


def test_a_poller_is_woken_only_once_until_it_is_called(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(sys.modules[__name__], "READER", reader)
    bench.poll("wake_me")
    os.write(writer, b"x")
    bench.worker._wait()
    bench.master.send("anything")
    bench.worker._wait()
    said = bench.master.receive()
    assert said is not None and said.kind == "woken"
    assert bench.master.receive() is None, "what is there to read is the poller's to read"
    os.close(reader)
    os.close(writer)


def test_a_poller_whose_descriptor_is_closed_is_called_again_rather_than_forgotten(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(sys.modules[__name__], "READER", reader)
    bench.ask("poll", "wake_me")
    master = master_of(bench, {"polled": lambda: os.close(writer), "woken": lambda: None})
    bench.worker.serve()
    master.join(10.0)
    os.close(reader)


# Alone


def test_a_function_is_called_with_a_list_or_a_table() -> None:
    def show(*args: Any, **more: Any) -> Any:
        return args, more

    assert call(show, [1, "two"]) == ((1, "two"), {})
    assert call(show, {"days": 3}) == ((), {"days": 3})
    assert call(show, []) == ((), {})


@pytest.mark.parametrize("value", [None, 0, iter([1]), [1], range(3), "text", map(str, [1])])
def test_what_a_function_returns_is_its_own_affair(value: Any) -> None:
    assert call(lambda: value, []) is value


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (coroutine, "a coroutine"),
        (generator, "a generator"),
        (asynchronous_generator, "a generator"),
        (lambda: asyncio.Future(loop=asyncio.new_event_loop()), "a coroutine"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_nobody_has_run_is_no_success(function: Callable[[], object], what: str) -> None:
    with pytest.raises(TypeError, match=f"it returned {what}, .* call a function that runs it"):
        call(function, [])


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (None, 0),
        (ValueError(), 1),
        (KeyboardInterrupt(), 1),
        (RequestTimeout(1.0, 2.0), 1),
        (SystemExit(), 0),
        (SystemExit(0), 0),
        (SystemExit(False), 0),
        (SystemExit(True), 1),
        (SystemExit(3), 3),
        (SystemExit(-1), 255),
        (SystemExit(256), 0),
        (SystemExit("a text"), 1),
        (SystemExit(2.5), 1),
    ],
)
def test_a_failure_has_the_status_that_a_program_would_have(
    failure: BaseException | None, status: int
) -> None:
    assert cron._status(failure) == status


def test_jobs_stand_back_by_the_weight_of_their_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.weight.nice").write_text("0\n")
    monkeypatch.setattr(os, "setpriority", lambda *_: pytest.fail("not that as well"))
    stand_back(str(tmp_path), 7)
    assert (tmp_path / "cpu.weight.nice").read_text().strip() == "7"


@pytest.mark.parametrize("has_group", [False, True])
def test_jobs_stand_back_by_themselves_where_there_is_no_such_weight(
    has_group: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "setpriority", lambda *what: asked.append(what))
    stand_back(str(tmp_path / "nowhere") if has_group else "", 7)
    assert asked == [(os.PRIO_PROCESS, 0, 7)]


def test_who_may_not_stand_back_runs_jobs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    stand_back("", 7)


def test_what_is_printed_goes_out_with_each_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(tmp_path / "out", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        print_line_by_line()
        print("a line")
        assert (tmp_path / "out").read_text() == "a line\n"
    monkeypatch.setattr(sys, "stderr", None)
    print_line_by_line()  # closed, and none at all
