"""Which code and which settings are wanted, and which are known to work.

A generation is proven when its first worker is ready. Until then the one before it serves, and is what a
failure goes back to.
"""

from dataclasses import dataclass

from ..settings.sections import Settings


@dataclass(frozen=True)
class Generation:
    """Settings under a number that counts reloads; `began_at` is when it was asked for."""

    number: int
    settings: Settings
    began_at: float


class Generations:
    """The desired generation, the serving one, and the settings of both."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._count = 1
        self.desired = Generation(1, settings, now)
        self.serving: Generation | None = None

    @property
    def is_proven(self) -> bool:
        """Whether what is desired is also what serves."""
        return self.serving is not None and self.serving.number == self.desired.number

    def is_overdue(self, now: float) -> bool:
        """Whether the desired generation has had start_timeout and is not proven."""
        timeout = self.desired.settings.start_timeout
        return not self.is_proven and timeout > 0 and now >= self.desired.began_at + timeout

    def begin(self, settings: Settings, now: float) -> Generation:
        """A new generation is desired from now on."""
        self._count += 1
        self.desired = Generation(self._count, settings, now)
        return self.desired

    def prove(self, number: int) -> bool:
        """A worker of this generation is ready; True when that is the proof of the desired one."""
        if number != self.desired.number or self.is_proven:
            return False
        self.serving = self.desired
        return True

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
