"""How much of its load a worker should give away: a pure rule, asked by the worker that has it.

The kernel gives new connections to whoever slept last, so that one worker may have them all (accept with
EPOLLEXCLUSIVE is last in, first out). What is shared is the queue in front of each worker, the clients that
ask at the same moment: idle connections weigh nothing, and a request weighs what it makes others wait.
"""

from collections.abc import Sequence
from typing import NamedTuple

# Queues differ by chance: below this nobody is relieved, and connections stay where they are.
EXCESS_MIN, GREEDY = 2, 1.5


class Sibling(NamedTuple):
    """Another worker: how many clients have asked it at once, and whether one of them keeps it."""

    waiting: int
    is_kept: bool


def surplus(waiting: int, siblings: Sequence[Sibling]) -> tuple[int, int]:
    """(how many of the clients that wait here should go elsewhere, how many siblings want some).

    Whoever is kept by a request takes no part. (0, 0) when all have about the same.
    """
    free = [sibling.waiting for sibling in siblings if not sibling.is_kept]
    if not free:
        return 0, 0
    mean = (waiting + sum(free)) / (len(free) + 1)
    excess = int(waiting - mean)
    if excess < EXCESS_MIN or waiting < GREEDY * mean:
        return 0, 0
    return excess, sum(theirs < mean for theirs in free)
