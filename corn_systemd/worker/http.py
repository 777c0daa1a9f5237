"""The HTTP worker: one epoll, many connections, one request at a time.

Who calls whom: serve() waits and hands out turns → Connection reads → http.RequestParser → Caller.answer()
→ gateway.Exchange → the application → Connection sends. Nothing but the application may take long here:
no client is ever waited for.
"""

import errno
import select
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from ..errors import BadRequest
from ..http.lines import limits
from ..lifeline import Lifeline
from ..scoreboard import Slot
from ..settings.kinds import Address
from ..settings.sections import Http
from ..systemd import messages
from ..systemd.journal import Journal
from ..wsgi.target import Application
from .caller import Caller, DateLine
from .connection import BODY, CLOSED, HEAD, LINGERING, Connection
from .door import doors
from .front import Front
from .host import Callers
from .outlet import Outlet
from .waiting import AWAY, silence

# A round serves each of these once; more wait for the next, in the kernel's order.
EVENTS_MAX = 128
# Deadlines are looked at so often. They are for clients that have stopped: a second is nothing to them.
TICK = 1.0
# So much of a round without waiting counts as listening; the rest is the application's time.
ROUND_MAX = 0.25

ADMINISTRATIVE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class HttpWorker:
    """Serves until it is told to leave."""

    def __init__(
        self,
        application: Application,
        listeners: Sequence[socket.socket],
        settings: Http,
        slot: Slot,
        journal: Journal,
        lifeline: Lifeline,
        *,
        multiprocess: bool = True,
        addresses: Sequence[Address] = (),
    ) -> None:
        """`listeners` listen already and do not block; siblings may share them. `addresses` tell which of
        them speak the PROXY protocol."""
        self._slot = slot
        self._journal = journal
        self._lifeline = lifeline
        self.front = Front(settings)
        self.caller: Callers = Caller(application, slot, journal, self.front)
        self.limits = limits(settings.head_max, settings.line_max, settings.fields_max, settings.body_max)
        self.keepalive = settings.keepalive or inf
        self.head_timeout = settings.head_timeout or inf
        self.body_timeout = settings.body_timeout or inf
        self.write_timeout = settings.write_timeout or inf
        self.body_memory = settings.body_memory
        self.spool_directory = settings.spool_directory
        self.head_leaves = slot.head_left
        self.date_line = DateLine().text
        self.clock = 0.0
        self.now = time.monotonic()
        shortest = min(self.keepalive, self.head_timeout, self.body_timeout, self.write_timeout)
        self._tick = min(TICK, shortest / 4)
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._queue: deque[Connection] = deque()
        self._doors = doors(listeners, addresses, multiprocess=multiprocess)
        self._is_accepting = False
        self._has_slept = False
        """Whether this round began with a wait, so that whoever is here has just come."""
        self._drains_until = inf
        self._reason = ""

    # The loop.

    def serve(self) -> str:
        """Serves until the master says "drain", which ends as "drained", or is gone: "orphaned"."""
        self._epoll.register(self._lifeline.fileno(), select.EPOLLIN)
        self._accept_more(True)
        try:
            self._loop()
        finally:
            for connection in list(self._connections.values()):
                connection.close()
            self._epoll.close()
        return self._reason

    def _loop(self) -> None:
        connections, queue, poll = self._connections, self._queue, self._epoll.poll
        EPOLLIN, EPOLLOUT = select.EPOLLIN, select.EPOLLOUT
        is_late = False
        now = time.monotonic()
        tick_at = now + self._tick
        while not self._reason:
            before = time.monotonic()
            if queue:
                timeout = 0.0
            elif connections or not self._is_accepting:
                timeout = max(0.0, min(tick_at, self._drains_until) - before)
            else:
                timeout = -1.0
            round_time = before - now
            events: Iterable[tuple[int, int]] = poll(timeout, EVENTS_MAX)
            self.now = now = time.monotonic()
            if round_time > AWAY or is_late:
                events = list(events)
                # Those that one poll could not tell of have waited just as long.
                is_late = len(events) == EVENTS_MAX
                events = self._dated(events)
            # Deadlines count the time in which clients were listened to, not that of the application.
            self.clock += now - before + (round_time if round_time < ROUND_MAX else ROUND_MAX)
            others = None
            for _ in range(len(queue)):
                queue.popleft().turn()
            for fd, mask in events:
                connection = connections.get(fd)
                if connection is None:
                    others = [fd] if others is None else [*others, fd]
                elif mask == EPOLLIN:
                    connection.readable()
                elif mask & EPOLLOUT:
                    connection.writable()
                elif connection.phase != LINGERING:
                    # EPOLLERR or EPOLLHUP: nobody is there to take an answer.
                    connection.lose()
                else:
                    connection.readable()
            if others is not None:
                self._has_slept = now - before > AWAY
                self._attend(others)
            if now >= tick_at:
                tick_at = now + self._tick
                self._look_at_deadlines()
            if self._drains_until != inf and now >= self._drains_until:
                self._leave_idle()
            if self._drains_until != inf and not connections:
                self._reason = self._reason or "drained"

    def _attend(self, fds: list[int]) -> None:
        """The lifeline and the listeners, last: who is here already goes before who wants to come in.

        One connection a round: where others are idle they are quicker, and a busy worker starves nobody.
        """
        for fd in fds:
            if fd in self._doors:
                self._accept(fd)
            elif fd == self._lifeline.fileno():
                self._heed()

    # Connections come and go.

    def _accept_more(self, yes: bool) -> None:
        if yes != self._is_accepting:
            self._is_accepting = yes
            for fd in self._doors:
                if yes:
                    # Of siblings that sleep on the same socket only one wakes.
                    self._epoll.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
                else:
                    self._epoll.unregister(fd)

    def _accept(self, listener_fd: int) -> None:
        if not self._is_accepting:
            return
        door = self._doors[listener_fd]
        try:
            sock, address = door.listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            if error.errno in ADMINISTRATIVE:
                self._journal.emit(messages.ACCEPT_FAILED, cause=error.strerror)
                self._accept_more(False)
            return
        if sock.gettimeout() is not None:
            # The application has called socket.setdefaulttimeout(): recv would wait for so long.
            sock.settimeout(None)
        connection = door.welcome(self, sock, address, self.clock + self.head_timeout)
        if connection is None:
            return
        self._connections[connection.fd] = connection
        self._slot.connections(len(self._connections))
        # Often the request is here already, and where the answer ends the connection epoll need not know it.
        now = self.now
        if not self._has_slept:
            if door.is_tcp:
                self.now = time.monotonic() - silence(sock)
            elif self.front.is_gone(connection):
                connection.close()
                return
        connection.readable()
        self.now = now
        if connection.phase != CLOSED:
            connection.is_watched = True
            events = select.EPOLLOUT if connection.waits_for_room else select.EPOLLIN
            self._epoll.register(connection.fd, events)

    def _dated(self, events: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """The events, each with `now` put back to when its bytes came."""
        now = self.now
        for event in events:
            connection = self._connections.get(event[0])
            ago = silence(connection.sock) if connection is not None else 0.0
            self.now = time.monotonic() - ago if ago else now
            yield event
        self.now = now

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
        if connection.is_watched:
            self._epoll.unregister(connection.fd)
        self._slot.connections(len(self._connections))

    def _look_at_deadlines(self) -> None:
        clock = self.clock
        for connection in [one for one in self._connections.values() if one.deadline <= clock]:
            if not connection.is_queued:
                connection.overdue()
        if not self._is_accepting and self._drains_until == inf:
            self._accept_more(True)

    def spool_failed(self, error: OSError) -> None:
        """Tells what one client has suffered by; the others go on."""
        directory = self.spool_directory or "/var/tmp"
        self._journal.emit(messages.SPOOL_FAILED, directory=directory, cause=error.strerror or str(error))

    # The master's words.

    def _heed(self) -> None:
        try:
            while (message := self._lifeline.receive()) is not None:
                if message.kind == "drain":
                    self._drains_until = time.monotonic() + float(message.fields.get("linger", 0.0))
                    self.caller.keeps = False
                    self._accept_more(False)
        except EOFError:
            self._reason = "orphaned"

    def _leave_idle(self) -> None:
        """Whoever has not asked by now is let go; answers that are on their way go on."""
        for connection in list(self._connections.values()):
            if connection.phase in (HEAD, BODY) and not connection.is_queued:
                if connection.phase == BODY or connection.has_begun:
                    connection.refuse(BadRequest(503, "the server is being restarted"))
                else:
                    connection.leave()
