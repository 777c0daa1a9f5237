"""What children say and what becomes of them: events, which are values, for the master to judge."""

from dataclasses import dataclass
from typing import Any

from ..errors import AppError, ConfigError, CornError, Unavailable
from ..lifeline import Message
from ..policy.view import Role
from ..settings.kinds import Job
from ..settings.sections import job_from_message
from ..slot import SlotView
from .record import Overrun, Record


@dataclass(frozen=True)
class BecameReady:
    """`jobs` are those that the application declares, None where it is not known yet, and `broken` why jobs
    of the settings can not be called, by their names."""

    record: Record
    warnings: list[str]
    jobs: tuple[Job, ...] | None
    broken: dict[str, str]


@dataclass(frozen=True)
class Said:
    """Something about jobs, or about becoming a mold, which is for those who know of them."""

    record: Record
    message: Message


@dataclass(frozen=True)
class Loaded:
    """A worker has the application, and takes in nobody before it is told to."""

    record: Record


@dataclass(frozen=True)
class ForkRefused:
    """The child that was asked for was never born; its record is gone."""

    record: Record
    cause: str


@dataclass(frozen=True)
class Ended:
    """A child is no more; `view` is what its slot said last. Its record is gone."""

    record: Record
    cause: str
    is_clean: bool
    view: SlotView | None
    lost: tuple[int, int] = (0, 0)
    """The connections that it took with it, and those of which it held a part."""
    free: frozenset[int] = frozenset()
    """Its descriptors of connections that anybody could go on with."""
    out_of_memory: str = ""
    """Whose limit of memory it was, if the kernel has killed it for that."""
    stacks: str = ""
    """The Python stacks of its threads at that moment, where it could still write them."""

    @property
    def is_expected(self) -> bool:
        """Whether the master has ended it, or it has left when it was asked to."""
        return bool(self.record.kill_cause) or (self.record.is_asked and self.is_clean)

    @property
    def has_served(self) -> bool:
        return self.view is not None and self.view.requests > 0

    def why_lost(self, run: str) -> Overrun | None:
        """What has ended this run; None if it had come to its own end, and could not say so any more."""
        if self.view is not None and self.view.is_well and self.view.request_id == run:
            return None
        limit = "memory_hard" if self.out_of_memory == "its own" else ""
        return self.record.overrun or Overrun(limit, self.record.kill_cause or self.cause, self.stacks)

    @property
    def words(self) -> str:
        """How it ended, with the last that it said itself."""
        return f"{self.cause}, {self.record.last_words[0]}" if self.record.last_words else self.cause

    def as_error(self) -> CornError:
        """Why a generation that this child was to bring up has failed: in its own words, if it had some."""
        if self.record.last_words is not None:
            return AppError(*self.record.last_words)
        if self.record.role is Role.MOLD:
            cause = f"the interpreter ended while it imported the application: {self.cause}"
            # By itself: only a change of the application, or of `python`, mends that. A signal may be luck.
            return Unavailable(cause) if "signal" in self.cause else ConfigError(cause)
        return Unavailable(f"the first worker ended while {self.record.task}: {self.cause}")


@dataclass(frozen=True)
class Raves:
    """What a child has sent is no message: its lifeline is in other hands, and it can not be led by it."""

    record: Record
    cause: str


Event = BecameReady | Said | Loaded | ForkRefused | Ended | Raves


def ready(record: Record, fields: dict[str, Any]) -> BecameReady:
    """What a child has said when it was ready. Raises AttributeError, KeyError or TypeError for nonsense."""
    jobs, broken = fields.get("jobs"), fields.get("broken", {})
    return BecameReady(
        record,
        [str(warning) for warning in fields.get("warnings", [])],
        None if jobs is None else tuple(map(job_from_message, jobs)),
        {str(name): str(cause) for name, cause in broken.items()},
    )
