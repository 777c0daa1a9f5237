"""The master: waits, looks, plans, acts.

It holds the listening sockets and the children. It never imports the application, never starts a thread
and never waits for anything but its epoll.
"""

import select
import signal
import time
from collections.abc import Callable, Mapping

from .. import listeners as sockets
from ..cron.ledger import Ledger
from ..errors import ConfigError, CornError, Unavailable
from ..limits.cgroup import Groups
from ..policy.plan import next_instant, plan
from ..policy.view import Action, Desired, Role
from ..relay import Relay
from ..scoreboard import Scoreboard
from ..settings.sections import Settings
from ..settings.workers import Headcount
from ..signals import STEPS, Signals
from ..worker import kernel
from .checks import Checks
from .children import Children
from .control import Control
from .course import Course
from .deaths import Deaths
from .deeds import ClerkLife, Deeds
from .demand import Demand
from .events import BecameReady, Ended, Event, ForkRefused, Loaded, Raves, Said
from .generations import Generations
from .job_desk import JobDesk
from .job_voice import JobVoice
from .jobs import Jobs
from .lateness import why_late
from .record import Record
from .reforks import Reforks
from .refusal import answer_relayed, answer_waiting
from .slumber import Slumber, Wakers
from .status import Overview
from .voice import Voice
from .watch import Watch
from .workforce import Workforce

# Who did not take a question is asked again.
_AGAIN = 0.05


class Master:
    """One instance, from its listening sockets to its last child."""

    def __init__(
        self,
        settings: Settings,
        *,
        read_settings: Callable[[], Settings],
        count_workers: Callable[[Settings], Headcount],
        listeners: sockets.Listeners,
        voice: Voice,
        environment: Mapping[str, str],
        python: str,
        scoreboard: Scoreboard,
        relay: Relay,
        groups: Groups | None,
        ledger: Ledger,
        clerk: ClerkLife,
        control: Control,
        wakers: Wakers,
        stops_at_hangup: bool = False,
    ) -> None:
        """`read_settings` reads them anew (ConfigError); `environment`, `python`, `groups`, `clerk`: see
        Deeds; `stops_at_hangup`: SIGHUP is the end of a terminal."""
        self.now = self._started_at = self._look_at = time.monotonic()
        self._stops_at_hangup = stops_at_hangup
        self._listeners = listeners
        self._relay = relay
        self._voice = voice
        self._control = control
        self._epoll = select.epoll()
        self._children = Children(self._epoll, scoreboard)
        self._deeds = Deeds(
            self._children, scoreboard, listeners.served, environment, python, voice.journal, relay, groups,
            clerk,
        )  # fmt: skip
        self._watch = Watch(self._children, scoreboard, relay, listeners.served, self._deeds, voice)
        self._checks = Checks(self._epoll, self._deeds)
        self._generations = Generations(settings, self.now)
        self._jobs = Jobs(self._children, self._deeds, JobVoice(voice.journal), ledger)
        desk = self.job_desk = JobDesk(self._jobs, settings.name)
        demand = Demand(self._children, scoreboard, relay, listeners.served, self.now)
        self._workforce = Workforce(count_workers, self._generations, demand, voice)
        self.overview = Overview(
            self._children, self._generations, self._workforce, listeners.served, self.now, desk.words
        )
        self._deaths = Deaths(voice)
        self.course = Course(
            self._generations, self._workforce, self._deaths, self.overview, voice, read_settings
        )
        self._reforks = Reforks(self._children, self._deeds, self._watch, self.overview, voice)
        self._slumber = Slumber(
            self._children, self._generations, self.course, self._jobs, self.overview, control, relay,
            listeners.served, voice, read_settings=read_settings, wakers=wakers,
        )  # fmt: skip
        self._lookers = (self._watch, self._jobs, self._workforce, self._checks, self._slumber)
        self._exit_status: int | None = None
        self._signals = Signals(has_terminal=stops_at_hangup)
        self._epoll.register(self._signals.fileno(), select.EPOLLIN)
        self._epoll.register(scoreboard.wake_fd, select.EPOLLIN)
        control.register(self._epoll)

    # The loop

    def run(self) -> int:
        """Serves until stopped; returns the exit status."""
        kernel.become_subreaper()
        while self._exit_status is None:
            self._turn()
        self._listeners.unlink()
        self._control.close()
        self._watch.end()
        answer_relayed(self._relay)
        return self._exit_status

    def _turn(self) -> None:
        for event in self._wait():
            self._take_in(event)
        for error in self._checks.failures(self.now):
            if not self._generations.is_settled:
                self._give_up(error)
        self.course.begin_what_is_asked(self.now)
        if self.course.is_overdue(self.now):
            self._give_up(why_late(self._children, self.course.desired, self._deaths.refusals))
        self._watch.look(self.now)
        if self.now >= self._jobs.look_at:
            self._jobs.look(self.now)
        self.course.look(self.now)
        if self._slumber.look(self.now):
            self._stop(None)
        for action in plan(self._desired(), self._children.view(), self.now):
            self._act(action)
        self._conclude()
        if self._deeds.ask_again():
            self._look_at = min(self._look_at, self.now + _AGAIN)
        if self.now >= self._look_at:
            self._look()
        self._voice.alive(self.now)  # earned: a full turn has been made

    def _wait(self) -> list[Event]:
        until = min(
            next_instant(self._desired(), self._children.view(), self.now),
            min(self._look_at, *(one.look_at for one in self._lookers)),
            self.now + (0.1 if self._voice.has_unsent else self._voice.watchdog_interval or 60.0),
        )
        ready = self._epoll.poll(max(0.005, until - self.now))
        self.now = time.monotonic()
        events: list[Event] = []
        for fd, _mask in ready:
            if fd == self._signals.fileno():
                for number in self._signals.take():
                    events += self._signalled(number)
            elif self._control.owns(fd):
                self._control.heed(fd, self)
            elif not self._watch.heed(fd) and not self._checks.heed(fd, self.now):
                events += self._children.heed(fd, self.now)
        return events

    def _signalled(self, number: int) -> list[Event]:
        if number == signal.SIGCHLD:
            return self._children.reap(self.now)
        if number == signal.SIGHUP and not self._stops_at_hangup:
            self.course.reloads.ask()
        elif number in STEPS:
            self.course.step(signal.Signals(number))
        else:
            self._slumber.forget()
            self._stop(signal.Signals(number))
        return []

    # What happened

    def _take_in(self, event: Event) -> None:
        match event:
            case BecameReady(record):
                self._became_ready(record, event)
            case Said(record, message):
                who = self._reforks if record.role is Role.HTTP else self._jobs
                try:
                    who.heard(record, message, self.now)
                except (KeyError, TypeError, ValueError) as error:
                    self._deeds.kill(record, f"it said {message.kind!r}, but {error!r}", self.now)
            case Loaded(record):
                self._checks.ask(record, self._generations.settings(record.generation), self.now)
            case ForkRefused(record, cause):
                self._deeds.clear_away(record)
                if not record.kill_cause and not self.course.desired.stopping:
                    self._deaths.refused(record.role.value + " worker", record.generation, cause, self.now)
            case Raves(record, cause):
                self._deeds.kill(record, cause, self.now)
            case Ended():
                self._checks.forget(event.record)
                self.overview.bury(event.view)
                event = self._watch.bury(event, self.now)
                self._jobs.bury(event, self.now)
                self._reforks.bury(event, self.now)
                self._mourn(event)

    def _became_ready(self, record: Record, event: BecameReady) -> None:
        self._voice.unfit(event.warnings)
        self._voice.broken(event.broken)
        self._deeds.spare_orphans(record)
        self._reforks.became_ready(record, self.course.desired)
        if event.jobs is not None:
            self._generations.declare(record.generation, event.jobs)
        if record.role in (Role.CRON, Role.CLERK):
            self._jobs.became_ready(record)
        elif record.role is Role.HTTP and self._generations.advance(record.generation, self.now):
            app, took = self._generations.desired.settings.app, self.now - self._started_at
            self._voice.is_ready(app, self.course.desired.http, self.overview.listen, took)
            self._adopt_jobs()

    def _adopt_jobs(self) -> None:
        """The jobs of the generation that serves are those of the instance."""
        self._jobs.adopt(*self._generations.in_force(), self.now)
        self._slumber.adopt(self.now)

    def _mourn(self, death: Ended) -> None:
        """A child has ended: what that means for its generation, and how soon another may follow."""
        record, desired = death.record, self.course.desired
        is_desired = record.generation == desired.generation and not desired.stopping
        is_boot = is_desired and not self._generations.is_settled and not record.has_been_ready
        if desired.stopping or death.is_expected:
            self._voice.killed(death)
            if is_boot:
                self._give_up(Unavailable(f"{record.role.value} {record.kill_cause}"))
        elif is_boot:
            self._give_up(death.as_error())
        else:
            self._deaths.heed(death, self.now)
            self._look_at = self.now

    def _give_up(self, error: CornError) -> None:
        """The desired generation can not be brought up: back to the one that serves, or out."""
        if self.course.give_up(error):
            self._checks.end(self.now)
            return
        # Nothing has served yet, and nothing will.
        self._voice.refuse(error)
        answer_waiting([listener.socket for listener in self._listeners.served])
        self.course.refuse()
        self._exit_status = error.exit_status
        self._deeds.kill_all(self.now)

    def _desired(self) -> Desired:
        return self._slumber.wants(self._reforks.wants(self._jobs.wants(self.course.desired)))

    def _conclude(self) -> None:
        """Notices the end of a reload, and of everything."""
        if self.course.desired.stopping and self._exit_status is None and not len(self._children):
            self._voice.stopped(self.overview.requests())
            self._exit_status = 0
        if self.course.settle(self._children.view(), self.now):
            self._adopt_jobs()
        for number, outcome in self.course.reloads.take_outcomes():
            self._control.reloaded(number, outcome)
        for run, outcome in self._jobs.take_outcomes():
            self._control.ran(run, outcome)

    def _stop(self, number: signal.Signals | None) -> None:
        """The first time workers may finish what they do; the second time they may not. None: it is idle."""
        if self.course.desired.stopping:
            self._deeds.kill_all(self.now)
            return
        if number is not None:
            self._voice.stopping(number.name)
        self._checks.end(self.now)
        self._jobs.stop()
        self.course.stop(is_quick=number in (signal.SIGINT, signal.SIGQUIT))
        self._look_at = self.now

    def _act(self, action: Action) -> None:
        if self._exit_status is not None:
            return
        try:
            self._deeds.do(action, self.course.desired, self._generations, self.now)
        except ConfigError as error:
            self._give_up(error)
        except Unavailable as error:
            self._deaths.refused("process", self.course.desired.generation, str(error), self.now)

    def _look(self) -> None:
        """Looks after what changes without an event."""
        self.overview.read(self.now, self._deaths.trouble(self.now))
        self._control.look(self.now)
        self._voice.status(self.overview.line())
        is_steady = self._generations.is_settled and not self.course.desired.stopping
        # systemctl status is at most 5 s old; what takes part in a change is told of every second.
        self._look_at = self.now + (5.0 if is_steady else 1.0)
        if not is_steady:  # it may take what the settings allow, whatever the unit's timeouts say
            self._voice.extend(5.0)
