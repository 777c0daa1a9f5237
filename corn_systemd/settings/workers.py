"""What the settings of [workers] come to on a machine. Pure: what the service was given is an argument."""

from math import inf
from typing import NamedTuple

from .kinds import AUTO, WORKERS_MOST
from .sections import Settings


class Allotment(NamedTuple):
    """What a service was given: CPUs, and bytes of memory, with the names of the control groups that limit
    them, if any does."""

    cpus: float
    cpus_by: str = ""
    memory: float = inf
    memory_by: str = ""


class Headcount(NamedTuple):
    """How many workers at the start, and between which numbers then; why, if nobody has set `start`."""

    start: int
    least: int
    most: int
    reason: str = ""

    @property
    def is_fixed(self) -> bool:
        return self.least == self.most


def headcount(settings: Settings, given: Allotment) -> Headcount:
    """How many workers there shall be: `count` at first, and where `min` or `max` are set, between them."""
    workers = settings.workers
    count, reason = workers.count, ""
    if count == AUTO:
        count, reason = _auto(settings, given)
        if workers.max and count > workers.max:
            count, reason = workers.max, f"workers.max; {reason} would be {count}"
        elif count < workers.min:
            count, reason = workers.min, f"workers.min; {reason} would be {count}"
    return Headcount(count, workers.min or count, workers.max or count, reason)


def auto(cpus: float) -> int:
    """Two workers for each CPU that may be used, and one more; never fewer than two, so that one long
    request is not the whole service.

    The rule is gunicorn's, and old: while one of the two waits for a database the other computes.
    """
    return min(max(2, int(2 * cpus) + 1), WORKERS_MOST)


def _auto(settings: Settings, given: Allotment) -> tuple[int, str]:
    """What "auto" comes to, and how: so many as CPUs can keep busy, if memory has room for them."""
    by_cpus = auto(given.cpus)
    by = f" ({given.cpus_by})" if given.cpus_by else ""
    reason = f"2 × {given.cpus:g} CPU{'s' if given.cpus > 1 else ''}{by} + 1"
    # A worker beyond it is replaced: so much each of them may have for good.
    name, each = "memory_soft", settings.limits.memory_soft
    if not each:
        name, each = "memory_hard", settings.limits.memory_hard
    by_memory = max(2, int(given.memory / each)) if each and given.memory < inf else by_cpus
    if by_memory >= by_cpus:
        return by_cpus, reason
    return by_memory, (
        f"the {given.memory / 2**20:.0f} MiB of {given.memory_by} hold so many of {each / 2**20:.0f} MiB "
        f"(limits.{name}); {reason} would be {by_cpus}"
    )
