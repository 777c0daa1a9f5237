"""The master's eye on the scoreboard: every 50 ms while anybody has something to do, never while nobody has.

It sees to it that nobody waits behind a neighbour: a worker that is kept by one request hands its other
clients to the relay, or they are taken from it. What its requests spend is for others to judge (overruns).
"""

import errno
import json
import os
from dataclasses import replace
from math import inf
from typing import Any

from ..policy.relief import TICK, Asked, Deed, relief
from ..policy.view import Role, State
from ..relay import BATCH, Relay
from ..scoreboard import Scoreboard
from ..slot import Glance
from . import spawn
from .children import Children
from .overruns import Overruns
from .record import Record
from .voice import Voice

# The master looks no sooner again, whatever falls due.
_SHORTEST = 0.01
# So many connections are taken in one go, in some 20 ms; the rest is left for the next.
_MOST = 1024
# What has ended or been closed meanwhile, and no descriptor left for a moment.
_PASSING = (errno.ESRCH, errno.EBADF, errno.EMFILE, errno.ENFILE)


class Watch:
    """Looks at all workers; `look_at` is when it has to again."""

    def __init__(
        self, children: Children, scoreboard: Scoreboard, relay: Relay, overruns: Overruns, voice: Voice
    ) -> None:
        self._children = children
        self._scoreboard = scoreboard
        self._relay = relay
        self._overruns = overruns
        self._voice = voice
        self._asked: dict[int, Asked] = {}
        self._requests = 0
        self._is_refused = False
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
        idle_at = self._overruns.look_after(now)
        look_at = now + TICK
        is_clogged = bool(glances) and self._relay.is_waiting()
        for record, seen in glances:
            idle_at = min(idle_at, self._overruns.look(record, seen, now))
            deed, memory, due = relief(
                seen.request, seen.began_at, seen.connections, seen.turns, self._asked.get(record.key), now,
                is_clogged=is_clogged,
            )  # fmt: skip
            if memory is not None:
                asked[record.key] = memory
            look_at = min(look_at, due)
            if deed is Deed.NUDGE:
                os.eventfd_write(record.nudge_fd, 1)
            elif deed is Deed.RESCUE and self._rescue(record, seen.request) and memory is not None:
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
            for record in self._children.of(Role.HTTP, State.READY, State.DRAINING)
            if record.slot is not None
        ]

    def _rescue(self, record: Record, request: int) -> int:
        """Takes the connections of a worker that can not give them, as far as all of them is in the kernel's
        hands; how many. It is stopped meanwhile, so that nobody serves them twice."""
        if record.roster is None or record.slot is None or self._is_refused:
            return 0
        slot = self._scoreboard.slot(record.slot)
        client_fd = slot.glance().client_fd
        if not any(fd != client_fd for fd, _, _ in record.roster.free()):
            return 0
        with spawn.stopped(record.pid) as is_stopped:
            if is_stopped and slot.glance().request == request:
                try:
                    return self._take(record, client_fd)
                except OSError as error:
                    if error.errno not in _PASSING:
                        self._is_refused = True
                        self._voice.rescue_refused(os.strerror(error.errno or 0))
        return 0

    def _take(self, record: Record, client_fd: int) -> int:
        assert record.roster is not None
        count = 0
        pidfd = os.pidfd_open(record.pid)
        try:
            free = [one for one in record.roster.free() if one[0] != client_fd][:_MOST]
            for start in range(0, len(free), BATCH):
                taken = self._pass_on(record, pidfd, free[start : start + BATCH])
                if not taken:
                    break
                count += taken
        finally:
            os.close(pidfd)
        return count

    def _pass_on(self, record: Record, pidfd: int, free: list[tuple[int, int, str]]) -> int:
        assert record.roster is not None
        copies: list[int] = []
        try:
            parcels = []
            taken = []
            for fd, door, introduction in free:
                try:
                    values = _values(door, introduction)
                    copies.append(spawn.getfd(pidfd, fd))
                except ValueError:
                    # The worker's memory is not what it was.
                    continue
                except OSError as error:
                    if error.errno in _PASSING:
                        continue
                    raise
                taken.append(fd)
                parcels.append((values, (copies[-1],)))
            if not parcels or not self._relay.give(parcels):
                return 0
            record.roster.take(taken)
            return len(taken)
        finally:
            for copy in copies:
                os.close(copy)


def _is_any_busy(glances: list[tuple[Record, Glance]]) -> bool:
    return any(seen.request for _, seen in glances)


def _values(door: int, introduction: str) -> dict[str, Any]:
    """What worker.parcel expects of a connection on which nothing is going on."""
    values: dict[str, Any] = {"door": door}
    if introduction:
        values["introduction"] = json.loads(introduction)
    return values
