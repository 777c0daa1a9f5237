"""How many workers there shall be: a pure rule, asked a few times a second while anybody is busy.

One more when all were busy while requests waited, for a moment at a stretch. One fewer when one fewer would
have had room to spare, for `idle` at a stretch. Between the two lies a gap, so that a steady load changes
nothing: those who are left after one has gone are less busy than what asks for one more.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

# What the workers were at is counted over so long: many requests of a usual site, and a few looks of the
# master, who looks every tick (relief) as it is.
EVERY = 0.25
# So long all must have been busy before there is one more, and before there is another: a fork takes
# milliseconds, and its worker some requests until it has been of use.
UP_AFTER = 0.5
# A worker has no time left when it spends more than this on requests: between two there is always something.
FULL = 0.9
# One fewer would have had room to spare when all that was done took no more than this of their time.
ROOMY = 0.75
# So many requests must wait on average: fewer do by chance wherever there is more than one client.
WAITING = 1.0
# Where nothing happens nobody looks more often than this.
SELDOM = 1.0
# systemd's own idea of memory pressure (MemoryPressureThresholdSec=, 200 ms in 2 s), in percent.
PRESSURE = 10.0
# While memory forbids another worker it is asked again so often.
ASK_AGAIN = 2.0


class Bounds(NamedTuple):
    """The fewest and the most workers, and how long one must have been superfluous; 0 is for ever."""

    least: int
    most: int
    idle: float


class Load(NamedTuple):
    """What happened from `since` until now: how many workers were ready, how many of them were busy and how
    many requests waited, both on average."""

    since: float
    workers: int
    busy: float
    waiting: float


@dataclass(frozen=True)
class Trend:
    """What is remembered from one look to the next: since when there has been too much to do, and since when
    too little; None when there is not."""

    crowded_since: float | None = None
    roomy_since: float | None = None


class Decision(NamedTuple):
    workers: int
    trend: Trend
    look_at: float
    """When to ask again although nobody is busy; infinity for never."""
    cause: str = ""
    """Why it is another number than before."""


def decide(bounds: Bounds, workers: int, trend: Trend, load: Load, now: float) -> Decision:
    """How many workers there shall be where `workers` are wanted now: as many, one more or one fewer."""
    # While one is still coming nobody knows how much more is needed. One more than wanted is being replaced.
    is_complete = load.workers >= workers
    is_crowded = is_complete and load.busy >= FULL * load.workers and load.waiting >= WAITING
    # Who waits although there is room waits for something else, or by the wrong clock of a proxy.
    is_roomy = load.busy <= ROOMY * (workers - 1)
    crowded_since = _since(is_crowded, trend.crowded_since, load)
    roomy_since = _since(is_roomy, trend.roomy_since, load)
    if crowded_since is not None and workers < bounds.most and now >= crowded_since + UP_AFTER:
        cause = "all were busy while requests waited"
        return Decision(workers + 1, Trend(), now + SELDOM, cause)
    if roomy_since is not None and bounds.idle and workers > bounds.least:
        if now >= roomy_since + bounds.idle:
            cause = f"one fewer would have done for {bounds.idle:g} s"
            # Another may go after as long again: never two at a time.
            return Decision(workers - 1, Trend(), _seldom(bounds, workers - 1, now), cause)
        return Decision(workers, Trend(crowded_since, roomy_since), roomy_since + bounds.idle)
    return Decision(workers, Trend(crowded_since, roomy_since), _seldom(bounds, workers, now))


def _since(is_so: bool, since: float | None, load: Load) -> float | None:
    return (load.since if since is None else since) if is_so else None


def _seldom(bounds: Bounds, workers: int, now: float) -> float:
    """Where nobody could go there is nothing to look after while nobody comes."""
    return now + SELDOM if workers > bounds.least and bounds.idle else inf


class Memory(NamedTuple):
    """What there is for another worker, in bytes: what is `left`, of what, and what it may `need`; and for
    how many percent of the last 10 s processes had to wait for memory."""

    left: float
    left_of: str
    need: float
    pressure: float


def why_not(memory: Memory) -> str:
    """Why there must not be another worker; nothing when there may."""
    if memory.pressure >= PRESSURE:
        return f"processes waited for memory for {memory.pressure:.0f} % of the last 10 s"
    if memory.left < memory.need:
        left, need = memory.left / 2**20, memory.need / 2**20
        return f"{left:.0f} MiB are left of {memory.left_of}, and the largest worker has {need:.0f} MiB"
    return ""
