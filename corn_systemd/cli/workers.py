"""How many workers an instance gets on this machine, and why."""

from ..limits import allotment
from ..settings.sections import Settings
from ..settings.workers import Headcount, headcount


def of_process(settings: Settings) -> Headcount:
    """For the master: by what this process was given."""
    return headcount(settings, allotment.of_process())


def of_instance(settings: Settings) -> Headcount:
    """For whoever asks about an instance: by what its service was given, if it runs."""
    return headcount(settings, allotment.of_instance(settings.name))


def text(count: Headcount) -> str:
    """The number, or the numbers, in words."""
    return f"{count.start}" if count.is_fixed else f"{count.start} at first, {count.least} to {count.most}"
