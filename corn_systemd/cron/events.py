"""What an agenda says and what it is told: values, with instants as float seconds since 1970."""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ..settings.kinds import Job


@dataclass(frozen=True)
class Past:
    """What is known of a job from before; JSON can carry it."""

    mark: float | None = None
    """Until when its due runs are accounted for; None for a job that is new."""
    rhythm: str = ""
    """What the mark belongs to: a job that has another schedule now is new. Empty: whatever it has."""
    is_asleep: bool = False
    """Whether it was disabled, paused or suspended: nothing since the mark is to be made up for."""
    failures: int = 0
    """How many runs in a row have failed."""
    is_paused: bool = False
    running: float | None = None
    """The key of the run that has been told and has not ended."""
    waiting: float | None = None
    """The key of the run that waits for its end."""


@dataclass(frozen=True)
class Run:
    """To be started. (job, at) is its key, the same on every machine: the instant at which it was due or, by
    hand, at which somebody asked."""

    job: Job
    at: float
    is_caught_up: bool = False
    is_by_hand: bool = False


def run_name(job: str, at: float) -> str:
    """The name of a run, in the journal and on the scoreboard."""
    return f"{job}-{f'{at:.3f}'.rstrip('0').rstrip('.')}"


class Because(Enum):
    RUNNING = "the last run has not ended"
    WAITING = "the last run has not ended, and one waits for it already"
    PAUSED = "the job was paused"
    SUSPENDED = "the job was suspended"


@dataclass(frozen=True)
class Skipped:
    """A due run that will not be."""

    job: Job
    at: float
    because: Because


@dataclass(frozen=True)
class Missed:
    """Due runs, from the first to the last of them, that nobody was there to start, and that will not be."""

    job: Job
    first_at: float
    last_at: float


@dataclass(frozen=True)
class HeldBack:
    """A job that has failed, and of which the runs that are due until then are left out."""

    job: Job
    failures: int
    until: float


@dataclass(frozen=True)
class Suspended:
    """A job that has failed too often; resume() brings it back."""

    job: Job
    failures: int


@dataclass(frozen=True)
class Disbelieved:
    """A job whose mark was far ahead of the clock, which has been put back: it goes on from now."""

    job: Job
    mark: float


Event = Run | Skipped | Missed | HeldBack | Suspended | Disbelieved


class Outlook(Enum):
    """What a job is up to when no run of it lasts."""

    SCHEDULED = "scheduled"
    DISABLED = "disabled"
    PAUSED = "paused"
    SUSPENDED = "suspended"


class View(NamedTuple):
    """One job, to be shown. The next run is due at `due_at`, and begins at `start_at`; infinity if there is
    none in sight."""

    outlook: Outlook
    due_at: float
    start_at: float
    past: Past
