"""Children that have ended though nobody asked them to: what is told of them, and how soon others may follow.

Starts nobody: it says until when nobody shall be started.
"""

from ..policy.backoff import Backoff
from ..policy.view import Role
from .events import Ended
from .voice import Voice


class Deaths:
    """Those that die young, in a row. Each is told of while others follow at once; later on only each try.
    `hold_until` is the instant (monotonic) before which nobody shall be started."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._backoff = Backoff()
        self._cause = ""
        self.hold_until = 0.0
        self.refusals: dict[int, str] = {}
        """Why the last child of a generation that was asked for was not born."""

    def heed(self, death: Ended, now: float) -> None:
        """One has ended by itself."""
        # Who has served before it died was ended by a request, not by its start; and how soon there may be
        # another clerk is for those who need one.
        if death.has_served or death.record.role is Role.CLERK:
            self._voice.died(death)
            return
        before, self._backoff = self._backoff, self._backoff.died(death.record.born_at, now)
        self.hold_until, self._cause = self._backoff.hold_until, death.words
        if not self._backoff.delay:
            self._voice.died(death)
        elif self._backoff.tries != before.tries:
            self._voice.die_young(death, self._backoff.deaths, self._backoff.delay)
        else:
            self._voice.connections_lost(death)

    def refused(self, what: str, generation: int, cause: str, now: float) -> None:
        """The system refuses a process: told, and tried again in a second."""
        self._voice.refused_process(what, generation, cause)
        self.refusals = {generation: cause}
        self.hold_until = now + 1.0

    def forget(self) -> None:
        """Other code serves: what was before tells nothing of it."""
        self._backoff = Backoff()

    def trouble(self, now: float) -> str:
        """For STATUS=, as long as they die; or empty."""
        if self._backoff.is_over(now):
            return ""
        return (
            f"{self._backoff.deaths} processes ended within moments of their start, the last by "
            f"{self._cause}; tried again after {self._backoff.delay:g} s"
        )
