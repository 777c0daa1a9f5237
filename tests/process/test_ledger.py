"""The ledger on real disks: its writer is killed, the disk is full or read-only, or may not be written on."""

import itertools
import os
import random
import resource
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corn_systemd.cron.events import Past
from corn_systemd.cron.ledger import Entry, LastRun, Ledger, Reading
from corn_systemd.errors import Unavailable

from .harness import REPOSITORY

KILLS = 60
JOBS = [f"job {number}" for number in range(40)]
COUNT = struct.Struct("=Q")


def entry(job: str, runs: int) -> Entry:
    return Entry(job, Past(1.0 * runs), runs=runs, last=LastRun(1.0, 2.0, 3.0, "failed", detail="x" * 300))


def of_write(number: int) -> list[str]:
    """Whom a write is about: one job, or all of them, on several pages."""
    return JOBS if number % 3 == 0 else [JOBS[number % len(JOBS)]]


def in_a_child(deed: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        deed()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def ends_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# Killed


@pytest.fixture(params=["on a disk", "in memory"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk takes its time to sync, and a writer is killed then as a rule; in memory, it is in between."""
    if request.param == "on a disk":
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)


def test_whenever_its_writer_is_killed_all_that_was_acknowledged_is_there(home: Path) -> None:
    path = str(home / "state" / "jobs")
    number, torn, kills, shortened, size = 0, 0, 0, 0, 0
    known = dict.fromkeys(JOBS, 0)
    while kills < KILLS or shortened < 2:
        kills += 1
        first = number + 1
        acknowledged = killed_at_random(lambda fd, first=first: write_on(path, first, fd))  # type: ignore[misc]
        assert acknowledged == list(range(first, first + len(acknowledged)))
        number = first + len(acknowledged)  # of which nobody knows how far it has come
        for one in acknowledged:
            known.update(dict.fromkeys(of_write(one), one))
        reading = Ledger(path).read()
        assert reading.torn <= torn + 1
        torn = reading.torn
        for job in JOBS:
            found = reading.entries[job].runs if job in reading.entries else 0
            assert found in (known[job], number if job in of_write(number) else known[job])
            known[job] = found
            assert found == 0 or reading.entries[job] == entry(job, found)
        before, size = size, Path(path).stat().st_size if number > 1 else 0
        shortened += size < before


def write_on(path: str, first: int, fd: int) -> None:
    book = Ledger(path, long=1000)
    for number in itertools.count(first):
        book.write([entry(job, number) for job in of_write(number)])
        os.write(fd, COUNT.pack(number))


def killed_at_random(deed: Callable[[int], None]) -> list[int]:
    """The numbers that were written to a child's descriptor until it was killed."""
    reader, writer = os.pipe()
    pid = in_a_child(lambda: deed(writer))
    os.close(writer)
    # From its birth on, or when it is at it.
    told = os.read(reader, 65536) if random.randrange(4) else b""
    deadline = time.monotonic() + random.uniform(0.0, 0.03)
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reader], [], [], left)[0]:
            told += os.read(reader, 65536)
    os.kill(pid, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    while more := os.read(reader, 65536):
        told += more
    os.close(reader)
    return [one for (one,) in COUNT.iter_unpack(told)]


# Full


def fill(book: Ledger) -> dict[str, Entry]:
    """Writes until it is refused; all that was acknowledged."""
    known: dict[str, Entry] = book.read().entries
    for number in itertools.count(1):
        entries = [entry(job, number) for job in JOBS[: 1 + number % 7]]
        try:
            book.write(entries)
        except Unavailable as error:
            assert "No space left" in str(error) or "File too large" in str(error), error
            return known
        known.update({one.job: one for one in entries})
    raise AssertionError


def on_a_small_disk(directory: str) -> None:
    """In a namespace of its own (mount_namespaces(7))."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", directory], check=True)
    room = Path(directory) / "something else"
    for pages in range(1, 40, 3):
        path = Path(directory) / "state" / f"jobs {pages}"
        book = Ledger(str(path), long=1 << 20)
        book.write([entry("first", 1)])
        room.write_bytes(b"x" * 4096 * pages)
        known = fill(book)
        size = path.stat().st_size
        for _ in range(3):  # it stays as it was
            assert book.read() == Reading(known)
            with pytest.raises(Unavailable, match="No space left"):
                book.write([entry(job, 99) for job in JOBS])
            assert path.stat().st_size == size
        room.unlink()
        book.write([entry("first", 2)])
        assert Ledger(str(path)).read() == Reading({**known, "first": entry("first", 2)})
        path.unlink()
    # One that is long is shortened where there is room for both, and else is not.
    path = Path(directory) / "state" / "jobs"
    book = Ledger(str(path), long=1000)
    book.write([entry("first", 1)])
    room.write_bytes(b"x" * (256 * 1024 - 3 * 4096 - 8192))
    known = fill(book)
    assert book.read() == Reading(known)
    room.unlink()
    assert book.read() == Reading(known)
    # Read-only, and no longer.
    subprocess.run(["mount", "-o", "remount,ro", directory], check=True)
    with pytest.raises(Unavailable, match=r"can not write .*: Read-only file system"):
        book.write([entry("first", 3)])
    with pytest.raises(Unavailable, match=r"can not write .*: Read-only file system"):
        Ledger(f"{directory}/another/jobs").write([entry("first", 3)])
    assert book.read() == Reading(known)
    subprocess.run(["mount", "-o", "remount,rw", directory], check=True)
    book.write([entry("first", 3)])
    assert book.read() == Reading({**known, "first": entry("first", 3)})


ALONE = ["unshare", "--map-root-user", "--mount"]


@pytest.mark.skipif(
    subprocess.run([*ALONE, "true"], capture_output=True).returncode != 0, reason="unshare(1) may not"
)
def test_nothing_counts_that_a_full_or_read_only_disk_refuses_and_it_goes_on_when_it_may(
    tmp_path: Path,
) -> None:
    here = [sys.executable, "-m", "tests.process.test_ledger", str(tmp_path)]
    done = subprocess.run([*ALONE, *here], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_counts_of_which_only_a_part_may_be_written(tmp_path: Path) -> None:
    def deed() -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        for limit in range(3000, 4000, 37):
            book = Ledger(str(tmp_path / f"jobs {limit}"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            known = fill(book)
            assert book.read() == Reading(known)
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            book.write([entry("last", 1)])
            assert book.read() == Reading({**known, "last": entry("last", 1)})

    assert ends_well(in_a_child(deed))


# Nobody's


def test_who_may_not_write_or_read_is_told_why(tmp_path: Path) -> None:
    path = tmp_path / "state" / "jobs"
    Ledger(str(path)).write([entry("first", 1)])

    def deed() -> None:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
        else:
            path.chmod(0)
        book = Ledger(str(path))
        with pytest.raises(Unavailable, match=f"can not write {path}: Permission denied"):
            book.write([entry("first", 2)])
        with pytest.raises(Unavailable, match=f"can not read {path}: Permission denied"):
            book.read()

    assert ends_well(in_a_child(deed))
    path.chmod(0o600)
    assert Ledger(str(path)).read() == Reading({"first": entry("first", 1)})


if __name__ == "__main__":
    on_a_small_disk(sys.argv[1])
