"""Connections change hands: what a worker can not serve now another one may, and what lies there it takes.

Two threads: the worker's own, and a helper that sleeps until the master nudges it and then gives away all
other clients of a worker that is kept by one request. Which of the two may touch connections is told by
`out_fd`: while the worker's thread is in the application it touches its own client alone. The helper calls
no application and blocks all signals. Nothing here waits for a client.
"""

import _thread
import os
import signal
from collections.abc import Iterable, Mapping, Sequence

from ..lifeline import Nonsense
from ..policy.share import Sibling, surplus
from ..relay import BATCH, FDS_PER_MESSAGE, NUDGE_HELD, Parcel, Relay
from ..roster import HAS_TAKEN, Roster
from ..scoreboard import Scoreboard
from ..slot import ANSWERED, READY, REQUESTS, STATE, WAITING, Slot
from ..systemd import messages
from ..systemd.journal import Journal
from .connection import Connection
from .door import Door
from .host import Host
from .parcel import is_portable, pack, unpack

# So many bytes of half-read heads in one message, and a head more: as JSON they take six times that at worst.
WEIGHT_MAX = 1024 * 1024


class Guard:
    """Says which thread may touch connections; costs the worker two assignments and two looks a request.

    The interpreter runs one thread at a time, so each sees what the other has written before (Dekker).
    """

    __slots__ = ("_lock", "is_contested", "marks", "out_fd")

    def __init__(self, roster: Roster) -> None:
        self.out_fd = -1
        """The client for whom the application is at work, -1 while it is not."""
        self.is_contested = False
        """Whether the helper is at work, or about to find out that it may not be."""
        self._lock = _thread.allocate_lock()
        self.marks = roster.marks

    def __enter__(self) -> None:
        """The helper comes."""
        self._lock.acquire()
        self.is_contested = True

    def __exit__(self, *_: object) -> None:
        self.is_contested = False
        self._lock.release()

    def wait(self) -> bool:
        """The worker's thread is back: waits for the helper to end what it does; whether the master has
        taken connections meanwhile."""
        with self._lock:
            pass
        if not self.marks[HAS_TAKEN]:
            return False
        self.marks[HAS_TAKEN] = 0
        return True


class Handover:
    """A worker's end of the relay. `connections` are all it has, by their descriptors."""

    def __init__(
        self,
        host: Host,
        connections: Mapping[int, Connection],
        doors: Sequence[Door],
        relay: Relay,
        slot: Slot,
        journal: Journal,
        scoreboard: Scoreboard | None,
    ) -> None:
        """Without a scoreboard there are no siblings to share with."""
        self._host = host
        self._connections = connections
        self._doors = doors
        self._relay = relay
        self._roster = host.roster
        self._slot = slot
        self._journal = journal
        self._scoreboard = scoreboard
        self._counted: list[int] = []
        self._nudge_fd = -1
        self._is_listening = _thread.allocate_lock()
        self.guard = Guard(host.roster)

    # The helper.

    def listen(self, nudge_fd: int) -> None:
        """Starts the thread that gives everybody else away when the master writes to the eventfd."""
        self._nudge_fd = nudge_fd
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._is_listening.acquire()
            _thread.start_new_thread(self._help, (nudge_fd,))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def end(self) -> None:
        """Ends the thread that listens, and waits for that."""
        if self._nudge_fd >= 0:
            nudge_fd, self._nudge_fd = self._nudge_fd, -1
            os.eventfd_write(nudge_fd, 1)
            self._is_listening.acquire(timeout=1.0)

    def _help(self, nudge_fd: int) -> None:
        while (nudges := os.eventfd_read(nudge_fd)) and self._nudge_fd >= 0:
            with self.guard:
                self._slot.turned()
                self._relieve(only_held=nudges % NUDGE_HELD == 0)
        self._is_listening.release()

    def _relieve(self, only_held: bool) -> None:
        """Gives away all but the client who is being served, while he is; or those alone of which a part is
        here, as they would be lost with this process."""
        guard = self.guard
        others = list(self._connections.values())
        if only_held:
            others = [one for one in others if self._roster.is_held(one.fd)]
        heavy = [one for one in others if one.outbox is not None and one.outbox.is_heavy]
        light = [one for one in others if one.outbox is None or not one.outbox.is_heavy]
        # Those with a long answer in memory, which goes to a file first, last and one by one.
        some = [light[start : start + BATCH] for start in range(0, len(light), BATCH)]
        for batch in [*some, *([one] for one in heavy)]:
            # Read once: where it changes meanwhile the worker's thread waits, and its client is its own.
            out_fd = guard.out_fd
            if out_fd < 0 or not self.give([one for one in batch if one.fd != out_fd]):
                return
            self._slot.turned()

    def come_back(self) -> None:
        """The application has returned, and the helper or the master has been at work meanwhile."""
        if self.guard.wait():
            for connection in list(self._connections.values()):
                if self._roster.is_taken(connection.fd):
                    connection.close()

    # Giving.

    def give(self, connections: Iterable[Connection], batch: int = BATCH) -> bool:
        """Gives away those that can be; False when the relay takes no more, and the rest stays."""
        given: list[Connection] = []
        parcels: list[Parcel] = []
        spare: list[int] = []
        count = weight = 0
        for connection in connections:
            if not is_portable(connection):
                continue
            # In this order: what the master has not taken by now it leaves alone, however long this takes.
            self._roster.hold(connection.fd)
            if self._roster.is_taken(connection.fd):
                continue
            # Its own, for the message that it will go with.
            made: list[int] = []
            try:
                parcel = pack(connection, made)
            except OSError:
                # No descriptor for its bytes, or no memory: it stays.
                _close(made)
                connection.enlist()
                continue
            weight += len(connection.parser.buffer)
            if len(parcels) == batch or count + len(parcel[1]) > FDS_PER_MESSAGE or weight > WEIGHT_MAX:
                if not self._send(given, parcels, spare):
                    _close(made)
                    connection.enlist()
                    return False
                given, parcels, spare, count = [], [], [], 0
                weight = len(connection.parser.buffer)
            given.append(connection)
            parcels.append(parcel)
            spare += made
            count += len(parcel[1])
        return self._send(given, parcels, spare)

    def _send(self, given: list[Connection], parcels: list[Parcel], spare: list[int]) -> bool:
        # Before they are there: nobody must find them in two places.
        for connection in given:
            self._roster.leave(connection.fd)
        was_given = not parcels or self._relay.give(parcels)
        _close(spare)
        for connection in given:
            if was_given:
                connection.close()
            else:
                connection.enlist()
        return was_given

    # Sharing.

    def share(self, waiting: Iterable[int]) -> bool:
        """Gives some of those away that ask now, at `waiting`, if others have fewer; whether it did."""
        if self._scoreboard is None:
            return False
        asking = list(waiting)
        count, takers = surplus(len(asking), self._look_around(self._scoreboard))
        if not count:
            return False
        chosen = [self._connections[fd] for fd in asking[1:] if fd in self._connections][: min(count, BATCH)]
        return self.give(chosen, -(-len(chosen) // takers))

    def _look_around(self, scoreboard: Scoreboard) -> list[Sibling]:
        """The other workers; one is kept that has begun no other request since the last look."""
        requests, answered = scoreboard.column(REQUESTS), scoreboard.column(ANSWERED)
        before = self._counted + [-1] * (len(requests) - len(self._counted))
        self._counted = requests
        waiting = scoreboard.column(WAITING)
        return [
            Sibling(waiting[number], answered[number] != requests[number] == before[number])
            for number, state in enumerate(scoreboard.column(STATE))
            if state == READY and number != self._slot.number
        ]

    # Taking.

    def take(self) -> list[Connection]:
        """The connections that wait for somebody, if nobody else was quicker."""
        try:
            parcels = self._relay.take()
        except Nonsense as error:
            self._journal.emit(messages.HANDOVER_FAILED, cause=str(error))
            return []
        taken = []
        for parcel in parcels:
            try:
                connection = unpack(self._host, self._doors, parcel)
            except (LookupError, TypeError, ValueError, OSError) as error:
                self._journal.emit(messages.HANDOVER_FAILED, cause=f"{type(error).__name__}: {error}")
                continue
            if connection is not None:
                taken.append(connection)
        return taken


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
