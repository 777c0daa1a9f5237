"""When a worker is to become the next mold, so that what its requests have loaded is shared: a pure rule.

The plan asks here. It has a successor ready for the worker before that is asked, and once it is the mold, all
who were forked from the one before it have done enough, and are replaced as such.
"""

from collections.abc import Iterator, Sequence
from math import inf

from .view import Child, Desired, Drain, Role, State

_ACTIVE = (State.STARTING, State.READY)


def next_mold(desired: Desired, children: Sequence[Child], now: float) -> Child | None:
    """The worker that is to become the mold, if it is time for one and everything is quiet: never beside a
    reload, nor while those of the mold before are still being replaced."""
    if not desired.refork_after or now < desired.refork_from:
        return None
    workers = [child for child in children if child.role is Role.HTTP and child.state is not State.KILLED]
    molds = [child for child in children if child.role is Role.MOLD and child.state in _ACTIVE]
    if any(child.generation != desired.generation for child in (*workers, *molds)):
        return None
    is_busy = any(w.state is State.MOLDING or (w.is_spent and w.state in _ACTIVE) for w in workers)
    if is_busy or len(molds) != 1 or molds[0].state is not State.READY:
        return None
    warm = [w for w in workers if w.state is State.READY and _is_warm(desired, w, molds[0])]
    # The one that has seen most; of equals the eldest, so that it stays the same from turn to turn.
    return max(warm, key=lambda worker: (worker.warmth, worker.served, -worker.key), default=None)


def _is_warm(desired: Desired, worker: Child, mold: Child) -> bool:
    """Each number of requests counts once: that of a worker's own mold is the number of molds before it."""
    after = desired.refork_after
    return mold.warmth <= worker.warmth < len(after) and worker.served >= after[worker.warmth]


def given_up(desired: Desired, children: Sequence[Child], now: float) -> Iterator[Drain]:
    """Who was to become a mold and shall no more leaves as any worker does: where one of its requests was
    interrupted, who knows what it holds; and where it takes too long, it is tied to a client."""
    for child in children:
        if child.state is State.MOLDING and (child.is_spent or now >= given_up_at(desired, child)):
            yield Drain(child.key)


def given_up_at(desired: Desired, child: Child) -> float:
    """When a child that is to become a mold has had its time; infinity for others."""
    return child.since + desired.patience if child.state is State.MOLDING and desired.patience else inf


def is_outdone(mold: Child, children: Sequence[Child]) -> bool:
    """Whether a warmer mold of its generation is there, and nobody waits to be born of this one."""
    is_waited_for = any(
        not child.is_born and child.state is State.STARTING and child.warmth == mold.warmth
        for child in children
        if child.role is not Role.MOLD and child.generation == mold.generation
    )
    return not is_waited_for and any(
        other.role is Role.MOLD
        and other.state is State.READY
        and other.generation == mold.generation
        and other.warmth > mold.warmth
        for other in children
    )
