"""How many workers an instance gets on this machine, and why."""

import os

from ..settings.kinds import AUTO
from ..settings.sections import Settings
from ..settings.workers import auto


def number(settings: Settings) -> int:
    """The workers that are to run: the number that was set, or what "auto" comes to here."""
    return auto(_cpus()) if settings.workers.count == AUTO else settings.workers.count


def reason(settings: Settings) -> str:
    """Why it is that number, for humans; empty if it was simply set."""
    if settings.workers.count != AUTO:
        return ""
    cpus = _cpus()
    return f"2 × {cpus} CPU{'s' if cpus > 1 else ''} + 1"


def _cpus() -> int:
    # What this process may use, not what the machine has: cpusets and taskset(1) count.
    return len(os.sched_getaffinity(0))
