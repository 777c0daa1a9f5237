"""One child's place on the scoreboard: the words that it writes, and what others read of them.

One writer a slot. Words are native 64-bit, aligned, stored one at a time: a reader may see an old word beside
a new one, so what must be told apart carries the request's number. Nothing here decides anything.
"""

import os
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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
# What its requests have taken, all together: seconds (a double), and bytes of body.
REAL, SENT = 21, 22
# The run of a job, counted as requests are, whose function has come to its end and has not failed.
WELL = 23
# How many of the master's questions its loop has heard, by which the master sees that it goes round.
HEARD = 24
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
    extended_by: float
    """Seconds by which the code of the request that runs has put off its deadline."""
    real: float
    """Seconds that the application was at work, all together."""
    sent: int
    """Bytes of body that were answered with."""
    is_well: bool = False
    """Whether the function of the last run of a job has come to its end, and has not failed."""


class Glance(NamedTuple):
    """What the master looks at many times a second."""

    request: int
    """The number of the request that runs, 0 for none."""
    began_at: float
    requests: int
    connections: int
    turns: int
    client_fd: int
    extended_by: float
    """Seconds by which the code of that request has put off its deadline."""


class Board(Protocol):
    """The page that a slot lies on."""

    header: memoryview
    wake_fd: int

    def column(self, word: int) -> list[int]: ...


class Slot:
    """One child's place, written by that child alone. Every method costs a fraction of a microsecond."""

    __slots__ = ("_board", "_header", "_text", "_times", "_words", "number")

    def __init__(self, board: Board, number: int, place: memoryview) -> None:
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

    def end(self, now: float, sent: int) -> None:
        """The application has returned, now, and has answered with so many bytes of body."""
        words, times = self._words, self._times
        times[REAL] += now - times[BEGAN_AT]
        words[SENT] += sent
        words[ANSWERED] = words[REQUESTS]

    def ended_well(self) -> None:
        """The function of the job has returned, or left by sys.exit(0): whoever dies from now on, the run is
        not to be run again."""
        self._words[WELL] = self._words[REQUESTS]

    def connections(self, count: int) -> None:
        self._words[CONNECTIONS] = count

    def turned(self) -> None:
        """The helper thread has had a turn."""
        self._words[TURNS] += 1

    def hear(self) -> None:
        """The loop has heard the master's question."""
        self._words[HEARD] += 1

    def heard(self) -> int:
        """How many of them, so far."""
        return self._words[HEARD]

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
            extended_by=self._extended_by(requests),
        )

    def spent(self, now: float) -> tuple[float, float]:
        """Seconds for which the application has been at work, with the request that runs now, and for which
        its requests have waited. Just when one ends it may count twice, for this once."""
        words, times = self._words, self._times
        runs = now - times[BEGAN_AT] if words[REQUESTS] != words[ANSWERED] else 0.0
        return times[REAL] + runs, times[WAITED]

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

    def extend(self, seconds: float) -> None:
        """The request that runs, if one does, may take so much longer."""
        words = self._words
        request = words[REQUESTS]
        if request != words[ANSWERED]:
            self._times[EXTENDED_BY] = self._extended_by(request) + seconds
            words[EXTENDED] = request

    def _extended_by(self, request: int) -> float:
        return self._times[EXTENDED_BY] if self._words[EXTENDED] == request else 0.0

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
            extended_by=self._extended_by(requests),
            real=self._times[REAL],
            sent=words[SENT],
            is_well=requests > 0 and words[WELL] == requests,
        )
