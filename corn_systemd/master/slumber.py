"""Scale to zero (idle_exit): an instance that nobody uses ends, and its units start it again.

Reads what the rule (policy/idleness) is to judge, says what stands in the way, and leaves word of the next
job for the timer. What follows of it for processes is the plan's to say, and the end of the master is the
master's.
"""

import os
import select
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import floor, inf

from ..errors import CornError
from ..listeners import Listener
from ..policy.idleness import Idle, Seen, idleness
from ..policy.plan import is_settled
from ..policy.view import Desired, Role
from ..relay import Relay
from ..settings.sections import Settings
from ..slot import SlotView
from .children import Children
from .control import Control
from .course import Course
from .generations import Generations
from .job_voice import local
from .jobs import Jobs
from .status import Overview
from .voice import Voice

# Who is woken for a job is to be there before it is due: by so long, or by idle_exit if that is less, but by
# no less than a timer takes, which goes by whole seconds, and twice a start. So shortly before a job nobody
# goes to sleep.
EARLY, SOON, STARTS = 30.0, 4.0, 2


@dataclass(frozen=True)
class Wakers:
    """Who would start the instance again. `obstacle`: why nobody would, empty if somebody would; `alarm`: the
    file in which the next job's waker finds when to do it, empty if a job has none; `born_at`: when the
    service was started, by the clock of the master; `is_woken`: a connection has done that."""

    obstacle: str
    alarm: str = ""
    born_at: float = 0.0
    is_woken: bool = False


class Slumber:
    """One instance's. `look_at` is when it has to look again."""

    def __init__(
        self,
        children: Children,
        generations: Generations,
        course: Course,
        jobs: Jobs,
        overview: Overview,
        control: Control,
        relay: Relay,
        listeners: Sequence[Listener],
        voice: Voice,
        *,
        read_settings: Callable[[], Settings],
        wakers: Wakers,
    ) -> None:
        self._children = children
        self._generations = generations
        self._course = course
        self._jobs = jobs
        self._overview = overview
        self._control = control
        self._relay = relay
        self._doors = select.poll()
        for listener in listeners:
            self._doors.register(listener.socket, select.POLLIN)
        self._voice = voice
        self._read_settings = read_settings
        self._wakers = wakers
        self._woken_at = wakers.born_at if wakers.is_woken else 0.0
        self._start_took = 0.0
        self._idle: Idle | None = None
        self._told = ""
        self.look_at = inf

    @property
    def _allowed(self) -> float:
        serving = self._generations.serving
        return serving.settings.idle_exit if serving is not None and not self._wakers.obstacle else 0.0

    @property
    def _least(self) -> float:
        return SOON + STARTS * self._start_took

    def forget(self) -> None:
        """Takes back the word for who starts it: it is awake, or somebody stops it."""
        if self._wakers.alarm:
            with suppress(OSError):
                os.unlink(self._wakers.alarm)

    def wants(self, desired: Desired) -> Desired:
        """The same; resting, while it may be about to end."""
        return replace(desired, resting=True) if self._is_resting else desired

    def adopt(self, now: float) -> None:
        """A generation serves, and so do its jobs: says what keeps it awake, if it shall sleep."""
        self.look_at = now
        self._start_took = self._start_took or now - self._wakers.born_at
        self.forget()
        serving = self._generations.serving
        if serving is not None and serving.settings.idle_exit:
            self._tell(self._wakers.obstacle or why_awake(self._jobs, self._wakers))

    def look(self, now: float) -> bool:
        """Whether it is over: nobody serves any more, and nobody needs it."""
        if self._woken_at:
            self._tell_of_the_first(now)
        was_resting = self._is_resting
        if self._course.desired.stopping or (now < self.look_at and not was_resting):
            return False
        seen = self._seen()
        self._idle, is_over, self.look_at = idleness(seen, self._idle, self._allowed, now)
        if self._is_resting and not was_resting and not self._may_start_again():
            self._idle = Idle(now, seen.requests)
        return is_over and self._leave()

    def _leave(self) -> bool:
        """Leaves word of the next job, and says that it is over; False where that is impossible."""
        due_at, job = next_job(self._jobs)
        try:
            if job:
                self._set_alarm(floor(due_at - max(min(self._allowed, EARLY), self._least)))
        except OSError as error:
            self._idle = None
            self._tell(f"the timer for job {job!r} can not be set: {self._wakers.alarm}: {error.strerror}")
            return False
        self._voice.sleeps(self._overview.listen, f"{local(due_at)}, when job {job!r} is due" if job else "")
        return True

    def _set_alarm(self, at: int) -> None:
        """In one piece, as a part of the number would be another, and so that it outlasts a loss of power."""
        draft = f"{self._wakers.alarm}.new"
        os.makedirs(os.path.dirname(draft), exist_ok=True)
        with open(draft, "w", encoding="ascii") as file:
            file.write(f"{at}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self._wakers.alarm)

    @property
    def _is_resting(self) -> bool:
        return self._idle is not None and self._idle.is_resting

    def _seen(self) -> Seen:
        requests = self._overview.requests()
        due_at, _job = next_job(self._jobs)
        views = self._children.slot_views()
        is_in_use = (
            any(view.connections or view.is_busy for view in views)
            # Behind the slots: what a worker gives away is there before it is gone here.
            or self._relay.is_waiting()
            or bool(self._doors.poll(0))
            or self._control.has_askers
            or self._course.reloads.is_wanted
            or self._course.reloads.is_running
            or bool(why_awake(self._jobs, self._wakers) or are_busy(self._jobs))
            or due_at - self._jobs.wall() <= max(self._allowed, self._least)
            or not (self._is_resting or is_settled(self._course.desired, self._children.view()))
        )
        return Seen(requests, is_in_use, all(record.role is Role.MOLD for record in self._children))

    def _may_start_again(self) -> bool:
        """Whether the settings of the next start are in order, and still want this: they may have changed."""
        try:
            return bool(self._read_settings().idle_exit)
        except CornError as error:
            self._tell(f"it could not start again: {str(error).splitlines()[0]}")
            return False

    def _tell(self, cause: str) -> None:
        """Says it once, until there is something else to say."""
        if cause and cause != self._told:
            self._voice.stays_awake(cause)
        self._told = cause

    def _tell_of_the_first(self, now: float) -> None:
        """A connection has started the service: how long the first request has taken, with that."""
        first = first_answer(self._children.slot_views(), now)
        if first is not None:
            at, view = first
            if self._allowed:
                self._voice.woken(view, at - self._woken_at)
            self._woken_at = 0.0


def why_awake(jobs: Jobs, wakers: Wakers) -> str:
    """What of the jobs needs the instance, which nobody would start for them; empty if nothing does."""
    if jobs.has_poller:
        return "cron.poll looks for jobs"
    _due_at, job = next_job(jobs)
    if job and not wakers.alarm:
        return f"job {job!r} is scheduled, and no timer would start it for that"
    return ""


def are_busy(jobs: Jobs) -> bool:
    """Whether a run is under way, or something of one is not written down yet, or can not be."""
    # Without jobs there is no clerk, who could ever be done.
    is_behind = jobs.jobs and (jobs.book.is_behind or any(jobs.troubles.values()))
    return bool(jobs.flights or is_behind)


def next_job(jobs: Jobs) -> tuple[float, str]:
    """When the next run begins, by the clock of the wall, and of which job; infinity and "" if none is
    scheduled."""
    return jobs.agenda.next_run if jobs.agenda is not None else (inf, "")


def first_answer(views: Iterable[SlotView], now: float) -> tuple[float, SlotView] | None:
    """When the first request was answered, and by whom; not later than now. None before that."""
    answers = [
        # A worker that has answered more since tells the time of all of them: then it has just been.
        (view.began_at + view.real if view.requests == 1 else now, view)
        for view in views
        if view.requests - view.is_busy > 0
    ]
    return min(answers, key=lambda answer: answer[0], default=None)
