"""The master's eye on the scoreboard: every 50 ms while anybody has something to do, never while nobody has.

It sees to it that nobody waits behind a neighbour: a worker that is kept by one request hands its other
clients to the relay, or they are taken from it. What its requests spend is for others to judge (overruns).
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from math import inf

from ..listeners import Listener
from ..policy.relief import TICK, Asked, Deed, relief
from ..policy.view import Role, State
from ..relay import NUDGE, NUDGE_HELD, Relay
from ..scoreboard import Scoreboard
from ..slot import Glance
from .children import Children
from .deeds import Deeds
from .events import Ended
from .overruns import Overruns
from .record import Record
from .rescue import Rescue
from .stalls import Stalls
from .voice import Voice

# The master looks no sooner again, whatever falls due.
_SHORTEST = 0.01


class Watch:
    """Looks at all workers; `look_at` is when it has to again."""

    def __init__(
        self,
        children: Children,
        scoreboard: Scoreboard,
        relay: Relay,
        listeners: Iterable[Listener],
        deeds: Deeds,
        voice: Voice,
    ) -> None:
        self._children = children
        self._scoreboard = scoreboard
        self._relay = relay
        self._rescue = Rescue(scoreboard, relay, voice)
        self._stalls = Stalls(scoreboard, relay, listeners, deeds, self._rescue, voice)
        self._overruns = Overruns(scoreboard, deeds, self._rescue, voice)
        self._asked: dict[int, Asked] = {}
        self._requests = 0
        self.look_at = inf

    def heed(self, fd: int) -> bool:
        """Whether `fd` is that by which somebody who begins a request wakes the master."""
        if fd != self._scoreboard.wake_fd:
            return False
        try:
            os.eventfd_read(fd)
        except BlockingIOError:
            pass
        return True

    def look(self, now: float) -> None:
        glances = self._glances()
        asked: dict[int, Asked] = {}
        idle_at = min(self._overruns.look_after(now), self._stalls.look(glances, now))
        look_at = now + TICK
        is_clogged = bool(glances) and self._relay.is_waiting()
        for record, seen in glances:
            record.served = seen.requests - bool(seen.request)
            is_idle = not (seen.request or seen.connections or record.is_given)
            record.idle_since = min(record.idle_since, now) if is_idle else inf
            idle_at = min(idle_at, self._overruns.look(record, seen, now))
            if record.role is not Role.HTTP:
                continue
            deed, memory, due = relief(
                seen.request, seen.began_at, seen.connections, seen.turns, self._asked.get(record.key), now,
                is_clogged=is_clogged,
            )  # fmt: skip
            if memory is not None:
                asked[record.key] = memory
            look_at = min(look_at, due)
            # Its helper has given all away, or another request has come.
            self._rescue.let_go(record.key, seen.request if seen.connections > 1 else 0)
            if deed is Deed.NUDGE:
                self._rescue.keep(record, seen.request)
                os.eventfd_write(record.nudge_fd, NUDGE)
            elif deed is Deed.KEEP and self._rescue.keep(record, seen.request):
                os.eventfd_write(record.nudge_fd, NUDGE_HELD)
            elif deed is Deed.RESCUE and self._rescue.take(record, seen.request) and memory is not None:
                # There may be more of them, and it goes well.
                asked[record.key] = replace(memory, patience=TICK)
        self._asked = asked
        requests = sum(seen.requests for _, seen in glances)
        if requests == self._requests and not _is_any_busy(glances):
            # Whoever begins one from now on sees that the master sleeps; who has just begun is seen here.
            self._scoreboard.sleeps(True)
            if not _is_any_busy(self._glances()):
                self.look_at = max(idle_at, now + _SHORTEST)
                return
        self._scoreboard.sleeps(False)
        self._requests = requests
        self.look_at = max(min(look_at, idle_at), now + _SHORTEST)

    def _glances(self) -> list[tuple[Record, Glance]]:
        return [
            (record, self._scoreboard.slot(record.slot).glance())
            for record in self._children
            if record.role in (Role.HTTP, Role.CRON)
            and record.state in (State.READY, State.MOLDING, State.DRAINING)
            and record.slot is not None
        ]

    def end(self) -> None:
        """The master is about to end."""
        self._overruns.end()

    def dismiss(self, record: Record) -> None:
        """A worker that has no clients any more is about to be something else."""
        self._rescue.let_go(record.key)
        self._overruns.dismiss(record)

    def bury(self, death: Ended, now: float) -> Ended:
        """A worker has ended: whoever waited for its answer gets one, and of its other clients those whom
        somebody else can serve. With what is lost all the same."""
        self._overruns.bury(death, now)
        count, held = death.lost
        return replace(death, lost=(count - self._rescue.save(death), held))


def _is_any_busy(glances: list[tuple[Record, Glance]]) -> bool:
    return any(seen.request for _, seen in glances)
