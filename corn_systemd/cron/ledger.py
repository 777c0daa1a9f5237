"""What is known of each job, on the disk: a file that survives SIGKILL and power loss at any moment.

One line holds all that is known of one job, with a checksum; the last good line of a job counts. A line is
only ever appended, and is on the disk (fsync(2)) when write() returns: the clerk writes the claim of a run
before it begins. A line that a crash has torn is found by its checksum and told, and takes nothing else
along. What a line says is taken for what it may be, never for more: the master reckons with it.
"""

import errno
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from ..errors import Unavailable
from .events import Past

# A file that is longer, and eight times as long as it would be anew, is written anew.
_LONG = 1 << 18
# Instants and durations are below it: a year that the calendar still knows.
_FAR = 2.5e11
# What JSON has made of a field.
_TYPES: dict[Any, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    int: (int,),
    float: (float, int),
    float | None: (float, int, type(None)),
}


@dataclass(frozen=True)
class LastRun:
    """The last run of a job that has ended: when it was due, when it began and ended (seconds since 1970),
    how, and what it took: seconds, seconds of CPU time, bytes of memory (less than none: given back)."""

    at: float
    began_at: float
    ended_at: float
    outcome: str
    """"done", "failed" or "killed"."""
    real: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    detail: str = ""
    """What it failed of, in a line."""


@dataclass(frozen=True)
class Entry:
    """What is known of one job."""

    job: str
    past: Past
    began_at: float | None = None
    """When the run that lasts has begun."""
    runs: int = 0
    """How many have ended."""
    failures: int = 0
    """How many of them not well."""
    last: LastRun | None = None


_Kind = TypeVar("_Kind", Entry, Past, LastRun)


@dataclass(frozen=True)
class Reading:
    """All entries by the names of their jobs, and how many lines were torn."""

    entries: dict[str, Entry] = field(default_factory=dict)
    torn: int = 0


def claimed(entry: Entry, at: float) -> Entry:
    """The same, with the run that was due at `at` begun."""
    past = entry.past
    return replace(
        entry, past=replace(past, running=at, waiting=None if past.waiting == at else past.waiting)
    )


def as_line(entry: Entry) -> bytes:
    """A line of the file, with its checksum. It begins with a newline too: what is before may be torn."""
    text = json.dumps(asdict(entry), separators=(",", ":")).encode()
    return b"\n%08x %s\n" % (zlib.crc32(text), text)


def read(content: bytes) -> Reading:
    """What the file says."""
    entries: dict[str, Entry] = {}
    torn = 0
    for line in filter(None, content.split(b"\n")):
        checksum, _, text = line.partition(b" ")
        try:
            if checksum != b"%08x" % zlib.crc32(text):
                raise ValueError
            entry = entry_of(json.loads(text))
        except (ValueError, RecursionError):
            torn += 1
        else:
            entries[entry.job] = entry
    return Reading(entries, torn)


def entry_of(value: object) -> Entry:
    """The entry that asdict() has made a table of. What a later corn has added is left out. Raises ValueError
    where something is missing, or is not what it may be."""
    return _made(Entry, value)


def _made(kind: type[_Kind], value: object) -> _Kind:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    there = [one for one in fields(kind) if one.name in value]
    given = {one.name: _item(one.name, one.type, value[one.name]) for one in there}
    try:
        return kind(**given)
    except TypeError as error:  # it lacks one
        raise ValueError(str(error)) from None


def _item(name: str, kind: Any, item: Any) -> Any:
    if kind is Past:
        return _made(Past, item)
    if kind == LastRun | None:
        return None if item is None else _made(LastRun, item)
    is_fit = type(item) in _TYPES[kind]
    if isinstance(item, (int, float)):
        most = 1 << 63 if kind is int else _FAR
        # A run may give back more memory than it has taken. NaN is not in it, either.
        is_fit = is_fit and (-most if name == "memory" else 0) <= item < most
    if not is_fit:
        raise ValueError(f"{item!r} where there should be {kind}")
    return item


class Ledger:
    """The file at `path`; it is made, with its directory, when it is first written. One process writes it."""

    def __init__(self, path: str, long: int = _LONG) -> None:
        self.path = path
        self._directory = os.path.dirname(os.path.abspath(path))
        self._long = self._shorten_at = long
        self._is_named = False

    def read(self) -> Reading:
        """All that is written; nothing when there is no file. Raises Unavailable when it can not be read."""
        try:
            with open(self.path, "rb") as file:
                reading = read(file.read())
        except FileNotFoundError:
            return Reading()
        except OSError as error:
            raise Unavailable(f"can not read {self.path}: {error.strerror}") from error
        if reading.torn:
            self._shorten_at = 0  # so that what is told now is not told again and again
        return reading

    def write(self, entries: Iterable[Entry]) -> None:
        """Appends what is known of some jobs; it is on the disk when this returns. Raises Unavailable, and
        then nothing of it counts."""
        data = b"".join(map(as_line, entries))
        try:
            if not os.path.exists(self.path):
                self._is_named = False
                os.makedirs(self._directory, 0o750, exist_ok=True)
            fd = _open(self.path, os.O_APPEND)
            try:
                # Who made the file may have ended before its name was on the disk.
                self._sync_name()
                size = _append(fd, data)
            finally:
                os.close(fd)
        except OSError as error:
            raise Unavailable(f"can not write {self.path}: {error.strerror}") from error
        if size > self._shorten_at:
            self._shorten(size)

    def _sync_name(self) -> None:
        if not self._is_named:
            _sync_names(self._directory)
            self._is_named = True

    def _shorten(self, size: int) -> None:
        """Writes the file anew with what counts; where that does not go, it stays as long as it is."""
        fresh, again_at = f"{self.path}.new", 2 * size
        try:
            reading = self.read()
            data = b"".join(map(as_line, reading.entries.values()))
            again_at = max(self._long, 8 * len(data))
            if reading.torn or size >= again_at:
                fd = _open(fresh, os.O_TRUNC)
                try:
                    _append(fd, data)
                finally:
                    os.close(fd)
                self._is_named = False
                os.rename(fresh, self.path)
                self._sync_name()
        except (OSError, Unavailable):
            again_at = 2 * size
        # All of it has been read: not with each line.
        self._shorten_at = again_at


def _open(path: str, flags: int) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o640)


def _append(fd: int, data: bytes) -> int:
    """Adds all of it, or nothing, and has it on the disk; the length of the file."""
    end = os.fstat(fd).st_size
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    except OSError:
        # A full disk may have taken half of it; what was not sworn to must not count later.
        os.ftruncate(fd, end)
        os.fsync(fd)
        raise
    return end + len(data)


def _sync_names(directory: str) -> None:
    """A new name is on the disk only with its directory, whose own name may be as new, and so on; what is
    above, and no affair of ours, may refuse."""
    _sync_directory(directory)
    try:
        while directory != os.path.dirname(directory):
            directory = os.path.dirname(directory)
            _sync_directory(directory)
    except OSError:
        pass


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        # Some file systems have no such thing for directories; PostgreSQL takes that for granted as well.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(fd)
