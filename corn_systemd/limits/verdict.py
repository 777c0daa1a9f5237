"""Whether a request has spent too much, and what is to be done about it: a pure rule.

First its code is interrupted by an exception, again every second, as one that is raised in a `__del__` is
swallowed. When it has not come back after the grace, its worker is taken from it. Memory leaves no time for
that: what is over it ends at once.
"""

from dataclasses import dataclass, replace
from enum import Enum
from math import inf
from typing import NamedTuple

AGAIN_AFTER = 1.0
# CPU time grows no faster than CPUs allow: so often it is looked at where it is all that could run out.
CPU_LOOK = 0.05


class Limit(Enum):
    """What ran out."""

    TIME_REAL = "time_real"
    TIME_CPU = "time_cpu"
    MEMORY_HARD = "memory_hard"


class Usage(NamedTuple):
    """What a request has spent: seconds since it began, seconds of CPU time, and the private memory of its
    worker in bytes."""

    real: float
    cpu: float = 0.0
    memory: float = 0.0

    def of(self, limit: Limit) -> float:
        return {Limit.TIME_REAL: self.real, Limit.TIME_CPU: self.cpu}.get(limit, self.memory)


@dataclass(frozen=True)
class Allowance:
    """What one request may spend, in the same units, and how many seconds its code may take to come back
    from an exception; infinite where it is off."""

    time_real: float = inf
    time_cpu: float = inf
    memory_hard: float = inf
    grace: float = inf

    def of(self, limit: Limit) -> float:
        allowed: float = getattr(self, limit.value)
        return allowed


class Deed(Enum):
    NOTHING = "nothing"
    INTERRUPT = "interrupt"
    TAKE_OVER = "take over"


@dataclass(frozen=True)
class Struck:
    """A request that is over a limit, or was when it was interrupted: first and last when."""

    request: int
    limit: Limit
    first_at: float
    last_at: float

    def later(self, seconds: float) -> "Struck":
        """The same as if the clock had stood still for so long since."""
        return replace(self, first_at=self.first_at + seconds, last_at=self.last_at + seconds)


class Verdict(NamedTuple):
    deed: Deed
    struck: Struck | None
    look_at: float
    """When to ask again."""


def verdict(allowed: Allowance, request: int, usage: Usage, struck: Struck | None, now: float) -> Verdict:
    """What to do about a request that has spent so much until now; `struck` is what the last verdict said of
    its worker."""
    if usage.memory >= allowed.memory_hard:
        over = Struck(request, Limit.MEMORY_HARD, now, now)
        return Verdict(Deed.TAKE_OVER, over, now + AGAIN_AFTER)
    if struck is not None and (
        struck.request != request
        # Within its limit again: its code has asked for more time.
        or usage.of(struck.limit) < allowed.of(struck.limit)
    ):
        struck = None
    if struck is not None:
        patience_at = struck.first_at + allowed.grace
        if now >= patience_at:
            return Verdict(Deed.TAKE_OVER, struck, now + AGAIN_AFTER)
        if now >= struck.last_at + AGAIN_AFTER:
            struck = Struck(request, struck.limit, struck.first_at, now)
            return Verdict(Deed.INTERRUPT, struck, min(now + AGAIN_AFTER, patience_at))
        return Verdict(Deed.NOTHING, struck, min(struck.last_at + AGAIN_AFTER, patience_at))
    if usage.real >= allowed.time_real:
        limit = Limit.TIME_REAL
    elif usage.cpu >= allowed.time_cpu:
        limit = Limit.TIME_CPU
    else:
        cpu_at = now + max(CPU_LOOK, allowed.time_cpu - usage.cpu) if allowed.time_cpu < inf else inf
        return Verdict(Deed.NOTHING, None, min(now + allowed.time_real - usage.real, cpu_at))
    return Verdict(Deed.INTERRUPT, Struck(request, limit, now, now), now + min(AGAIN_AFTER, allowed.grace))
