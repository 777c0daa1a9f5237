"""The one decision of the master: what is desired and what is there → what to do.

Start, scaling, reload, stop, crash and an overdue child are all this function; the story of each is told
by its history in the tests. Called every turn, it must be idempotent: what it asked for shows in the
children of the next turn. Pure; `now` is an argument.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

from .refork import given_up, given_up_at, is_outdone, next_mold
from .view import Action, Child, Desired, Drain, Fork, Kill, Role, StartClerk, StartMold, State

_ACTIVE = (State.STARTING, State.READY)
# A fork takes milliseconds: a mold that has not made one after so long is stuck, and only its end helps.
FORK_PATIENCE = 10.0
# A child whose lifeline has ended is reaped at once, unless it has only closed its end.
CUT_OFF_PATIENCE = 1.0
# So many wishes a mold's lifeline holds, whatever the mold is doing.
UNBORN_MAX = 32


def plan(desired: Desired, children: Sequence[Child], now: float) -> list[Action]:
    """The actions of this turn, in the order in which they are to be done."""
    if desired.stopping:
        return [*_overdue(desired, children, now), *_stop(children)]
    if desired.resting:
        return [*_overdue(desired, children, now), *_stop([c for c in children if c.role is not Role.MOLD])]
    overdue = list(_overdue(desired, children, now))
    killed = {action.key for action in overdue}
    # Killed is not gone: who must be the only one has no successor yet.
    left = [replace(child, state=State.KILLED) if child.key in killed else child for child in children]
    workers = [*given_up(desired, left, now), *_workers(desired, left, now), *_cron(desired, left, now)]
    return [*overdue, *_molds(desired, left, now), *workers, *_clerk(desired, left, now)]


def is_settled(desired: Desired, children: Sequence[Child]) -> bool:
    """Whether all workers are of the desired generation, and as many as desired are ready; those that are
    leaving do not count, and one that is to be replaced counts until then."""
    workers = [child for child in children if child.role is Role.HTTP and child.state in _ACTIVE]
    ready = sum(worker.state is State.READY for worker in workers)
    return ready >= desired.http and all(worker.generation == desired.generation for worker in workers)


def next_instant(desired: Desired, children: Sequence[Child], now: float) -> float:
    """When plan() may say something new although nothing happens; infinity when never."""
    instants = [deadline for child in children if (deadline := _deadline(desired, child)) is not None]
    instants += [given_up_at(desired, child) for child in children]
    if desired.patience and any(
        c.role is Role.HTTP and c.state is State.DRAINING and c.idle_since == inf for c in children
    ):
        # Nobody tells when its last client has gone.
        instants.append(now + desired.patience)
    instants += [instant for instant in (desired.hold_until, desired.clerk_from) if now < instant]
    return min(instants, default=float("inf"))


def _deadline(desired: Desired, child: Child) -> float | None:
    if not child.is_born and child.state is State.STARTING:
        return child.since + FORK_PATIENCE
    if child.state is State.STARTING and desired.start_timeout:
        return child.since + desired.start_timeout
    if child.state is State.CUT_OFF:
        return child.since + CUT_OFF_PATIENCE
    if child.state is State.DRAINING and desired.patience:
        # Who leaves because it has done enough finishes what it does: its request has limits of its own, and
        # so has a job. Who has nothing to finish may still wait for ever, for a thread of the application's.
        may_finish = not desired.stopping and (child.is_spent or child.role is Role.CRON)
        since = max(child.since, child.idle_since) if may_finish else child.since
        return since + desired.patience if since < inf else None
    return None


def _overdue(desired: Desired, children: Sequence[Child], now: float) -> Iterator[Kill]:
    waiting: dict[int, float] = {}
    for child in children:
        deadline = _deadline(desired, child)
        if deadline is None or now < deadline:
            continue
        if not child.is_born and child.state is State.STARTING:
            waiting[child.generation] = max(child.since, waiting.get(child.generation, 0.0))
        elif child.state is State.STARTING:
            yield Kill(child.key, f"not ready within start_timeout ({desired.start_timeout:g} s)")
        elif child.state is State.CUT_OFF:
            yield Kill(child.key, "it has closed its lifeline")
        else:
            yield Kill(child.key, f"not gone within {desired.patience:g} s of being asked to")
    for mold in children:
        # Not its successor, which nobody has asked yet.
        is_asked = mold.role is Role.MOLD and mold.state is State.READY and mold.generation in waiting
        if is_asked and mold.since <= waiting[mold.generation]:
            yield Kill(mold.key, f"it has not forked within {FORK_PATIENCE:g} s of being asked to")


def _stop(children: Sequence[Child]) -> Iterator[Action]:
    for child in children:
        # The clerk writes down how the last jobs end.
        is_needed = child.role is Role.CLERK and any(other.role is not Role.CLERK for other in children)
        if child.state in (*_ACTIVE, State.MOLDING) and not is_needed:
            # A worker that is not ready serves nobody, and a mold has nothing to finish.
            is_idle = child.role is Role.MOLD or child.state is State.STARTING
            yield Kill(child.key, "stopping") if is_idle else Drain(child.key)


def _molds(desired: Desired, children: Sequence[Child], now: float) -> Iterator[Action]:
    molds = [child for child in children if child.role is Role.MOLD]
    current = [mold for mold in molds if mold.generation == desired.generation]
    if not any(mold.state in _ACTIVE for mold in current) and now >= desired.hold_until:
        yield StartMold(desired.generation)
    is_complete = is_settled(desired, children)
    for mold in molds:
        # An older mold has the older code, to which a failure goes back: it stays until all is well. A newer
        # one has failed.
        is_older = mold.generation < desired.generation
        is_stale = is_complete if is_older else mold.generation > desired.generation
        if mold.state in _ACTIVE and is_stale:
            yield Kill(mold.key, "its generation has been replaced")
        elif mold.state in _ACTIVE and is_outdone(mold, children):
            yield Kill(mold.key, "a worker has become the mold in its place")


def _workers(desired: Desired, children: Sequence[Child], now: float) -> Iterator[Action]:
    workers = [child for child in children if child.role is Role.HTTP and child.state in _ACTIVE]
    leaving = sum(c.is_spent and c.role is Role.HTTP and c.state is State.DRAINING for c in children)
    may_leave = leaving < max(1, desired.http // 4)
    chosen = next_mold(desired, children, now) if is_settled(desired, children) else None
    others = [
        w for w in workers if w.generation != desired.generation or (w.is_spent and may_leave) or w is chosen
    ]
    current = [worker for worker in workers if worker not in others]
    ready = sum(worker.state is State.READY for worker in workers)

    is_proven = any(worker.state is State.READY for worker in current)

    mold = _newest_mold(desired, children)
    if current and not is_proven:
        # Nobody knows yet whether the first successor works: who dies meanwhile is replaced by what does.
        older = [child for child in children if child.generation < desired.generation]
        mold = _newest_mold(desired, older) or mold
    if mold is not None and now >= desired.hold_until:
        if mold.generation == desired.generation:
            # Beside workers of another generation one more than desired may live: the successor comes
            # first, and the first successor comes in any case.
            room = desired.http + bool(others) - len(workers)
            missing = min(desired.http - len(current), room if current else max(room, 1))
        else:
            missing = desired.http - len(workers if is_proven else others)
        unborn = sum(not worker.is_born for worker in workers)
        for _ in range(min(missing, UNBORN_MAX - unborn)):
            yield Fork(mold.generation, Role.HTTP)

    # Nobody leaves whom the clients still need, nor before the desired generation has shown that it lives.
    surplus = ready - desired.http if is_proven else 0
    for worker in sorted(others, key=lambda child: (child.generation, child.since)):
        if worker.state is State.STARTING and worker.generation > desired.generation:
            yield Kill(worker.key, "its generation has been given up")
        elif worker.state is State.READY and surplus > 0:
            surplus -= 1
            yield Drain(worker.key, becomes_mold=worker is chosen)
    excess = len(current) - desired.http
    for worker in sorted(current, key=lambda child: (child.state is State.READY, child.since)):
        if excess > 0 and not others:
            excess -= 1
            yield Drain(worker.key)


def _cron(desired: Desired, children: Sequence[Child], now: float) -> Iterator[Action]:
    """Never more of them than there shall be, those that are leaving included: a job is not run by two. So
    nobody's successor is there before it has gone, and nobody goes before the generation has shown itself."""
    if not is_settled(desired, children):
        return
    workers = [child for child in children if child.role is Role.CRON]
    active = sorted((w for w in workers if w.state in _ACTIVE), key=lambda child: child.since)
    stale = [worker for worker in active if worker.generation != desired.generation or worker.is_spent]
    current = [worker for worker in active if worker not in stale]
    for worker in [*stale, *current[desired.cron :]]:
        is_idle = worker.state is State.STARTING
        yield Kill(worker.key, "another takes its place") if is_idle else Drain(worker.key)
    mold = _newest_mold(desired, children)
    if mold is not None and mold.generation == desired.generation and now >= desired.hold_until:
        for _ in range(desired.cron - len(workers)):
            yield Fork(mold.generation, Role.CRON)


def _clerk(desired: Desired, children: Sequence[Child], now: float) -> Iterator[Action]:
    clerks = [child for child in children if child.role is Role.CLERK]
    is_in_use = desired.has_clerk or any(child.role is Role.CRON for child in children)
    if desired.has_clerk and not clerks and now >= max(desired.hold_until, desired.clerk_from):
        yield StartClerk()
    for clerk in clerks:
        if clerk.state in _ACTIVE and not is_in_use:
            yield Drain(clerk.key)


def _newest_mold(desired: Desired, children: Sequence[Child]) -> Child | None:
    """The mold to fork from: of the desired generation, or meanwhile of the one before it; the warmest."""
    ready = [
        child
        for child in children
        if child.role is Role.MOLD and child.state is State.READY and child.generation <= desired.generation
    ]
    return max(ready, key=lambda mold: (mold.generation, mold.warmth), default=None)
