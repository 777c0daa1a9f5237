"""A run on its way from the agenda to its end. Only values."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..cron.events import Run, run_name


class Stage(Enum):
    """How far a run has come."""

    DUE = "due"
    CLAIMING = "claiming"
    ELSEWHERE = "elsewhere"
    GRANTED = "granted"
    RUNNING = "running"


@dataclass(eq=False)
class Flight:
    """`worker` is the key of the child that runs it, `began_at` when it was given to it (seconds since 1970),
    `output` the descriptor to which what it prints is copied, -1 for none, `asked_at` when the clerk was
    asked to claim it (monotonic)."""

    run: Run
    stage: Stage = Stage.DUE
    worker: int = 0
    began_at: float = 0.0
    output: int = -1
    asked_at: float = 0.0

    @property
    def name(self) -> str:
        return self.run.job.name

    @property
    def id(self) -> str:
        return run_name(self.name, self.run.at)

    @property
    def is_asked_for(self) -> bool:
        """Whether the clerk is to claim it, and has not said yet that it is claimed."""
        return self.stage in (Stage.CLAIMING, Stage.ELSEWHERE)

    @property
    def is_claimed(self) -> bool:
        """Whether the ledger says that it has begun."""
        return self.stage in (Stage.GRANTED, Stage.RUNNING)

    def close(self) -> None:
        """Lets go of where it prints."""
        output, self.output = self.output, -1
        if output >= 0:
            os.close(output)


def amount(told: object, most: float = 2.5e11) -> float:
    """What a child has told that a run has taken, or will, in seconds or another unit; `most` is what the
    ledger takes. Raises ValueError for what is no such number."""
    if not isinstance(told, (int, float)) or not 0 <= told < most:  # NaN is not, either
        raise ValueError(f"{told!r} is no amount")
    return float(told)


def _growth(told: Any) -> int:
    """By how many bytes of memory a run has grown; it may have given back more than it has taken."""
    size = int(amount(abs(told), 1 << 62))
    return size if told > 0 else -size


def ending(told: Mapping[str, Any]) -> dict[str, Any]:
    """How a run has ended, of what its worker has told. Raises KeyError, TypeError or ValueError."""
    return {
        "outcome": str(told["outcome"]),
        "real": amount(told["real"]),
        "cpu": amount(told["cpu"]),
        "memory": _growth(told["memory"]),
        "status": int(amount(told["status"])),
        "detail": str(told["detail"]),
    }
