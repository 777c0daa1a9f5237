"""What the master knows of one process. Only values, and what it must give back: it asks nobody."""

import os
from dataclasses import dataclass, field
from math import inf

from ..lifeline import Lifeline
from ..limits.cgroup import Group
from ..policy.view import Child, Role, State
from ..roster import Roster
from ..settings.sections import Limits


@dataclass(frozen=True)
class Overrun:
    """Why a job was ended: the limit that it was over, if it was, the cause in words, and the Python stacks
    of all threads at that moment."""

    limit: str
    cause: str
    stacks: str = ""


@dataclass(eq=False)
class Record:
    """One process, from the request for it until it has been reaped. `pid` is 0 until it has said it."""

    key: int
    role: Role
    generation: int
    born_at: float
    lifeline: Lifeline
    slot: int | None = None
    nudge_fd: int = -1
    """An eventfd by which a worker's helper thread is asked to hand its clients over."""
    roster: Roster | None = None
    stacks_fd: int = -1
    """Where a worker writes the stacks of its threads when it is asked to by a signal."""
    limits: Limits = field(default_factory=Limits)
    requests_most: float = inf
    id_field: str = ""
    """The field in which answers tell the id of their request, if they do."""
    group: Group | None = None
    """Its control group, where there is one."""
    overrun: Overrun | None = None
    """Why the master has ended its job, if it has."""
    retires: str = ""
    """Why another is to take its place, if that is so."""
    warmth: int = 0
    """How many of the molds that it descends from had been workers before, itself included."""
    served: int = 0
    """How many requests a worker had answered when the master looked last."""
    idle_since: float = inf
    """Since when a worker has been seen with nothing to finish; infinity while it has something."""
    has_been_chosen: bool = False
    """Whether it has been asked to become a mold."""
    pid: int = 0
    state: State = State.STARTING
    since: float = 0.0
    kill_cause: str = ""
    last_words: tuple[str, str] | None = None
    """(summary, traceback) of the failure that it has told."""
    is_asked: bool = False
    """Whether the master has asked it to leave."""
    has_been_ready: bool = False
    task: str = "it started"
    """What it was at when it ended before it was ready."""
    is_given: bool = False
    """Whether it has been given a job, or the poller, of whose end it has not told."""
    is_on_line: bool = True

    @property
    def worker(self) -> int:
        """The number by which people know a worker: its slot, counted from 1."""
        return (self.slot or 0) + 1

    def give_back(self) -> None:
        """Closes what the master has of a worker beside its lifeline."""
        if self.nudge_fd >= 0:
            os.close(self.nudge_fd)
        if self.roster is not None:
            self.roster.close()
        if self.stacks_fd >= 0:
            os.close(self.stacks_fd)
        self.roster, self.nudge_fd, self.stacks_fd = None, -1, -1

    def view(self) -> Child:
        """What the plan sees of it."""
        return Child(
            self.key, self.role, self.generation, self.state, self.since, is_born=self.pid > 0,
            is_spent=bool(self.retires), warmth=self.warmth, served=self.served, idle_since=self.idle_since,
        )  # fmt: skip

    def enter(self, state: State, now: float) -> None:
        self.state = state
        self.since = now
