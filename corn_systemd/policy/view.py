"""What the master knows and may do, as values: children, what is desired, and the actions."""

from dataclasses import dataclass, replace
from enum import Enum
from math import inf

# Ctrl-C: running requests get this long.
QUICK = 1.0


class Role(Enum):
    """What a child is for."""

    MOLD = "mold"
    HTTP = "http"
    CRON = "cron"
    CLERK = "clerk"


class State(Enum):
    """Where a child is in its life; a child that has ended is no child any more."""

    STARTING = "starting"
    READY = "ready"
    MOLDING = "molding"  # asked to become a mold
    DRAINING = "draining"  # asked to leave
    CUT_OFF = "cut off"  # its lifeline has ended, and so should it have
    KILLED = "killed"  # sent SIGKILL, not yet reaped


@dataclass(frozen=True)
class Child:
    """The master's record of one process. `key` is unique over the master's life; a pid is not. `is_born`:
    it has been heard of; until then it is a wish that its mold has to fulfil. `is_spent`: another shall take
    its place. `warmth`: how many of the molds that it descends from had been workers before. `served`: how
    many requests it has answered. `idle_since`: since when it has nothing to finish, else infinity."""

    key: int
    role: Role
    generation: int
    state: State
    since: float
    is_born: bool = True
    is_spent: bool = False
    warmth: int = 0
    served: int = 0
    idle_since: float = inf


@dataclass(frozen=True)
class Desired:
    """What shall be: workers of this generation, so many; none at all when stopping. So many of them for
    jobs, and whether there shall be a clerk, who is of no generation, and from when on (back-off).
    Resting: none of all these for now, but the mold, from which they come back.

    `hold_until` is the instant before which nothing is started (back-off). `linger` is how long a
    draining worker keeps idle connections, and `patience` how long a child may take to leave.

    `refork_after`: after how many requests a worker becomes the first, the second… next mold, but none before
    `refork_from`.
    """

    generation: int
    http: int
    stopping: bool = False
    hold_until: float = 0.0
    start_timeout: float = 60.0
    linger: float = 1.0
    patience: float = 60.0
    cron: int = 0
    has_clerk: bool = False
    clerk_from: float = 0.0
    resting: bool = False
    refork_after: tuple[int, ...] = ()
    refork_from: float = 0.0

    def stopped(self, *, is_quick: bool) -> "Desired":
        """The same, stopping; quick as after Ctrl-C, where idle connections get no time."""
        if is_quick:
            return replace(self, stopping=True, linger=0.0, patience=QUICK)
        return replace(self, stopping=True)


@dataclass(frozen=True)
class StartMold:
    generation: int


@dataclass(frozen=True)
class StartClerk:
    pass


@dataclass(frozen=True)
class Fork:
    """Ask the mold of this generation for one more worker."""

    generation: int
    role: Role


@dataclass(frozen=True)
class Drain:
    """Ask a child to finish what it does and leave, or to become a mold instead of leaving."""

    key: int
    becomes_mold: bool = False


@dataclass(frozen=True)
class Kill:
    key: int
    cause: str


Action = StartMold | StartClerk | Fork | Drain | Kill
