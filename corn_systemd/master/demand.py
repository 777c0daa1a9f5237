"""What there is to do for the workers, and what there is to do it with: the readings behind scaling.

All of it is what the scoreboard and the kernel count anyway; nothing is asked of a worker. Decides nothing.
"""

import select
from collections.abc import Sequence
from dataclasses import dataclass

from ..limits import allotment
from ..limits.memory import quick_bytes
from ..listeners import Listener
from ..policy.scaling import Load, Memory
from ..policy.view import Role, State
from ..relay import Relay
from ..scoreboard import Scoreboard
from . import spawn
from .children import Children
from .record import Record


@dataclass(frozen=True)
class _Spent:
    """Seconds until now: at work on requests, of CPU time, and what requests have waited for the worker."""

    work: float
    cpu: float
    waited: float


class Demand:
    """Reads how busy the HTTP workers are, who waits for them, and what memory there is for another one."""

    def __init__(
        self,
        children: Children,
        scoreboard: Scoreboard,
        relay: Relay,
        listeners: Sequence[Listener],
        now: float,
    ) -> None:
        self._children = children
        self._scoreboard = scoreboard
        # Readable while somebody waits there. How many no unix socket tells but by netlink, which the unit
        # does not allow.
        self._queues = select.poll()
        for fd in (relay.fileno(), *(listener.socket.fileno() for listener in listeners)):
            self._queues.register(fd, select.POLLIN)
        self._spent: dict[int, _Spent] = {}
        self._group = allotment.own()
        self.read_at = now

    def restart(self, now: float) -> None:
        """What happened until now is of no interest."""
        self._spent, self.read_at = {}, now

    def read(self, now: float) -> Load:
        """What happened since the last reading."""
        since, before = self.read_at, self._spent
        span = max(now - since, 1e-3)
        ready = self._ready()
        spent = {record.key: self._spent_by(record, now) for record in ready}
        busy = waited = 0.0
        for key, later in spent.items():
            earlier = before.get(key)
            if earlier is not None:
                # An application that waits takes no CPU time, and what corn does around a request is no work
                # of the application's: with small requests that is most of a worker's day.
                busiest = max(later.work - earlier.work, later.cpu - earlier.cpu)
                busy += min(1.0, max(0.0, busiest / span))
                waited += later.waited - earlier.waited
        self._spent, self.read_at = spent, now
        # By Little's law the seconds that are waited in a second are those who wait. Whoever has not come in
        # yet is in no such sum: one at least, where anybody is.
        waiting = max(waited / span, float(bool(self._queues.poll(0))))
        return Load(since, len(ready), busy, waiting)

    def memory(self) -> Memory:
        """What another worker could have, and what it may come to need: as much as the largest has."""
        left = allotment.memory_left(self._group)
        need = max((_private_bytes(record) for record in self._ready()), default=0)
        return Memory(left.size, left.of, need, allotment.memory_pressure(self._group))

    def _ready(self) -> list[Record]:
        return [one for one in self._children.of(Role.HTTP, State.READY) if one.slot is not None]

    def _spent_by(self, record: Record, now: float) -> _Spent:
        assert record.slot is not None
        work, waited = self._scoreboard.slot(record.slot).spent(now)
        return _Spent(work, spawn.cpu_seconds(record.pid), waited)


def _private_bytes(record: Record) -> int:
    return record.group.private_bytes() if record.group is not None else quick_bytes(record.pid)
