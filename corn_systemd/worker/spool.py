"""Files without a name, for bytes that nobody has asked for yet: bodies too long for memory, and answers.

They lie where they are told to, on a real disk: a tmpfs would be charged to the worker's memory. What they
hold is counted, and told to the other workers. Ends no request.
"""

import errno
import io
import itertools
import os
from collections.abc import Iterable
from typing import IO, Protocol

_numbers = itertools.count()


class Tally(Protocol):
    """Where each worker writes how many bytes it has in spools, and can read the sum: a scoreboard.Slot."""

    def spooled(self, size: int) -> None: ...
    def spooled_by_all(self) -> int: ...


class Spools:
    """All spools of a worker: where they lie, what they hold, and whether there is room for more.

    Nobody is asked for room beforehand: each worker looks at the sum of all whenever it has written another
    thousandth of the bound, so that by so much each may go beyond it.
    """

    __slots__ = ("_grown", "_held", "_most", "_step", "_tally", "directory", "in_memory")

    def __init__(self, directory: str, most: int, tally: Tally) -> None:
        """`most` 0: no bound."""
        self.directory = directory
        self._most = most
        self._tally = tally
        self._held = 0
        self.in_memory = 0
        """Bytes of answers that are in no spool, but in the worker's memory."""
        self._step = self._grown = most // 1000

    def open(self) -> "Spool":
        """A new file to write and read; OSError if there is no room."""
        return Spool(open_spool(self.directory), self)

    def count(self, size: int) -> None:
        """So many bytes more, or fewer."""
        self._held += size
        if size > 0:
            self._grown += size
        self._tally.spooled(self._held)

    def ask(self, share: float = 1.0) -> None:
        """Raises OSError when that share of the bound has been reached."""
        if self.are_full(share):
            raise OSError(errno.EDQUOT, "http.spool_max has been reached")

    def are_full(self, share: float = 1.0) -> bool:
        """Whether those of all workers together have reached that share of the bound."""
        if not self._most or self._grown < self._step:
            return False
        if self._tally.spooled_by_all() >= self._most * share:
            return True
        self._grown = 0
        return False


class Spool(io.BufferedRandom):
    """One file. What it holds counts until it is closed."""

    def __init__(self, fd: int, spools: Spools, size: int = 0) -> None:
        """Owns the descriptor of a file that has `size` bytes of ours."""
        self.spools = spools
        self.size = size
        super().__init__(io.FileIO(fd, "r+"))
        if size:
            spools.count(size)

    def add(self, pieces: Iterable[bytes | memoryview]) -> None:
        """Writes behind what is there. Raises OSError when the disk is full."""
        size = 0
        for piece in pieces:
            size += len(piece)
        self.size += size
        self.spools.count(size)
        self.writelines(pieces)

    def append(self, piece: bytes | memoryview) -> None:
        """Writes behind what is there, past the buffer: one system call, and all of it is in the kernel's
        hands. Raises OSError when the disk is full."""
        fd, rest = self.fileno(), memoryview(piece)
        while rest:
            written = os.pwrite(fd, rest, self.size)
            self.size += written
            self.spools.count(written)
            rest = rest[written:]

    def close(self) -> None:
        """Lets go of it; what could not be written before is wanted no more."""
        if not self.closed:
            self.spools.count(-self.size)
            try:
                super().close()
            except OSError:
                # Only the last flush can fail; the file is closed all the same (io.BufferedRandom).
                pass


def open_spool(directory: str) -> int:
    """A descriptor of a new file that vanishes with it; OSError if there is no room.

    Without a directory: /var/tmp, which outlives a boot and is therefore no tmpfs (file-hierarchy(7)).
    """
    directory = directory or os.environ.get("TMPDIR") or "/var/tmp"
    try:
        fd = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except (IsADirectoryError, OSError) as error:
        # Some file systems have no O_TMPFILE (open(2): EOPNOTSUPP, or EISDIR from old kernels).
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise
        path = f"{directory}/corn-{os.getpid()}-{next(_numbers)}-{os.urandom(8).hex()}"
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.unlink(path)
    return fd


def file_in_memory(pieces: Iterable[bytes | memoryview]) -> int:
    """The descriptor of a file that holds the pieces and has no place on a disk; raises OSError."""
    fd = os.memfd_create("corn-bytes", os.MFD_CLOEXEC)
    try:
        with open(fd, "wb", closefd=False) as file:
            file.writelines(pieces)
    except BaseException:
        os.close(fd)
        raise
    return fd


class Body:
    """A request's body while it comes: in memory up to `memory_max` bytes, then in a file."""

    __slots__ = ("_file", "_pieces", "_spools", "memory_max", "size")

    def __init__(self, memory_max: int, spools: Spools) -> None:
        """`memory_max` 0: always in memory."""
        self.memory_max = memory_max
        self._spools = spools
        self.size = 0
        self._pieces: list[bytes] = []
        self._file: Spool | None = None

    def add(self, pieces: list[bytes]) -> None:
        """Raises OSError when the disk, or what may be had of it, is full."""
        for piece in pieces:
            self.size += len(piece)
        if self._file is None:
            self._pieces += pieces
            if not self.memory_max or self.size <= self.memory_max:
                return
            pieces, self._pieces = self._pieces, []
        self._spools.ask()
        if self._file is None:
            self._file = self._spools.open()
        self._file.add(pieces)

    def finish(self) -> IO[bytes]:
        """The whole body, to be read from its start. Raises OSError."""
        if self._file is not None:
            self._file.seek(0)
            return self._file
        return io.BytesIO(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces))

    def pack(self, spare: list[int]) -> list[int]:
        """What has come so far, as the descriptor of a file, or none; raises OSError. What was in memory is
        in a file that is in `spare` too."""
        if self._file is not None:
            self._file.flush()
            return [self._file.fileno()]
        if not self.size:
            return []
        fd = file_in_memory(self._pieces)
        spare.append(fd)
        return [fd]

    def unpack(self, size: int, fds: list[int]) -> None:
        """Goes on where another body has stopped; takes the first of `fds` over, if there is any."""
        self.size = size
        if fds:
            self._file = Spool(fds.pop(0), self._spools, size)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
