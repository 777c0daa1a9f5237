"""Shared memory in which each worker says what it does: one slot a child, one writer a slot.

The master and any tool that maps the file read it; they never wait for a worker.

The master sleeps while nobody has anything to do, and says so in the header: whoever begins a request then
wakes it. Nothing here decides anything.
"""

import mmap
import os
import struct

from .errors import Unavailable
from .slot import SLEEPS, SLOT_SIZE, USED, Slot

MAGIC = b"cornboard\x00\x00\x04"
HEADER_SIZE = 256


class Scoreboard:
    """The whole page: made by the master, mapped by its children through the same file descriptor."""

    def __init__(self, fd: int, wake_fd: int = -1) -> None:
        """`wake_fd` wakes the master; who only reads needs none."""
        self.fd = fd
        self.wake_fd = wake_fd
        size = os.fstat(fd).st_size
        self._map = mmap.mmap(fd, size)
        magic, self.count = struct.unpack_from("=12sI", self._map)
        if magic != MAGIC:
            raise ValueError("not a scoreboard of this version")
        self._view = memoryview(self._map)
        self.header = self._view[:HEADER_SIZE].cast("Q")
        self._all_words = self._view[HEADER_SIZE : HEADER_SIZE + self.count * SLOT_SIZE].cast("Q")

    @classmethod
    def create(cls, count: int, path: str | None = None) -> "Scoreboard":
        """A new page with `count` slots: at `path`, so that tools find it, or without a name.

        A file of the same name, left by an earlier master, is replaced and not written over: a child of
        that master may still write there. Raises Unavailable when there is no room for it.
        """
        size = HEADER_SIZE + count * SLOT_SIZE
        try:
            if path is None:
                fd = os.memfd_create("corn-scoreboard", os.MFD_CLOEXEC)
            else:
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    pass
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            _fill(fd, size, path)
            wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError as error:
            where = path or "in memory"
            raise Unavailable(
                f"can not make the scoreboard {where}: {error.strerror}; its file system must have "
                f"{-(-size // 1024)} KiB free and be writable: df -h, df -i"
            ) from error
        os.pwrite(fd, struct.pack("=12sI", MAGIC, count), 0)
        return cls(fd, wake_fd)

    def sleeps(self, yes: bool) -> None:
        """The master says whether it must be woken by the next request."""
        self.header[SLEEPS] = yes

    @property
    def used(self) -> int:
        """How many slots have ever been claimed, the first ones."""
        return int(self.header[USED])

    def column(self, word: int) -> list[int]:
        """One word of all slots that have ever been claimed, by their numbers: 10 ns each."""
        words = SLOT_SIZE // 8
        return self._all_words[word : self.used * words : words].tolist()

    def slot(self, number: int) -> Slot:
        """The slot `number`, 0 ≤ number < count."""
        if not 0 <= number < self.count:
            raise IndexError(f"no slot {number} of {self.count}")
        start = HEADER_SIZE + number * SLOT_SIZE
        return Slot(self, number, self._view[start : start + SLOT_SIZE])


def _fill(fd: int, size: int, path: str | None) -> None:
    """Gives the file all its pages now: one that the kernel finds no room for later is SIGBUS for whoever
    writes it. What did not get them is removed."""
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError:
        os.close(fd)
        if path is not None:
            os.unlink(path)
        raise
