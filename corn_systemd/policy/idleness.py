"""When an instance that nobody uses may end, because the next connection starts it again: a pure rule.

First all that serve are asked to leave, so that nobody accepts any more; the mold stays. Whatever one of
them has accepted meanwhile, and whoever knocks, calls them back. It is over only when nobody is left who
could hold a connection: who comes from then on waits in the backlog, which systemd keeps.
"""

from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

# While they leave, who knocks is not to wait.
TICK = 0.02
# Connections come and go without a word to the master: it looks ten times while `idle_exit` passes, and at
# least so often.
SELDOM = 5.0


class Seen(NamedTuple):
    """What there is to be seen now: the requests that were begun since the start; whether anything is open,
    under way or to come (a connection, a job, a reload, a question); and whether all who serve have gone."""

    requests: int
    is_in_use: bool
    is_empty: bool = False


@dataclass(frozen=True)
class Idle:
    """Since when it is idle, and after how many requests; resting: all that serve shall leave."""

    since: float
    requests: int
    is_resting: bool = False


class Idleness(NamedTuple):
    """What to remember, whether it is over, and when to look again."""

    idle: Idle | None
    is_over: bool
    look_at: float


def idleness(seen: Seen, before: Idle | None, allowed: float, now: float) -> Idleness:
    """What follows of what is seen now and of what was remembered before; it may be idle for `allowed`
    seconds, 0 for ever."""
    if not allowed:
        return Idleness(None, False, inf)
    look_at = now + min(allowed / 10, SELDOM)
    if before is None or seen.is_in_use or seen.requests != before.requests:
        return Idleness(Idle(now, seen.requests), False, look_at)
    if before.is_resting:
        return Idleness(before, seen.is_empty, now + TICK)
    if now >= before.since + allowed:
        return Idleness(replace(before, is_resting=True), False, now + TICK)
    return Idleness(before, False, min(look_at, before.since + allowed))
