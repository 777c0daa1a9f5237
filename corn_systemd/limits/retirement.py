"""Whether a worker has done enough, so that another should take its place: a pure rule."""

from math import inf

from ..settings.sections import Limits

# So many processes that ended under a worker and are waited for by nobody: without control groups a worker is
# the parent of what its processes leave behind, and only its own end clears them away.
DEAD_MOST = 64
# Workers that began together must not end together: each has its own number of requests, within a tenth.
JITTER = 0.1


def requests_most(limits: Limits, chance: float) -> float:
    """How many requests a worker may serve; `chance` is from 0 to 1, drawn once for it."""
    if not limits.request:
        return inf
    return max(1, round(limits.request * (1 - JITTER + 2 * JITTER * chance)))


def why_retired(
    limits: Limits, requests_most: float, *, requests: int, age: float, memory: float = 0.0, dead: int = 0
) -> str:
    """Why a worker of that age, in seconds, with so many requests behind it, so many bytes of private memory
    and so many dead children has done enough; nothing when it has not."""
    if requests >= requests_most and age >= limits.lifetime_min:
        return f"it has served {requests} requests (limits.request = {limits.request})"
    # Whoever is over the hard limit in no request, since what it took came late, needs no other end.
    for name, most in (("memory_soft", limits.memory_soft), ("memory_hard", limits.memory_hard)):
        if most and memory >= most:
            used, allowed = f"{memory / 2**20:.0f} MiB", f"{most / 2**20:.0f} MiB"
            return f"it uses {used} of private memory (limits.{name} = {allowed})"
    if dead >= DEAD_MOST:
        return f"{dead} processes have ended under it, and nobody waits for them"
    if limits.lifetime and age >= limits.lifetime:
        return f"it has lived for {age:.0f} s (limits.lifetime = {limits.lifetime:g} s)"
    return ""
