"""Files without a name, for bytes that nobody has asked for yet: bodies too long for memory, and answers.

They lie where they are told to, on a real disk: a tmpfs would be charged to the worker's memory. Decides
nothing.
"""

import io
import itertools
import os
from collections.abc import Iterable
from typing import IO

_numbers = itertools.count()


def open_spool(directory: str) -> IO[bytes]:
    """A new file to write and read that vanishes with its last descriptor; OSError if there is no room.

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
    return open(fd, "w+b")


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

    __slots__ = ("_file", "_pieces", "directory", "memory_max", "size")

    def __init__(self, memory_max: int, directory: str) -> None:
        """`memory_max` 0: always in memory."""
        self.memory_max = memory_max
        self.directory = directory
        self.size = 0
        self._pieces: list[bytes] = []
        self._file: IO[bytes] | None = None

    def add(self, pieces: list[bytes]) -> None:
        """Raises OSError when the disk is full."""
        for piece in pieces:
            self.size += len(piece)
        if self._file is not None:
            self._file.writelines(pieces)
            return
        self._pieces += pieces
        if self.memory_max and self.size > self.memory_max:
            self._file = open_spool(self.directory)
            self._file.writelines(self._pieces)
            self._pieces = []

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
            self._file = os.fdopen(fds.pop(0), "r+b")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
