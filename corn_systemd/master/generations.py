"""Which code and which settings are wanted, and which are known to work.

A generation is proven when its first worker is ready; it serves when all its workers are. Until then the one
before it is what a failure goes back to. The first one has none before it, and serves when it is proven.
"""

from dataclasses import dataclass

from ..policy.view import Desired
from ..settings.kinds import Job
from ..settings.sections import Settings

# A worker that leaves keeps idle connections for so long: who sends meanwhile is answered, and told so.
LINGER = 1.0


@dataclass(frozen=True)
class Generation:
    """Settings under a number that counts reloads; `began_at` is when it was asked for."""

    number: int
    settings: Settings
    began_at: float

    def desired(self, workers: int) -> Desired:
        """What the plan is to bring about."""
        return Desired(
            generation=self.number,
            http=workers,
            start_timeout=self.settings.start_timeout,
            linger=LINGER,
            patience=self.settings.stop_timeout,
            # Where every worker imports the application for itself there is nothing to share.
            refork_after=self.settings.refork_after if self.settings.preload else (),
        )


class Generations:
    """The desired generation, the serving one, and the settings of both."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._count = 1
        self.desired = Generation(1, settings, now)
        self.serving: Generation | None = None
        self._progress_at = now
        self._declared: dict[int, tuple[Job, ...]] = {}
        self._proven = 0

    @property
    def is_settled(self) -> bool:
        """Whether what is desired is also what serves."""
        return self.serving is not None and self.serving.number == self.desired.number

    def obstacle(self, desired: Desired) -> str:
        """Why nothing can be asked for now."""
        if desired.stopping:
            return "the instance is stopping"
        return "" if self.serving is not None else "the instance is still starting"

    def is_overdue(self, now: float) -> bool:
        """Whether the desired generation has had start_timeout since its last progress."""
        timeout = self.desired.settings.start_timeout
        return not self.is_settled and timeout > 0 and now >= self._progress_at + timeout

    def is_checked(self, number: int) -> bool:
        """Whether a worker of this generation must answer reload.check: none has shown that it works."""
        is_new = self.serving is not None and number == self.desired.number != self.serving.number
        return is_new and number != self._proven and bool(self.desired.settings.reload.check)

    def begin(self, settings: Settings, now: float) -> Generation:
        """A new generation is desired from now on."""
        self._count += 1
        self.desired = Generation(self._count, settings, now)
        self._progress_at = now
        return self.desired

    def advance(self, number: int, now: float) -> bool:
        """A worker of this generation is ready; True when that makes the first generation serve."""
        if number == self.desired.number:
            self._progress_at = now
            self._proven = number
            if self.serving is None:
                self.serving = self.desired
                return True
        return False

    def declare(self, number: int, jobs: tuple[Job, ...]) -> None:
        """The application of this generation declares these jobs; what is said first counts."""
        self._declared.setdefault(number, jobs)

    def declared(self, number: int) -> tuple[Job, ...]:
        return self._declared.get(number, ())

    def in_force(self) -> tuple[int, Settings, tuple[Job, ...]]:
        """The number of the generation that serves, its settings, and the jobs that its application
        declares."""
        serving = self.serving or self.desired
        return serving.number, serving.settings, self.declared(serving.number)

    def settle(self) -> Generation:
        """All workers of the desired generation are ready: it serves."""
        self.serving = self.desired
        self._declared = {self.serving.number: self.declared(self.serving.number)}
        return self.serving

    def give_up(self) -> Generation | None:
        """The desired generation does not work: desires what serves again, None when nothing does."""
        if self.serving is not None:
            self.desired = self.serving
        return self.serving

    def settings(self, number: int) -> Settings:
        """The settings of the desired or the serving generation."""
        if self.serving is not None and number == self.serving.number:
            return self.serving.settings
        return self.desired.settings
