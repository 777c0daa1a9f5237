"""What the master does for the other clients of a worker that is kept by one request: a pure rule.

After a tick it nudges the worker, whose helper thread then hands them over. Where that thread gets no turn,
because C code keeps the interpreter's lock, the master takes them itself. And where nobody could serve them
either, it keeps them for the case that the worker ends.
"""

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import NamedTuple

# A request that takes longer keeps others waiting (issue: 100 ms at most, 200 where the lock is kept).
TICK = 0.05
# Where nobody takes from the relay, all but a part waits for so long: what is given then only goes round.
TICK_CLOGGED = 1.0
# What neither the worker nor the master could hand over is tried again, ever more seldom.
PATIENCE_MAX = 1.0


class Deed(Enum):
    NOTHING = "nothing"
    NUDGE = "nudge"
    RESCUE = "rescue"
    KEEP = "keep"
    """Its connections in duplicate, but for those that it must give away: in case it ends."""


@dataclass(frozen=True)
class Asked:
    """A nudge that was given: during which request, when, what the helper had done until then, how many
    connections there were, and how long it has."""

    request: int
    at: float
    turns: int
    connections: int
    patience: float = TICK


class Relief(NamedTuple):
    deed: Deed
    asked: Asked | None
    look_at: float


def relief(
    request: int,
    began_at: float,
    connections: int,
    turns: int,
    asked: Asked | None,
    now: float,
    *,
    is_clogged: bool = False,
) -> Relief:
    """What to do for a worker in its `request` (0: in none) that has so many connections and whose helper
    has had so many turns; what to remember, and when to ask again. `is_clogged`: what others have given still
    lies in the relay, since nobody has a moment for it."""
    if not request or connections < 2:
        return Relief(Deed.NOTHING, None, inf)
    if asked is None or asked.request != request:
        due = began_at + TICK
        if is_clogged and due <= now < began_at + TICK_CLOGGED:
            return Relief(Deed.KEEP, None, now + TICK)
        if now < due:
            return Relief(Deed.NOTHING, None, due)
        return Relief(Deed.NUDGE, Asked(request, now, turns, connections), now + TICK)
    due = asked.at + asked.patience
    if now < due:
        return Relief(Deed.NOTHING, asked, due)
    is_less = connections < asked.connections
    patience = TICK if is_less else min(2 * asked.patience, PATIENCE_MAX)
    deed = Deed.RESCUE if turns == asked.turns else Deed.NUDGE
    return Relief(deed, Asked(request, now, turns, connections, patience), now + patience)
