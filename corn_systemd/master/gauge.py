"""How much private memory the workers have: of those who are at work often, of the others once a second.

Counted by a worker's control group where it has one; else by what the kernel tells of its pages, quickly as
long as even that is within the limits.
"""

from dataclasses import dataclass
from math import inf

from ..limits.memory import private_bytes, quick_bytes
from ..policy.relief import TICK
from ..slot import Glance
from . import spawn
from .record import Record

EVERY = 1.0
# What was counted page by page is counted so again after so long: what a worker writes to stops being shared.
EXACT_FOR = 1.0


@dataclass
class _Reading:
    """When, after how many requests, how much; and what was counted page by page, with the quick count of
    that moment."""

    at: float = -inf
    answered: int = 0
    memory: float = 0.0
    exact: float = 0.0
    exact_quick: float = 0.0
    exact_at: float = -inf
    dead: int = 0
    dead_at: float = -inf


class Gauge:
    """Also counts the dead that a worker without a group has adopted: their number grows as memory does."""

    def __init__(self) -> None:
        self._readings: dict[int, _Reading] = {}

    def read(self, record: Record, seen: Glance, now: float) -> float:
        """The private memory of a worker in bytes, as it is or was a second ago; 0 if no limit asks for
        it."""
        limits = record.limits
        # Who is to be replaced anyway is watched for the hard limit alone.
        soft = limits.memory_soft if not record.retires else 0
        threshold = min(soft or inf, limits.memory_hard or inf)
        reading = self._readings.setdefault(record.key, _Reading())
        is_at_work = bool(seen.request) and now - seen.began_at >= TICK
        answered = _answered(seen)
        if is_at_work or (answered != reading.answered and now - reading.at >= EVERY):
            if now - reading.dead_at >= EVERY:
                reading.dead, reading.dead_at = _dead(record), now
            if threshold < inf:
                reading.memory = _count(record, reading, threshold, now)
            reading.at, reading.answered = now, answered
        return reading.memory

    def dead(self, record: Record) -> int:
        """How many children of a worker had ended without its having waited for them, at the last reading."""
        reading = self._readings.get(record.key)
        return reading.dead if reading is not None else 0

    def due(self, record: Record, seen: Glance) -> float:
        """When an idle worker is to be read again: infinity when nothing has happened since."""
        reading = self._readings.get(record.key)
        if reading is None or _answered(seen) == reading.answered:
            return inf
        return reading.at + EVERY

    def forget(self, record: Record) -> None:
        self._readings.pop(record.key, None)


def _answered(seen: Glance) -> int:
    return seen.requests - bool(seen.request)


def _dead(record: Record) -> int:
    """In a control group of its own a worker adopts nobody."""
    return 0 if record.group is not None else spawn.dead_children(record.pid)


def _count(record: Record, reading: _Reading, threshold: float, now: float) -> float:
    if record.group is not None:
        return record.group.private_bytes()
    quick = quick_bytes(record.pid)
    if quick < threshold:
        return quick
    if now - reading.exact_at < EXACT_FOR:
        estimate = reading.exact + quick - reading.exact_quick
        if estimate < threshold:
            return estimate
    # Of pages that nobody counts one by one (a kernel without smaps) the quick count is all there is.
    reading.exact = private_bytes(record.pid) or quick
    reading.exact_quick, reading.exact_at = quick, now
    return reading.exact
