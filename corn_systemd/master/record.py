"""What the master knows of one process. Only values: it asks nobody."""

from dataclasses import dataclass, field
from math import inf

from ..lifeline import Lifeline
from ..limits.cgroup import Group
from ..policy.view import Role, State
from ..roster import Roster
from ..settings.sections import Limits


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
    retires: str = ""
    """Why another is to take its place, if that is so."""
    pid: int = 0
    state: State = State.STARTING
    since: float = 0.0
    kill_cause: str = ""
    last_words: tuple[str, str] | None = None
    """(summary, traceback) of the failure that it has told."""
    is_asked: bool = False
    """Whether the master has asked it to leave."""
    has_been_ready: bool = False
    is_on_line: bool = True

    @property
    def worker(self) -> int:
        """The number by which people know a worker: its slot, counted from 1."""
        return (self.slot or 0) + 1

    def enter(self, state: State, now: float) -> None:
        self.state = state
        self.since = now
