"""Shared memory in which each worker says what it does: one slot a child, one writer a slot.

The master and any tool that maps the file read it; they never wait for a worker and never write into
its slot while it lives. Words are native 64-bit, aligned, stored one at a time: a reader may see an old
word beside a new one, so what must be told apart carries the request's number.

The master sleeps while nobody has anything to do, and says so in the header: whoever begins a request then
wakes it. Nothing here decides anything.
"""

import mmap
import os
import struct
from dataclasses import dataclass
from typing import NamedTuple

from .errors import Unavailable

MAGIC = b"cornboard\x00\x00\x03"
HEADER_SIZE = 256
SLOT_SIZE = 512

# The words of the header behind the magic and the count: whether the master sleeps, and how many slots have
# ever been claimed, so that nobody looks at all of them.
SLEEPS, USED = 2, 3
# The words of a slot. REQUESTS counts begun requests; a request runs while it exceeds ANSWERED. BEGAN_AT and
# WAITED, the sum of what its requests have waited, are seconds as doubles. TURNS counts what the helper
# thread has done for the master, which thereby sees that it can run; WAITING the clients that ask at once;
# SPOOLED the bytes in its spools.
PID, GENERATION, ROLE, STATE = range(4)
REQUESTS, ANSWERED, BEGAN_AT, CPU_NS, CLIENT_FD, HEAD_LEFT, CONNECTIONS, TEXT_LENGTH = range(4, 12)
WAITED, TURNS, WAITING, SPOOLED = range(12, 16)
# What the master writes: the request that has exceeded a limit, what it was allowed and had spent (doubles).
STRUCK, ALLOWED, SPENT = 16, 17, 18
# By how many seconds (a double) its code has put off the deadline of which request.
EXTENDED, EXTENDED_BY = 19, 20
_TEXT_AT = 256
_TEXT_SIZE = SLOT_SIZE - _TEXT_AT

EMPTY, STARTING, READY, DRAINING = range(4)
STATES = ("empty", "starting", "ready", "draining")
ROLES = ("", "http", "cron")


@dataclass(frozen=True)
class SlotView:
    """What one slot said when it was read; `began_at` is monotonic, in seconds."""

    number: int
    pid: int
    generation: int
    role: str
    state: str
    requests: int
    is_busy: bool
    began_at: float
    connections: int
    request: str
    request_id: str
    has_head_left: bool
    waited: float
    """Seconds that its requests have waited for it, all together."""


class Glance(NamedTuple):
    """What the master looks at many times a second."""

    request: int
    """The number of the request that runs, 0 for none."""
    began_at: float
    requests: int
    connections: int
    turns: int
    client_fd: int
    has_head_left: bool
    extended_by: float
    """Seconds by which the code of that request has put off its deadline."""


class Slot:
    """One child's place, written by that child alone. Every method costs a fraction of a microsecond."""

    __slots__ = ("_board", "_header", "_text", "_times", "_words", "number")

    def __init__(self, board: "Scoreboard", number: int, place: memoryview) -> None:
        self.number = number
        self._board = board
        self._words = place[:_TEXT_AT].cast("Q")
        self._times = place[:_TEXT_AT].cast("d")
        self._text = place[_TEXT_AT:]
        self._header = board.header

    def claim(self, pid: int, generation: int, role: str) -> None:
        words = self._words
        for index in range(_TEXT_AT // 8):
            words[index] = 0
        words[GENERATION] = generation
        words[ROLE] = ROLES.index(role)
        words[STATE] = STARTING
        words[PID] = pid
        self._header[USED] = max(self._header[USED], self.number + 1)

    def state(self, state: int) -> None:
        self._words[STATE] = state

    def clear(self) -> None:
        """Leaves the slot empty; for the master, when the child has been reaped."""
        self._words[PID] = 0
        self._words[STATE] = EMPTY
        self._words[SPOOLED] = 0

    def begin(
        self, fd: int, request_id: str, method: str, target: str, now: float, wait: float = 0.0
    ) -> None:
        """The application is about to be called for the client on `fd`, who has waited so long."""
        words, times = self._words, self._times
        line = f"{request_id} {method} {target}".encode("latin-1", "replace")[:_TEXT_SIZE]
        length = len(line)
        self._text[:length] = line
        words[TEXT_LENGTH] = length
        words[CLIENT_FD] = fd
        words[HEAD_LEFT] = 0
        times[BEGAN_AT] = now
        times[WAITED] += wait
        words[REQUESTS] += 1
        if self._header[SLEEPS]:
            self._header[SLEEPS] = 0
            os.eventfd_write(self._board.wake_fd, 1)

    def head_left(self) -> None:
        """The first byte of the answer is about to leave: nobody else may answer now."""
        self._words[HEAD_LEFT] = 1

    def end(self) -> None:
        """The application has returned and its answer is whole."""
        words = self._words
        words[ANSWERED] = words[REQUESTS]

    def connections(self, count: int) -> None:
        self._words[CONNECTIONS] = count

    def turned(self) -> None:
        """The helper thread has had a turn."""
        self._words[TURNS] += 1

    def glance(self) -> Glance:
        words = self._words
        requests = words[REQUESTS]
        return Glance(
            request=requests if requests != words[ANSWERED] else 0,
            began_at=self._times[BEGAN_AT],
            requests=requests,
            connections=words[CONNECTIONS],
            turns=words[TURNS],
            client_fd=words[CLIENT_FD],
            has_head_left=bool(words[HEAD_LEFT]),
            extended_by=self._times[EXTENDED_BY] if words[EXTENDED] == requests else 0.0,
        )

    def strike(self, request: int, allowed: float, spent: float) -> None:
        """For the master: this request has spent so much, which is too much."""
        self._times[ALLOWED] = allowed
        self._times[SPENT] = spent
        self._words[STRUCK] = request

    def struck(self) -> tuple[float, float] | None:
        """What the request that runs was allowed, and what it had spent when that was found to be too much;
        None if it was not."""
        words = self._words
        if words[STRUCK] == words[REQUESTS] != words[ANSWERED]:
            return self._times[ALLOWED], self._times[SPENT]
        return None

    def extend(self, seconds: float) -> float:
        """The request that runs may take so much longer; by how much it may altogether now. None runs: 0."""
        words, times = self._words, self._times
        number = words[REQUESTS]
        if number == words[ANSWERED]:
            return 0.0
        seconds += times[EXTENDED_BY] if words[EXTENDED] == number else 0.0
        times[EXTENDED_BY] = seconds
        words[EXTENDED] = number
        return seconds

    def waiting(self, count: int) -> None:
        """So many clients have asked at the same moment; 0 for one or none."""
        self._words[WAITING] = count
    def spooled(self, size: int) -> None:
        """So many bytes of this child lie in spool files now."""
        self._words[SPOOLED] = size

    def spooled_by_all(self) -> int:
        """The same of all children together."""
        return sum(self._board.column(SPOOLED))

    def view(self) -> SlotView:
        words = self._words
        requests, answered = words[REQUESTS], words[ANSWERED]
        text = bytes(self._text[: min(words[TEXT_LENGTH], _TEXT_SIZE)]).decode("latin-1")
        request_id, _, request = text.partition(" ")
        role, state = words[ROLE], words[STATE]
        return SlotView(
            number=self.number,
            pid=words[PID],
            generation=words[GENERATION],
            role=ROLES[role] if role < len(ROLES) else "",
            state=STATES[state] if state < len(STATES) else "",
            requests=requests,
            is_busy=requests != answered,
            began_at=self._times[BEGAN_AT],
            connections=words[CONNECTIONS],
            request=request,
            request_id=request_id,
            has_head_left=bool(words[HEAD_LEFT]),
            waited=self._times[WAITED],
        )


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

    def column(self, word: int) -> list[int]:
        """One word of all slots that have ever been claimed, by their numbers: 10 ns each."""
        words = SLOT_SIZE // 8
        return self._all_words[word : self.header[USED] * words : words].tolist()

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
