"""Which connections a worker has, in memory that the master can read when the worker can not answer it.

Two bytes for each descriptor, and a line of text for those that were introduced by a proxy. The worker writes
the first, the master the second, that it has taken one, and only while the worker is stopped (SIGSTOP): who
puts down what he is about to do before he looks at the other's byte can not miss it. Decides nothing.
"""

import fcntl
import mmap
import os
import resource
from collections.abc import Iterator

from .errors import Unavailable

# Descriptors beyond it are on no roster: their connections are given by the worker itself, or not at all.
SIZE_MAX = 65536
_TEXT_SIZE = 128
_ROW = 2 + _TEXT_SIZE

# A byte is 0 for no connection, else the number of its door + 1, with HELD where a part of a request or of an
# answer is in the worker's own memory. Byte 0, no client's, is set when the master has taken some.
HELD = 0x80
DOOR_MAX = 0x7E
HAS_TAKEN = 0
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
_FREE = bytes(range(1, DOOR_MAX + 1))


class Roster:
    """A worker's own, or the master's view of it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = os.fstat(fd).st_size // _ROW
        self.marks = mmap.mmap(fd, self.size * _ROW)
        """A byte for each descriptor, then another for each that was taken, then their texts."""

    @classmethod
    def create(cls) -> "Roster":
        """Raises Unavailable. Only pages that are used take memory: one for each 4,096 descriptors."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        size = SIZE_MAX if limit == resource.RLIM_INFINITY else min(limit, SIZE_MAX)
        try:
            fd = os.memfd_create("corn-roster", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(fd, size * _ROW)
            # Who maps it can rely on it: memory that is cut off would be SIGBUS for the master.
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            return cls(fd)
        except OSError as error:
            raise Unavailable(f"no roster: {error.strerror}") from error

    @classmethod
    def of(cls, fd: int) -> "Roster | None":
        """The roster of another process; None, and the descriptor closed, if it is none."""
        try:
            if fcntl.fcntl(fd, fcntl.F_GET_SEALS) == _SEALS:
                return cls(fd)
        except (OSError, ValueError):
            pass
        os.close(fd)
        return None

    # The worker's.

    def enter(self, fd: int, door: int, is_held: bool = False) -> None:
        """A connection that came in by the door of this number; all its bytes are the kernel's, or not."""
        if fd < self.size:
            # In this order, and the mark as a whole: from then on the master may take it.
            self.marks[self.size + fd] = 0
            self.marks[fd] = HELD if is_held or door >= DOOR_MAX else door + 1

    def hold(self, fd: int) -> None:
        """A part of it is in memory here from now on."""
        if fd < self.size:
            self.marks[fd] |= HELD

    def release(self, fd: int, door: int) -> None:
        """Nothing of it is here any more."""
        self.enter(fd, door)

    def introduce(self, fd: int, text: str) -> bool:
        """Whom the peer speaks for, where it has said so once for the whole connection; False if there is no
        room for it."""
        line = text.encode("latin-1")
        if fd >= self.size or len(line) >= _TEXT_SIZE:
            return False
        start = self._text_at(fd)
        self.marks[start : start + len(line) + 1] = line + b"\0"
        return True

    def leave(self, fd: int) -> None:
        if fd < self.size:
            self.marks[fd] = 0

    def is_held(self, fd: int) -> bool:
        """Whether a part of it is in memory here, or nobody has written that down."""
        return fd >= self.size or self.marks[fd] & HELD != 0

    def is_taken(self, fd: int) -> bool:
        return fd < self.size and self.marks[self.size + fd] != 0

    # The master's.

    def free(self) -> Iterator[tuple[int, int, str]]:
        """(descriptor, door, introduction) of the connections that anybody could serve."""
        flags = self.marks[: self.size].rstrip(b"\0")
        taken = self.marks[self.size : self.size + len(flags)]
        for fd in range(1, len(flags)):
            if 0 < flags[fd] <= DOOR_MAX and not taken[fd]:
                start = self._text_at(fd)
                text = self.marks[start : start + _TEXT_SIZE].partition(b"\0")[0]
                yield fd, flags[fd] - 1, text.decode("latin-1")

    def count(self, but: int) -> tuple[int, int]:
        """(the connections, those of them of which the worker holds a part), without the one at `but`."""
        flags = self.marks[: self.size].rstrip(b"\0")
        taken = self.marks[self.size : self.size + len(flags)]
        here = bytes(
            flag for fd, flag in enumerate(flags) if flag and not taken[fd] and fd not in (HAS_TAKEN, but)
        )
        return len(here), len(here.translate(None, _FREE))

    def take(self, fds: list[int]) -> None:
        """These are no longer the worker's, which is stopped and will see that the first byte is set."""
        for fd in fds:
            self.marks[self.size + fd] = 1
        self.marks[HAS_TAKEN] = 1

    def _text_at(self, fd: int) -> int:
        return 2 * self.size + fd * _TEXT_SIZE

    def close(self) -> None:
        self.marks.close()
        os.close(self.fd)
