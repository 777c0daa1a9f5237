"""The HTTP worker: one epoll, many connections, one request at a time.

Who calls whom: serve() waits and hands out turns → Connection reads → http.RequestParser → Caller.answer()
→ gateway.Exchange → the application → Connection sends. Nothing but the application may take long here:
no client is ever waited for.
"""

import select
import socket
import time
from collections.abc import Iterable, Sequence
from math import inf

from ..errors import BadRequest
from ..lifeline import Lifeline
from ..relay import Relay
from ..roster import Roster
from ..scoreboard import Scoreboard
from ..settings.kinds import Address
from ..settings.sections import Http
from ..slot import Slot
from ..systemd.journal import Journal
from ..wsgi.target import Application
from .caller import Caller
from .connection import BODY, HEAD, LINGERING
from .reception import Reception
from .stream import StreamingCaller
from .waiting import AWAY

# A round serves each of these once; more wait for the next, in the kernel's order. Few, so that it is soon
# seen who else has come, and whether a sibling has nothing to do.
EVENTS_MAX = 16
# Deadlines are looked at so often. They are for clients that have stopped: a second is nothing to them.
TICK = 1.0
# Whoever has several clients asking at once looks so often whether others have nothing to do.
SHARE_EVERY = 0.05
# Who leaves while nobody has room for its clients tries again so often.
GIVE_EVERY = 0.02
# So much of a round without waiting counts as listening; the rest is the application's time.
ROUND_MAX = 0.25
OPENED = "opened"


class HttpWorker(Reception):
    """Serves until it is told to leave."""

    def __init__(
        self,
        application: Application,
        listeners: Sequence[socket.socket],
        settings: Http,
        slot: Slot,
        journal: Journal,
        lifeline: Lifeline,
        relay: Relay,
        roster: Roster,
        *,
        nudge_fd: int = -1,
        scoreboard: Scoreboard | None = None,
        multiprocess: bool = True,
        addresses: Sequence[Address] = (),
    ) -> None:
        """`listeners` listen already and do not block; siblings may share them, and share the relay.
        `nudge_fd` is an eventfd by which the master asks the helper thread to hand connections over, and
        `scoreboard` where the siblings are found. `addresses` tell which of the listeners speak the PROXY
        protocol."""
        super().__init__(
            listeners, settings, slot, journal, relay, roster, scoreboard, addresses,
            multiprocess=multiprocess,
        )  # fmt: skip
        self._lifeline = lifeline
        self._nudge_fd = nudge_fd
        caller = StreamingCaller if settings.body_streaming else Caller
        self.caller = caller(application, slot, journal, self.front, self._handover)
        shortest = min(self.keepalive, self.head_timeout, self.body_pace.timeout, self.write_timeout)
        self._tick = min(TICK, shortest / 4)
        self._is_leaving = False
        self._is_open = True
        """Whether clients may come in."""
        self._leave_at = self._give_until = inf
        """When it asks its idle clients to leave, and until when it tries to give them to others."""
        self._leaves_to_others = False
        """Whether others go on serving its clients when it leaves."""
        self._reason = ""
        self.becomes_mold = False
        """Whether it is to be a mold when it has left its clients."""

    # The loop.

    def be_checked(self) -> None:
        """Answers what the master asks by a connection of its own, and nobody else, until it says "open"."""
        self._epoll.register(self._lifeline.fileno(), select.EPOLLIN)
        self._is_open = False
        self._lifeline.send("loaded")
        self._loop()
        self._epoll.unregister(self._lifeline.fileno())
        if self._reason == OPENED:
            self._is_open, self._reason = True, ""

    def serve(self) -> str:
        """Serves until the master says "drain", which ends as "drained", or is gone: "orphaned". Behind it
        the thread that helps has ended."""
        self._epoll.register(self._lifeline.fileno(), select.EPOLLIN)
        self._accept_more(True)
        self._take_more(True)
        if self._nudge_fd >= 0:
            self._handover.listen(self._nudge_fd)
        try:
            self._loop()
        finally:
            self._handover.end()
            for connection in list(self._connections.values()):
                connection.close()
            self._epoll.close()
        return self._reason

    def _loop(self) -> None:
        connections, queue, poll = self._connections, self._queue, self._epoll.poll
        EPOLLIN, EPOLLOUT = select.EPOLLIN, select.EPOLLOUT
        now = time.monotonic()
        tick_at, share_at = now + self._tick, now
        has_many = False
        while not self._reason:
            before = time.monotonic()
            if queue:
                timeout = 0.0
            elif connections or self._is_leaving or not self._is_accepting:
                timeout = max(0.0, min(tick_at, self._leave_at) - before)
            else:
                timeout = -1.0
            round_time = before - now
            found = poll(timeout, EVENTS_MAX)
            events: Iterable[tuple[int, int]] = found
            self.now = now = time.monotonic()
            if len(found) > 1 or has_many:
                has_many = len(found) > 1
                self._slot.waiting(len(found) if has_many else 0)
                if has_many and now >= share_at:
                    share_at = now + SHARE_EVERY
                    if self._handover.share([fd for fd, _ in found]):
                        # It is for the others.
                        self._took_at = now
            if round_time > AWAY or self._is_late:
                # Those that one poll could not tell of have waited just as long.
                self._is_late = len(found) == EVENTS_MAX
                events = self._dated(found)
            # Deadlines count the time in which clients were listened to, not that of the application.
            self.clock += now - before + (round_time if round_time < ROUND_MAX else ROUND_MAX)
            others = None
            is_welcome = timeout == 0.0 or len(found) == 1
            if not is_welcome:
                # It slept, and may be the only one whom the kernel woke for who comes in (EPOLLEXCLUSIVE):
                # behind a client's request, who knows how long, nobody else would look for them.
                coming = [fd for fd, _ in found if fd not in connections]
                self._welcome(coming, now - before > AWAY, False)
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
                    # EPOLLERR or EPOLLHUP: nobody is there to take an answer. Not so when his number is
                    # another's since the poll.
                    if self.front.is_gone(connection):
                        connection.lose()
                else:
                    connection.readable()
            if others is not None and is_welcome:
                self._welcome(others, now - before > AWAY, len(found) > len(others))
            if now >= tick_at:
                tick_at = now + self._tick
                self._look_at_deadlines()
            if self._is_leaving:
                self._leave(now)

    def _welcome(self, fds: list[int], has_slept: bool, is_busy: bool) -> None:
        """The lifeline, the relay and the doors: who wants to come in, or wants us to go.

        One connection a round: where others are idle they are quicker, and a busy worker starves nobody. The
        doors last: what the others say may close them.
        """
        for fd in sorted(fds, key=self._doors.__contains__):
            if fd in self._doors:
                self._accept(fd, has_slept)
            elif fd == self._relay.fileno():
                self._take(is_busy)
            elif fd == self._lifeline.fileno():
                self._heed()

    # The clients' time.

    def _look_at_deadlines(self) -> None:
        clock = self.clock
        for connection in [one for one in self._connections.values() if one.deadline <= clock]:
            if not connection.is_queued:
                connection.overdue()
        if self._is_open and not self._is_leaving:
            # Once more, where there was no descriptor left.
            self._accept_more(True)
            self._take_more(True)

    # The master's words.

    def _heed(self) -> None:
        try:
            while (message := self._lifeline.receive()) is not None:
                if message.kind == "check":
                    self.take_in_master(socket.socket(fileno=message.fds[0]))
                elif message.kind == "ping":
                    self._slot.hear()
                elif message.kind == "open" and not self._is_open:
                    self._reason = OPENED
                elif message.kind == "drain":
                    if message.fields.get("hand_over"):
                        self._look_for_the_last()
                    # Said again, it is to leave for good.
                    self.becomes_mold = bool(message.fields.get("becomes_mold"))
                    self._is_leaving = True
                    self._leave_at = time.monotonic() + float(message.fields.get("linger", 0.0))
                    self._give_until = self._leave_at
                    self._leaves_to_others = bool(message.fields.get("hand_over"))
                    self.caller.keeps = self._leaves_to_others
                    self._accept_more(False)
                    # Where nobody stays, who lies in the relay is still to be answered.
                    self._take_more(not self._leaves_to_others)
        except EOFError:
            self._reason = "orphaned"

    def _look_for_the_last(self) -> None:
        """Before it looks at the doors and the relay no more. The kernel may have woken this worker alone for
        who waits there (EPOLLEXCLUSIVE, epoll_ctl(2)), and the others would go on sleeping. More than one at
        each it can not be: for who came behind him it has woken another."""
        for fd in self._doors:
            self._accept(fd, False)
        if self._is_taking:
            self._take(False)

    def _leave(self, now: float) -> None:
        """Once nobody is here any more; who can be given to others is, and has not noticed it."""
        if self._leaves_to_others and self._connections:
            if self._handover.give(list(self._connections.values())):
                # Those that are left are tied to this process: it hears of them.
                self._leave_at = now + self._tick
            elif now < self._give_until:
                self._leave_at = now + GIVE_EVERY
            else:
                self.caller.keeps = self._leaves_to_others = False
        elif now >= self._leave_at:
            self._leave_at = now + self._tick
            self._leave_idle()
        if not self._connections:
            if self._is_taking:
                self._take(False)
            if not self._connections:
                self._reason = self._reason or "drained"

    def _leave_idle(self) -> None:
        """Whoever has not asked by now is let go; answers that are on their way go on."""
        for connection in list(self._connections.values()):
            if connection.phase in (HEAD, BODY) and not connection.is_queued:
                if connection.phase == BODY or connection.has_begun:
                    connection.refuse(BadRequest(503, "the server is being restarted"))
                else:
                    connection.leave()
