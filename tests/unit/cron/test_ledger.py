"""The ledger, and all that may become of its file: cut, bent, too long, or interrupted at any step."""

import errno
import itertools
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corn_systemd.cron.agenda import Agenda
from corn_systemd.cron.events import Past
from corn_systemd.cron.ledger import Entry, LastRun, Ledger, Reading, as_line, claimed, entry_of, read
from corn_systemd.errors import Unavailable
from corn_systemd.settings.kinds import Job

NOON = 1767268800.0
LAST = LastRun(NOON - 60, NOON - 59.5, NOON - 30, "failed", 29.5, 1.25, 3 << 40, "ValueError: naïve \udcff\n")
FULL = Entry("clear", Past(NOON, "17 3 * * * Europe/Paris", True, 2, True, NOON, NOON + 60), NOON, 7, 2, LAST)
OTHER = Entry("mail", Past(NOON - 1))


def sealed(text: str) -> bytes:
    """A line that somebody has written with intent."""
    return b"\n%08x %s\n" % (zlib.crc32(text.encode()), text.encode())


def altered(change: Callable[[dict[str, Any]], object]) -> bytes:
    table = asdict(FULL)
    change(table)
    return sealed(json.dumps(table))


@pytest.fixture
def book(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "state" / "jobs"))


# What it says


@pytest.mark.parametrize("entry", [FULL, OTHER, Entry("", Past())])
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    assert read(as_line(entry)) == Reading({entry.job: entry})
    assert entry_of(json.loads(json.dumps(asdict(entry)))) == entry


def test_the_last_line_of_a_job_counts() -> None:
    later = replace(FULL, runs=8)
    assert read(as_line(FULL) + as_line(OTHER) + as_line(later)).entries == {"clear": later, "mail": OTHER}


def test_a_claimed_run_lasts_and_does_not_wait_any_more() -> None:
    assert claimed(FULL, NOON + 60).past == replace(FULL.past, running=NOON + 60, waiting=None)
    assert claimed(FULL, NOON + 30).past == replace(FULL.past, running=NOON + 30)


def test_what_a_later_corn_has_added_is_left_out() -> None:
    def change(table: dict[str, Any]) -> None:
        table["colour"] = table["past"]["depth"] = table["last"]["watts"] = {"new": [1]}

    assert read(altered(change)) == Reading({"clear": FULL})


def test_what_an_earlier_corn_did_not_know_is_as_if_nothing_were_known() -> None:
    assert read(sealed('{"job": "mail", "past": {"mark": 5}}')).entries == {"mail": Entry("mail", Past(5))}


def test_a_run_may_have_given_back_more_memory_than_it_has_taken() -> None:
    entry = replace(FULL, last=replace(LAST, memory=-4096))
    assert read(as_line(entry)) == Reading({"clear": entry})


# Torn


def test_a_file_cut_anywhere_says_what_was_before_the_last_write_or_after_it() -> None:
    before = as_line(OTHER) + as_line(FULL)
    newer = replace(FULL, runs=8, last=None)
    whole = before + as_line(newer)
    for length in range(len(before), len(whole) + 1):
        reading = read(whole[:length])
        is_written = length >= len(whole) - 1  # all but the newline
        assert reading.entries == {"mail": OTHER, "clear": newer if is_written else FULL}
        assert reading.torn == (not is_written and length > len(before) + 1), length


def test_a_file_cut_anywhere_never_says_what_was_never_written() -> None:
    states = [replace(FULL, runs=runs) for runs in range(3)]
    whole = b"".join(map(as_line, states))
    for length in range(len(whole)):
        entries, torn = read(whole[:length]).entries, read(whole[:length]).torn
        assert entries.get("clear") in (None, *states)
        assert torn <= 1


def test_what_follows_a_torn_line_counts_wherever_it_is_torn() -> None:
    line, after = as_line(FULL), as_line(OTHER)
    for length in range(2, len(line) - 1):
        assert read(line[:length] + after) == Reading({"mail": OTHER}, torn=1), length


def test_a_bent_bit_is_told_and_takes_no_other_line_along() -> None:
    lines = [as_line(replace(OTHER, job=name)) for name in ("a", "b", "c")]
    whole, start = b"".join(lines), len(lines[0])
    for place in range(start, start + len(lines[1])):
        for bit in range(8):
            bent = bytearray(whole)
            bent[place] ^= 1 << bit
            reading = read(bytes(bent))
            assert reading.torn, (place, bit)
            assert {"a", "c"} <= reading.entries.keys() <= {"a", "b", "c"}
            assert all(entry == replace(OTHER, job=name) for name, entry in reading.entries.items())


def test_what_the_disk_makes_of_a_length_without_its_bytes_is_one_torn_line() -> None:
    assert read(as_line(FULL) + bytes(4096) + as_line(OTHER)) == Reading(
        {"clear": FULL, "mail": OTHER}, torn=1
    )


@pytest.mark.parametrize(
    "line",
    [
        b"junk\n",
        b"\n\xff\xfe\n",
        sealed(""),
        sealed("null"),
        sealed("[]"),
        sealed("7"),
        sealed('"job"'),
        sealed("{}"),
        sealed('{"job": "mail"}'),
        sealed('{"past": {}}'),
        sealed('{"job": "mail", "past": null}'),
        sealed('{"job": "mail", "past": []}'),
        sealed("[" * 100_000),
        sealed('{"job": "mail", "past": {"mark": ' + "9" * 10_000 + "}}"),
        sealed('{"job": "mail", "past": {}, "last": 0}'),
        sealed('{"job": "mail", "past": {}, "last": {}}'),
    ],
    ids=lambda line: repr(line[:45]),
)
def test_what_is_no_entry_is_torn(line: bytes) -> None:
    assert read(as_line(FULL) + line + as_line(OTHER)) == Reading({"clear": FULL, "mail": OTHER}, torn=1)


ODD = [None, True, False, -1, 0, 1, 1.5, -0.5, 1e12, 1e300, 10**18, 1 << 64, 10**400,
       float("nan"), float("inf"), float("-inf"), "", "x", "5", [], [5.0], {}, {"mark": 5.0}]  # fmt: skip
FIELDS = [
    *(("past", name) for name in asdict(FULL.past)),
    *(("last", name) for name in asdict(LAST)),
    *((name,) for name in asdict(FULL)),
]


@pytest.mark.parametrize("where", FIELDS, ids="-".join)
def test_a_field_holds_what_it_may_hold_or_its_line_is_torn(where: tuple[str, ...]) -> None:
    taken = 0
    for odd in ODD:

        def change(table: dict[str, Any], odd: Any = odd) -> None:
            *above, name = where
            (table[above[0]] if above else table)[name] = odd

        reading = read(altered(change))
        assert len(reading.entries) + reading.torn == 1
        for entry in reading.entries.values():
            taken += 1
            sanely_typed(entry)
            # Whoever reads it reckons with it, and writes it again.
            assert read(as_line(entry)) == Reading({entry.job: entry})
    assert taken < len(ODD)


def sanely_typed(entry: Entry) -> None:
    past, last = entry.past, entry.last
    assert isinstance(entry.job, str) and isinstance(past, Past)
    assert type(past.is_asleep) is bool and type(past.is_paused) is bool and isinstance(past.rhythm, str)
    counts = [entry.runs, entry.failures, past.failures]
    instants = [entry.began_at, past.mark, past.running, past.waiting]
    if last is not None:
        assert isinstance(last, LastRun) and isinstance(last.outcome, str) and isinstance(last.detail, str)
        assert type(last.memory) is int and -(1 << 63) <= last.memory < 1 << 63
        instants += [last.at, last.began_at, last.ended_at, last.real, last.cpu]
        assert None not in instants[4:]
    assert all(type(count) is int and 0 <= count < 1 << 63 for count in counts)
    assert all(at is None or (type(at) in (int, float) and 0 <= at < 3e11) for at in instants)


INSTANTS = st.none() | st.floats(0, 2.4e11) | st.integers(0, 2 * 10**11)


@settings(deadline=None, max_examples=200)
@given(
    st.builds(
        Past,
        mark=INSTANTS,
        rhythm=st.sampled_from(["", "17 3 * * *", "90.0"]),
        is_asleep=st.booleans(),
        failures=st.integers(0, (1 << 63) - 1),
        is_paused=st.booleans(),
        running=INSTANTS,
        waiting=INSTANTS,
    )
)
def test_an_agenda_can_be_made_of_whatever_is_read(past: Past) -> None:
    jobs = [
        Job("clear", "a:b", schedule="17 3 * * *"),
        Job("mail", "a:b", every=90.0, overlap="queue", jitter=30.0),
    ]
    content = b"".join(as_line(Entry(job.name, past)) for job in jobs)
    reading = read(content)
    assert not reading.torn
    pasts = {name: entry.past for name, entry in reading.entries.items()}
    agenda = Agenda(jobs, pasts, NOON)
    agenda.due(NOON)
    assert agenda.next_at >= 0


# On the disk


def test_nothing_is_known_where_there_is_no_file(book: Ledger) -> None:
    assert book.read() == Reading()


def test_what_is_written_is_read_by_whoever_comes_later(book: Ledger) -> None:
    book.write([FULL])
    book.write([OTHER, replace(FULL, runs=8)])
    assert Ledger(book.path).read() == Reading({"clear": replace(FULL, runs=8), "mail": OTHER})


def test_what_is_behind_a_torn_line_is_written_apart_from_it(book: Ledger) -> None:
    book.write([OTHER])
    line = as_line(FULL)
    for length in range(2, len(line) - 1, 7):
        with open(book.path, "wb") as file:
            file.write(as_line(OTHER) + line[:length])
        Ledger(book.path).write([replace(FULL, runs=8)])
        assert read(Path(book.path).read_bytes()) == Reading(
            {"mail": OTHER, "clear": replace(FULL, runs=8)}, torn=1
        )


def test_a_torn_line_is_told_once(book: Ledger) -> None:
    book.write([FULL, OTHER])
    with open(book.path, "ab") as file:
        file.write(as_line(FULL)[:40])
    earlier = Ledger(book.path)
    assert earlier.read() == Reading({"clear": FULL, "mail": OTHER}, torn=1)
    earlier.write([replace(FULL, runs=8)])
    assert Ledger(book.path).read() == Reading({"clear": replace(FULL, runs=8), "mail": OTHER})


def test_a_torn_line_of_which_nobody_has_been_told_stays(book: Ledger) -> None:
    book.write([FULL])
    with open(book.path, "ab") as file:
        file.write(as_line(FULL)[:40])
    book.write([OTHER])
    assert Ledger(book.path).read().torn == 1


def test_a_file_that_has_been_removed_is_made_again(book: Ledger) -> None:
    book.write([FULL])
    Path(book.path).unlink()
    Path(book.path).parent.rmdir()
    book.write([OTHER])
    assert book.read() == Reading({"mail": OTHER})


def test_a_long_file_is_written_anew_with_all_that_counts(tmp_path: Path) -> None:
    book = Ledger(str(tmp_path / "jobs"), long=4000)
    sizes = []
    for runs in range(100):
        book.write([replace(OTHER, job=f"job {runs % 3}", runs=runs)])
        sizes.append(Path(book.path).stat().st_size)
        known = {f"job {n % 3}": n for n in range(runs + 1)}
        assert {name: entry.runs for name, entry in book.read().entries.items()} == known
    assert max(sizes) < 5000
    assert sum(later < sooner for sooner, later in itertools.pairwise(sizes)) > 1
    assert Path(book.path).stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [Path(book.path)]


def test_a_file_that_must_be_long_is_not_read_again_and_again(tmp_path: Path) -> None:
    class Counting(Ledger):
        readings = 0

        def read(self) -> Reading:
            self.readings += 1
            return super().read()

    book = Counting(str(tmp_path / "jobs"), long=4000)
    many = [replace(OTHER, job=f"job {number}") for number in range(100)]
    book.write(many[:1])
    inode = Path(book.path).stat().st_ino
    for number in range(500):
        book.write(many[1:] if not number else many[:1])
    assert book.readings < 5
    assert Path(book.path).stat().st_ino == inode, "written anew, and hardly shorter"
    assert len(book.read().entries) == 100


def test_what_can_not_be_shortened_goes_on_growing(tmp_path: Path) -> None:
    book = Ledger(str(tmp_path / "jobs"), long=1000)
    (tmp_path / "jobs.new").mkdir()
    for runs in range(100):
        book.write([replace(OTHER, runs=runs)])
    assert book.read() == Reading({"mail": replace(OTHER, runs=99)})
    assert Path(book.path).stat().st_size > 10_000


@pytest.mark.parametrize("path", ["/proc/nowhere/jobs", "/dev/null/jobs"])
def test_what_can_not_be_written_is_unavailable_and_says_why(path: str) -> None:
    with pytest.raises(Unavailable, match=rf"can not write {path}: [NF]"):
        Ledger(path).write([FULL])


def test_what_can_not_be_read_is_unavailable_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"can not read {tmp_path}: Is a directory"):
        Ledger(str(tmp_path)).read()


# Interrupted


class Ends(BaseException):
    """What SIGKILL is to a process: nothing is done about it."""


class Disk:
    """Sees what the ledger asks of the system, may let it end at one step or have it refused, and knows what
    a power loss would leave: of a file what it held when it was synced, of a name all that it may stand for
    since its directory was."""

    STEPS = ("open", "write", "fsync", "rename", "ftruncate", "mkdir")

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.steps: list[str] = []
        self.fate: Callable[[int], BaseException | None] = lambda _number: None
        self.synced: dict[int, bytes] = {}
        self.names: dict[Path, set[int]] = {}
        deeds = {name: getattr(os, name) for name in self.STEPS}
        deeds["fsync"] = lambda _fd: None  # a real one takes its time, and adds nothing here
        for name, deed in deeds.items():
            patch.setattr(os, name, self._seen(name, deed))

    def _seen(self, name: str, deed: Callable[..., Any]) -> Callable[..., Any]:
        def seen(*arguments: Any, **options: Any) -> Any:
            self.steps.append(name)
            if (end := self.fate(len(self.steps) - 1)) is not None:
                if name == "write":  # a part of it is there all the same
                    deed(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise end
            result = deed(*arguments, **options)
            if name == "fsync":
                self._sync(Path(f"/proc/self/fd/{arguments[0]}").resolve())
            self._look()
            return result

        return seen

    def _sync(self, path: Path) -> None:
        if path != self.home and self.home not in path.parents:
            return
        if path.is_dir():
            for each in path.iterdir():
                self.names[each] = {each.stat().st_ino}
        else:
            self.synced[path.stat().st_ino] = path.read_bytes()

    def _look(self) -> None:
        for each in self.home.rglob("*"):
            self.names.setdefault(each, {0}).add(each.stat().st_ino)

    def anew(self, home: Path) -> Path:
        """Nothing has happened yet, in a new directory; the path of a ledger in it."""
        self.fate = lambda _number: None
        home.mkdir(exist_ok=True)
        self.home = home
        self.steps.clear()
        self.synced.clear()
        self.names.clear()
        return home / "var" / "lib" / "jobs"

    def survivors(self, path: Path) -> Iterator[bytes]:
        """What the file may hold after a power loss now; empty where there may be none."""
        above = [one for one in path.parents if self.home in one.parents]
        if any(0 in self.names.get(one, {0}) for one in above):
            yield b""
        for inode in self.names.get(path, {0}):
            yield self.synced.get(inode, b"")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def story(path: str) -> Iterator[Entry]:
    """Writes, the last of them shortens; yields what has been written."""
    book = Ledger(path, long=1000)
    for runs in range(1, 11):
        entry = replace(OTHER, runs=runs)
        book.write([entry])
        yield entry
    assert Path(path).stat().st_size < 1000


def runs_in(reading: Reading) -> int:
    return reading.entries["mail"].runs if reading.entries else 0


def test_all_that_is_written_survives_a_power_loss_at_any_step(tmp_path: Path, disk: Disk) -> None:
    path = disk.anew(tmp_path / "home")
    sworn = 0
    lost: list[tuple[int, Reading]] = []

    def look(_number: int) -> None:
        for content in disk.survivors(path):
            reading = read(content)
            if reading.torn or not sworn <= runs_in(reading) <= sworn + 1:
                lost.append((sworn, reading))

    disk.fate = look
    for entry in story(str(path)):
        sworn = entry.runs
        look(0)
    assert "rename" in disk.steps
    assert not lost


def test_what_is_written_survives_a_power_loss_after_the_file_was_removed(tmp_path: Path, disk: Disk) -> None:
    path = disk.anew(tmp_path / "home")
    book = Ledger(str(path))
    book.write([OTHER])
    path.unlink()
    disk.anew(tmp_path / "home")  # as nothing is synced any more
    book.write([FULL])
    assert set(disk.survivors(path)) == {path.read_bytes()}


def test_who_comes_after_a_process_that_has_ended_at_any_step_survives_a_power_loss(
    tmp_path: Path, disk: Disk
) -> None:
    list(story(str(disk.anew(tmp_path / "first"))))
    for last in range(len(disk.steps) + 3):
        path = disk.anew(tmp_path / f"ended {last}")
        disk.fate = lambda number, last=last: Ends() if number == last else None  # type: ignore[misc]
        sworn = 0
        try:
            for entry in story(str(path)):
                sworn = entry.runs
        except Ends:
            pass
        disk.fate = lambda _number: None
        known = Ledger(str(path)).read()
        assert known.torn <= 1
        assert sworn <= runs_in(known) <= sworn + 1
        successor = Ledger(str(path), long=1000)
        successor.write([replace(OTHER, runs=50)])
        for content in disk.survivors(path):
            assert read(content).entries == {"mail": replace(OTHER, runs=50)}, disk.steps


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_what_is_refused_at_any_step_does_not_count_and_goes_when_it_may(
    tmp_path: Path, disk: Disk, number: int
) -> None:
    list(story(str(disk.anew(tmp_path / "first"))))
    refusals = 0
    for last in range(len(disk.steps) + 3):
        path = disk.anew(tmp_path / f"refused {last}")
        disk.fate = lambda step, last=last: OSError(number, os.strerror(number)) if step == last else None  # type: ignore[misc]
        book = Ledger(str(path), long=1000)
        sworn = 0
        for runs in range(1, 11):
            entry = replace(OTHER, runs=runs)
            try:
                book.write([entry])
                sworn = runs
            except Unavailable as error:
                refusals += 1
                assert os.strerror(number) in str(error)
                reading = read(path.read_bytes() if path.exists() else b"")
                assert reading.torn == 0
                assert runs_in(reading) == sworn
                book.write([entry])
                sworn = runs
            assert sworn == runs
        for content in disk.survivors(path):
            assert read(content) == Reading({"mail": replace(OTHER, runs=10)})
    assert refusals >= 25, "most of them are to be heard of"
