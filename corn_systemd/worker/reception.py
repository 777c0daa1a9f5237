"""Connections come and go: accepted at a door, taken from the relay, closed, or given to another worker.

It knows all of them, and which the epoll watches. It reads no requests and answers none.
"""

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from ..http.lines import limits
from ..relay import Relay
from ..roster import Roster
from ..scoreboard import Scoreboard
from ..settings.kinds import Address
from ..settings.sections import Http
from ..slot import Slot
from ..systemd import messages
from ..systemd.journal import Journal
from .caller import DateLine
from .connection import CLOSED, HEAD, Connection
from .door import doors
from .front import Front
from .handover import Handover
from .host import Callers
from .outlet import Outlet
from .pace import Pace
from .spool import Spools
from .waiting import silence

ADMINISTRATIVE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
# A shortage of descriptors or memory that goes on is told of once; so long without one is the end of it.
SHORTAGE_OVER = 60.0
# Who has clients of his own asking takes from the relay only so often: it is for those who have none.
TAKE_EVERY = 0.02


class Reception:
    """A worker's clients, and what is the same for all of them (host.Host)."""

    caller: Callers

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        settings: Http,
        slot: Slot,
        journal: Journal,
        relay: Relay,
        roster: Roster,
        scoreboard: Scoreboard | None,
        addresses: Sequence[Address],
        *,
        multiprocess: bool,
    ) -> None:
        self.front = Front(settings)
        self.roster = roster
        self.limits = limits(settings.head_max, settings.line_max, settings.fields_max, settings.body_max)
        self.keepalive = settings.keepalive or inf
        self.head_timeout = settings.head_timeout or inf
        self.head_pace = Pace(settings.head_timeout, settings.min_rate)
        self.body_pace = Pace(settings.body_timeout, settings.min_rate)
        self.write_timeout = settings.write_timeout or inf
        self.body_memory = settings.body_memory
        self.spools = Spools(settings.spool_directory, settings.spool_max, slot)
        self.head_leaves = slot.head_left
        self.date_line = DateLine().text
        self.clock = 0.0
        self.now = time.monotonic()
        self._slot = slot
        self._journal = journal
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._queue: deque[Connection] = deque()
        self._doors = doors(listeners, addresses, multiprocess=multiprocess)
        self._relay = relay
        self._handover = Handover(
            self, self._connections, list(self._doors.values()), relay, slot, journal, scoreboard
        )
        self._is_accepting = self._is_taking = False
        self._short_at = -inf
        self._took_at = 0.0
        self._is_late = False
        """Whether who is here now may have come long ago."""

    # Who wants to come in.

    def _accept_more(self, yes: bool) -> None:
        if yes != self._is_accepting:
            self._is_accepting = yes
            for fd in self._doors:
                self._attend(fd, yes)

    def _take_more(self, yes: bool) -> None:
        if yes != self._is_taking:
            self._is_taking = yes
            self._attend(self._relay.fileno(), yes)

    def _attend(self, fd: int, yes: bool) -> None:
        if yes:
            # Of siblings that sleep on the same socket only one wakes.
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        else:
            self._epoll.unregister(fd)

    def _accept(self, listener_fd: int, has_slept: bool) -> None:
        if not self._is_accepting:
            return
        door = self._doors[listener_fd]
        try:
            sock, address = door.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            if error.errno in ADMINISTRATIVE:
                if self.now - self._short_at > SHORTAGE_OVER:
                    self._journal.emit(messages.ACCEPT_FAILED, cause=error.strerror)
                self._short_at = self.now
                self._accept_more(False)
            return
        if sock.gettimeout() is not None:
            # The application has called socket.setdefaulttimeout(): recv would wait for so long.
            sock.settimeout(None)
        connection = door.welcome(self, sock, address, self.clock + self.head_timeout)
        if connection is None:
            return
        self._enter(connection)
        # Often the request is here already, and where the answer ends the connection epoll need not know it.
        now = self.now
        if not has_slept:
            if door.is_tcp:
                self.now = time.monotonic() - silence(sock)
            elif self.front.is_gone(connection):
                connection.close()
                return
        connection.readable()
        self.now = now
        if connection.phase != CLOSED:
            self._observe(connection)

    def take_in_master(self, sock: socket.socket) -> None:
        """The master asks one thing, as any client would; it is believed in what it says."""
        sock.settimeout(None)
        door = next(iter(self._doors.values()))
        connection = Connection(self, sock, door, ("", ""), self.clock + self.head_timeout)
        connection.is_trusted = connection.is_examined = True
        self._enter(connection)
        self._observe(connection)

    def _take(self, is_busy: bool) -> None:
        """Takes in those whom another worker can not serve now; who is busy himself leaves them to others."""
        if is_busy and self.now - self._took_at < TAKE_EVERY:
            return
        self._took_at = self.now
        if not self._relay.has_room():
            self._take_more(False)
            return
        for connection in self._handover.take():
            self._enter(connection)
            self._observe(connection)
            if connection.phase == HEAD and connection.parser.buffer:
                self.queue(connection)
            self._is_late = True

    def _enter(self, connection: Connection) -> None:
        self._connections[connection.fd] = connection
        connection.enlist()
        self._slot.connections(len(self._connections))

    def _observe(self, connection: Connection) -> None:
        connection.is_watched = True
        events = select.EPOLLOUT if connection.waits_for_room else select.EPOLLIN
        self._epoll.register(connection.fd, events)

    # Who is here (host.Host).

    def watch(self, outlet: Outlet, for_room: bool) -> None:
        if outlet.is_watched:
            self._epoll.modify(outlet.fd, select.EPOLLOUT if for_room else select.EPOLLIN)

    def queue(self, connection: Connection) -> None:
        if not connection.is_queued:
            connection.is_queued = True
            self._queue.append(connection)

    def forget(self, connection: Connection) -> None:
        """Before its socket is closed: a duplicate elsewhere would keep it in the epoll for ever."""
        del self._connections[connection.fd]
        self.roster.leave(connection.fd)
        if connection.is_watched:
            self._epoll.unregister(connection.fd)
        self._slot.connections(len(self._connections))

    def spool_failed(self, error: OSError) -> None:
        """Tells what one client has suffered by; the others go on."""
        directory = self.spools.directory or "/var/tmp"
        self._journal.emit(messages.SPOOL_FAILED, directory=directory, cause=error.strerror or str(error))

    def _dated(self, events: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """The events, each with `now` put back to when its bytes came."""
        now = self.now
        for event in events:
            connection = self._connections.get(event[0])
            ago = silence(connection.sock) if connection is not None else 0.0
            self.now = time.monotonic() - ago if ago else now
            yield event
        self.now = now
