"""What the instance shall be, and how that changes: by reloads, which may fail, by back-off, and by its stop.

It tells what it has decided; what follows of it for processes is the plan's to say, and the master's to do.
"""

import signal
from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import AppError, CornError
from ..policy.plan import is_settled
from ..policy.view import Child
from ..settings.sections import Settings
from .deaths import Deaths
from .generations import Generation, Generations
from .reloads import Reloads
from .status import Overview
from .voice import Voice
from .workforce import Workforce


class Course:
    """One instance's. `desired` is what the plan is to bring about."""

    def __init__(
        self,
        generations: Generations,
        workforce: Workforce,
        deaths: Deaths,
        overview: Overview,
        voice: Voice,
        read_settings: Callable[[], Settings],
    ) -> None:
        self._read_settings = read_settings
        self._generations = generations
        self._workforce = workforce
        self._overview = overview
        self._voice = voice
        self._listen = generations.desired.settings.listen
        self._deaths = deaths
        self.reloads = Reloads()
        self.desired = workforce.desired(generations.desired)

    def _desire(self, generation: Generation) -> None:
        self._deaths.hold_until = 0.0
        self.desired = self._workforce.desired(generation)

    # The number of workers

    def look(self, now: float) -> None:
        """There may be work for more of them by now, or for fewer; and where children die as soon as they are
        started, others have to wait."""
        desired = self._workforce.look(self.desired, now)
        self.desired = replace(desired, hold_until=self._deaths.hold_until)

    def step(self, number: signal.Signals) -> None:
        """One more, or one fewer."""
        self.desired = self._workforce.step(self.desired, number)

    def scale(self, workers: int) -> str:
        """So many until the next reload, or AUTO; returns why not."""
        self.desired = self._workforce.scale(self.desired, workers, "corn scale")
        return self._generations.obstacle(self.desired)

    # Reloads

    def reload(self) -> tuple[int, str]:
        """Somebody asks for new code and settings: (the number of the reload that will do, "") or (0, why it
        can not be done now). The outcome goes to whoever waits, to the journal and to systemd."""
        obstacle = self._generations.obstacle(self.desired)
        return (0, obstacle) if obstacle else (self.reloads.ask(), "")

    def begin_what_is_asked(self, now: float) -> None:
        """Begins a reload, if one is asked for and can be done now."""
        is_due = self.reloads.is_wanted and not self.reloads.is_running
        if not is_due or self._generations.obstacle(self.desired):
            return  # one that was asked for by SIGHUP waits
        self.reloads.begin()
        self._voice.reloading()
        try:
            settings = self._read_settings()
        except CornError as error:
            self._fail(error, self._generations.desired.number + 1)
            return
        self._voice.listens(settings.listen, self._listen)
        self._desire(self._generations.begin(settings, now))

    def is_overdue(self, now: float) -> bool:
        """Whether the desired generation has taken too long to come up."""
        return self._generations.is_overdue(now) and not self.desired.stopping

    def give_up(self, error: CornError) -> bool:
        """The desired generation can not be brought up: back to the one that serves, if one does."""
        serving = self._generations.serving
        if serving is None:
            return False
        refused = self._generations.desired.number
        self._generations.give_up()
        self._desire(serving)
        self._fail(error, refused)
        return True

    def _fail(self, error: CornError, refused: int) -> None:
        self._overview.trouble = f"reload failed: {str(error).splitlines()[0]}"
        self._voice.reload_failed(error, refused, self.desired.generation, self._overview.line())
        traceback = error.traceback if isinstance(error, AppError) else ""
        self.reloads.end(ok=False, error=str(error), traceback=traceback)

    def settle(self, children: Sequence[Child], now: float) -> bool:
        """Whether a reload has just come to its good end: all workers are those of the new generation."""
        if not self.reloads.is_running or not is_settled(self.desired, children):
            return False
        generation = self._generations.settle()
        self._deaths.forget()
        self._overview.clear()
        self._voice.reloaded(generation.number, now - generation.began_at, self._overview.line())
        self.reloads.end(ok=True, generation=generation.number)
        return True

    # The end

    def refuse(self) -> None:
        """Nothing has served yet, and nothing will."""
        self.desired = replace(self.desired, stopping=True)

    def stop(self, *, is_quick: bool) -> None:
        """Everybody is to leave, as soon as what he does is done."""
        self.reloads.cancel("the instance is being stopped")
        self._overview.is_stopping = True
        self.desired = self.desired.stopped(is_quick=is_quick)
