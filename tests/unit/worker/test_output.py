"""What a job prints, on its way to the journal and to who looks on; 1 and 2 are pytest's descriptors."""

import json
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corn_systemd.worker import output
from corn_systemd.worker.output import LINE_MAX, Copy


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    """No test leaves a descriptor or a thread behind."""
    before, threads = descriptors(), threading.active_count()
    yield
    assert descriptors() == before
    assert threading.active_count() == threads


def descriptors() -> set[str]:
    return {name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")}


@contextmanager
def captured(tell: Callable[[str], None], copy: Copy) -> Iterator[None]:
    """The same, and afterwards 1 and 2 lead where they led before."""
    before = [os.fstat(fd)[:3] for fd in (1, 2)]
    try:
        with output.captured(tell, copy):
            assert [os.fstat(fd)[:3] for fd in (1, 2)] != before
            yield
    finally:
        assert [os.fstat(fd)[:3] for fd in (1, 2)] == before


def told(*writes: bytes) -> list[str]:
    """What is told when a job writes this."""
    lines: list[str] = []
    with captured(lines.append, Copy()):
        for data in writes:
            os.write(1, data)
    return lines


class Onlooker:
    """Somebody who looks on: a socket as who waits for a run has it, and what comes out of it."""

    def __init__(self) -> None:
        self.here, there = socket.socketpair()
        there.setblocking(False)
        self.copy = Copy(there.detach())

    def lines(self) -> list[str]:
        """All that was told, once the copy is closed."""
        self.copy.close()
        with self.here, self.here.makefile("rb") as file:
            return [json.loads(line)["line"] for line in file]


# Lines


def test_what_is_printed_is_told_line_by_line_from_both_streams_and_from_subprocesses() -> None:
    lines: list[str] = []
    with captured(lines.append, Copy()):
        os.write(1, b"one\ntwo\n")
        os.write(2, b"three\n")
        subprocess.run([sys.executable, "-c", "print('four')"], check=True)
        os.write(1, b"no end")
    assert lines == ["one", "two", "three", "four", "no end"]


def test_a_line_is_told_while_the_job_still_runs() -> None:
    seen = threading.Event()
    with captured(lambda line: seen.set(), Copy()):
        os.write(1, b"now\n")
        assert seen.wait(10.0)


def test_what_python_still_holds_back_is_told_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    with open(1, "w", closefd=False) as stream, captured(lines.append, Copy()):
        monkeypatch.setattr(sys, "stdout", stream)
        print("held", end="")
    monkeypatch.undo()
    assert lines == ["held"]


def test_a_line_that_comes_in_parts_is_told_once() -> None:
    assert told(b"a", b"b", b"c\nd") == ["abc", "d"]


def test_an_empty_line_is_one() -> None:
    assert told(b"a\n\nb\n") == ["a", "", "b"]


def test_what_is_no_utf_8_is_told_all_the_same() -> None:
    assert told(b"caf\xe9 \xff\xfe\n", "Ärger\n".encode()) == ["caf� ��", "Ärger"]


def test_a_nul_and_other_control_characters_do_no_harm() -> None:
    assert told(b"a\0b\r\x1b[1mc\n") == ["a\0b\r\x1b[1mc"]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_long_line_is_told_in_pieces(end: bytes) -> None:
    whole = b"".join(b"%07d " % number for number in range(30_000))
    lines = told(whole + end)
    assert "".join(lines) == whole.decode()
    assert [len(line) for line in lines[:-1]] == [LINE_MAX] * (len(lines) - 1)
    assert 0 < len(lines[-1]) <= LINE_MAX


def test_what_never_comes_to_the_end_of_a_line_is_told_all_the_same_and_not_kept() -> None:
    pieces: list[str] = []
    seen = threading.Event()

    def tell(line: str) -> None:
        pieces.append(line)
        seen.set()

    with captured(tell, Copy()):
        os.write(1, b"x" * (LINE_MAX + 1))
        assert seen.wait(10.0), "while the job runs"
        assert pieces == ["x" * LINE_MAX]
    assert pieces == ["x" * LINE_MAX, "x"]


def test_a_line_of_just_the_longest_length_is_told_whole() -> None:
    assert told(b"x" * LINE_MAX + b"\nnext\n") == ["x" * LINE_MAX, "next"]


def test_a_line_that_is_long_and_comes_whole_in_one_read_is_cut_too() -> None:
    """A pipe holds more than the longest line."""
    lines: list[str] = []
    reader, writer = os.pipe()
    os.write(writer, b"x" * (LINE_MAX + 10) + b"\nnext\n")
    os.close(writer)
    output._pump(reader, lines.append, Copy())
    assert lines == ["x" * LINE_MAX, "x" * 10, "next"]


def test_nothing_printed_is_nothing_told() -> None:
    assert told() == []


# The end


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_descriptors_lead_back_when_the_job_raises_and_what_it_printed_is_told(
    error: type[BaseException],
) -> None:
    lines: list[str] = []
    with pytest.raises(error), captured(lines.append, Copy()):
        os.write(1, b"before\n")
        raise error
    assert lines == ["before"]


def test_descriptors_lead_back_when_the_job_has_closed_them() -> None:
    with captured(lambda line: None, Copy()):
        os.close(1)
        os.close(2)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_the_job_has_closed_or_taken_away_does_no_harm(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull, "w") as stream:
        pass  # and now it is closed
    for other in (stream, None):
        with captured(lambda line: None, Copy()):
            monkeypatch.setattr(sys, name, other)
        monkeypatch.undo()


def test_many_runs_leave_nothing_behind() -> None:
    for _ in range(50):
        assert told(b"line\n") == ["line"]


def test_what_a_job_starts_inherits_no_more_than_without_all_this() -> None:
    script = [sys.executable, "-c", "import os; print(sorted(os.listdir('/proc/self/fd')))"]
    lines: list[str] = []
    without = subprocess.run(script, check=True, close_fds=False, stdout=subprocess.PIPE, text=True).stdout
    with captured(lines.append, Copy()):
        subprocess.run(script, check=True, close_fds=False)
    assert lines == without.splitlines()


def test_nobody_waits_long_for_what_a_job_leaves_behind() -> None:
    lines: list[str] = []
    done = threading.Event()

    def tell(line: str) -> None:
        lines.append(line)
        if line == "after":
            done.set()

    with captured(tell, Copy()):
        left = os.dup(1)  # as a process that goes on holds it
        began = time.monotonic()
    assert time.monotonic() - began < 10 * output._PATIENCE
    os.write(left, b"after\n")
    assert done.wait(10.0), "what it prints is told even then"
    os.close(left)
    for thread in threading.enumerate():
        if thread.name == "corn-output":
            thread.join(10.0)


# Who looks on


def test_who_looks_on_gets_each_line_as_json() -> None:
    onlooker = Onlooker()
    lines: list[str] = []
    with captured(lines.append, onlooker.copy):
        os.write(1, b'one\n"two"\\\n\xff\n')
    assert onlooker.lines() == lines == ["one", '"two"\\', "�"]


def test_who_looks_on_and_reads_slowly_gets_all_of_it() -> None:
    onlooker = Onlooker()
    got: list[str] = []
    reading = threading.Thread(target=lambda: got.extend(json.loads(line)["line"] for line in stream))
    stream = onlooker.here.makefile("rb", buffering=64)
    reading.start()
    lines = [f"{number:0100}" for number in range(500)]
    for line in lines:
        onlooker.copy.line(line)
    onlooker.copy.close()
    reading.join(10.0)
    stream.close()
    onlooker.here.close()
    assert got == lines


def test_who_looks_on_and_does_not_read_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_COPY_PATIENCE", 0.02)
    onlooker = Onlooker()
    began = time.monotonic()
    for _ in range(200):
        onlooker.copy.line("x" * 10_000)
    assert time.monotonic() - began < 10.0, "the job waits once, and for nobody any more"
    assert onlooker.copy._fd == -1
    onlooker.here.close()


def test_who_looks_on_and_goes_away_stops_nothing() -> None:
    onlooker = Onlooker()
    onlooker.here.close()
    lines: list[str] = []
    with captured(lines.append, onlooker.copy):
        os.write(1, b"one\ntwo\n")
    assert lines == ["one", "two"]
    assert onlooker.copy._fd == -1, "nobody is told of lines who has gone"


def test_a_copy_for_nobody_does_nothing() -> None:
    with Copy() as copy:
        copy.line("nobody")
    copy.close()


def test_a_copy_closes_its_descriptor_once() -> None:
    reader, writer = os.pipe()
    with pytest.raises(ValueError), Copy(writer) as copy:
        raise ValueError
    other = os.dup(reader)  # which has got its number
    assert other == writer
    copy.close()
    os.fstat(other)
    os.close(other)
    os.close(reader)


@pytest.mark.parametrize("free", [0, 1, 2, 3])
def test_where_there_are_no_descriptors_it_says_so_and_leaves_none_open(free: int) -> None:
    before = set(os.listdir("/proc/self/fd"))
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = [os.dup(0) for _ in range(free)]
    lowest = os.dup(0)
    for fd in (*spare, lowest):
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"), captured(lambda line: None, Copy()):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    assert set(os.listdir("/proc/self/fd")) == before


def test_what_one_job_does_to_the_standard_streams_is_not_for_the_next() -> None:
    """In an interpreter of its own, whose streams are real."""
    code = """if True:
        import io, sys
        from corn_systemd.worker.output import Copy, captured
        told = []
        with captured(told.append, Copy()):
            sys.stdout.close()
        with captured(told.append, Copy()):
            print("again")
            sys.stderr = None
        with captured(told.append, Copy()):
            print("and again", file=sys.stderr)
            sys.stdout = io.StringIO()
        print(told)
    """
    repository = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository)
    assert (done.stdout, done.stderr) == ("['again', 'and again']\n", "")
