"""The master: waits, looks, plans, acts.

It holds the listening sockets and the children. It never imports the application, never starts a thread
and never waits for anything but its epoll.
"""

import select
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .. import listeners as sockets
from ..errors import AppError, ConfigError, CornError, Unavailable
from ..limits.cgroup import Groups
from ..policy.backoff import Backoff
from ..policy.plan import is_settled, next_instant, plan
from ..policy.view import Action, Drain, Fork, Kill, Role, StartMold
from ..relay import Relay
from ..scoreboard import Scoreboard
from ..settings.sections import Settings
from ..signals import Signals
from ..worker import kernel
from .children import BecameReady, Children, Ended, Event, ForkRefused, Raves
from .control import Control
from .deeds import Deeds
from .generations import Generation, Generations
from .refusal import answer_relayed, answer_waiting
from .reloads import Reloads
from .status import Overview
from .voice import Voice
from .watch import Watch


class Master:
    """One instance, from its listening sockets to its last child."""

    def __init__(
        self,
        settings: Settings,
        *,
        read_settings: Callable[[], Settings],
        count_workers: Callable[[Settings], int],
        listeners: sockets.Listeners,
        voice: Voice,
        environment: Mapping[str, str],
        python: str,
        scoreboard: Scoreboard,
        relay: Relay,
        groups: Groups | None,
        control: Control,
        stops_at_hangup: bool = False,
    ) -> None:
        """`read_settings` reads them anew (ConfigError); `environment`, `python`, `groups`: see Deeds;
        `stops_at_hangup`: SIGHUP is the end of a terminal."""
        self.now = self._started_at = self._look_at = time.monotonic()
        self._read_settings = read_settings
        self._stops_at_hangup = stops_at_hangup
        self._count_workers = count_workers
        self._listeners = listeners
        self._listen = settings.listen
        self._relay = relay
        self._voice = voice
        self._control = control
        self._epoll = select.epoll()
        self._children = Children(self._epoll, scoreboard)
        self._deeds = Deeds(
            self._children, scoreboard, listeners.served, environment, python, voice.journal, relay, groups
        )
        self._watch = Watch(self._children, scoreboard, relay, self._deeds, voice)
        self._generations = Generations(settings, self.now)
        self._desired = self._generations.desired.desired(count_workers(settings))
        self._backoff = Backoff()
        self._overview = Overview(self._children, self._generations, listeners.served, self.now)
        self._reloads = Reloads()
        self._exit_status: int | None = None
        self._signals = Signals()
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
        if self._reloads.is_wanted and not self._reloads.is_running and not self._obstacle():
            self._begin_reload()
        if self._generations.is_overdue(self.now) and not self._desired.stopping:
            self._give_up(Unavailable("no further worker was ready within start_timeout"))
        self._watch.look(self.now)
        for action in plan(self._desired, self._children.view(), self.now):
            self._act(action)
        self._conclude()
        if self.now >= self._look_at:
            self._look()
        # Earned: a full turn has been made.
        self._voice.alive(self.now)

    def _wait(self) -> list[Event]:
        until = min(
            next_instant(self._desired, self._children.view(), self.now),
            min(self._look_at, self._watch.look_at),
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
            elif not self._watch.heed(fd):
                events += self._children.heed(fd, self.now)
        return events

    def _signalled(self, number: int) -> list[Event]:
        if number == signal.SIGCHLD:
            return self._children.reap(self.now)
        if number == signal.SIGHUP and not self._stops_at_hangup:
            self._reloads.ask()
        else:
            self._stop(signal.Signals(number))
        return []

    # What happened

    def _take_in(self, event: Event) -> None:
        match event:
            case BecameReady(record, warnings):
                self._voice.unfit(warnings)
                self._deeds.spare_orphans(record)
                if record.role is not Role.MOLD and self._generations.advance(record.generation, self.now):
                    app, took = self._generations.desired.settings.app, self.now - self._started_at
                    self._voice.is_ready(app, self._desired.http, self._overview.listen, took)
            case ForkRefused(record, cause):
                self._deeds.clear_away(record)
                if not record.kill_cause and not self._desired.stopping:
                    self._hold(record.role.value + " worker", record.generation, cause)
            case Raves(record, cause):
                self._deeds.kill(record, cause, self.now)
            case Ended():
                self._overview.bury(event.view)
                event = self._watch.bury(event, self.now)
                self._mourn(event)

    def _mourn(self, death: Ended) -> None:
        """A child has ended: what that means for its generation, and how soon another may follow."""
        record = death.record
        is_desired = record.generation == self._desired.generation and not self._desired.stopping
        is_boot = is_desired and not self._generations.is_settled and not record.has_been_ready
        if self._desired.stopping or death.is_expected:
            self._voice.killed(death)
            if is_boot:
                self._give_up(Unavailable(f"{record.role.value} {record.kill_cause}"))
        elif is_boot:
            self._give_up(death.as_error())
        else:
            self._voice.died(death)
            # Who has served before it died was ended by a request, not by its start.
            if not death.has_served:
                self._backoff = self._backoff.died(record.born_at, self.now)
                if self._backoff.delay:
                    self._voice.die_young(death, self._backoff.deaths, self._backoff.delay)
                self._desired = replace(self._desired, hold_until=self._backoff.hold_until)

    def _give_up(self, error: CornError) -> None:
        """The desired generation can not be brought up: back to the one that serves, or out."""
        serving = self._generations.serving
        if serving is None:
            self._refuse(error)
            return
        refused = self._generations.desired.number
        self._generations.give_up()
        self._desire(serving)
        self._fail_reload(error, refused)

    def _refuse(self, error: CornError) -> None:
        """Nothing has served yet, and nothing will."""
        self._voice.refuse(error)
        answer_waiting([listener.socket for listener in self._listeners.served])
        self._desired = replace(self._desired, stopping=True)
        self._exit_status = error.exit_status
        self._deeds.kill_all(self.now)

    def _hold(self, what: str, generation: int, cause: str) -> None:
        """The system refuses a process: told, and tried again in a second."""
        self._voice.refused_process(what, generation, cause)
        self._desired = replace(self._desired, hold_until=self.now + 1.0)

    # What is wanted

    def _desire(self, generation: Generation) -> None:
        self._desired = generation.desired(self._count_workers(generation.settings))

    def reload(self) -> tuple[int, str]:
        """Somebody asks for new code and settings: (the number of the reload that will do, "") or (0, why it
        can not be done now). The outcome goes to whoever waits, to the journal and to systemd."""
        obstacle = self._obstacle()
        return (0, obstacle) if obstacle else (self._reloads.ask(), "")

    def _obstacle(self) -> str:
        """Why there can be no reload now; one that was asked for by SIGHUP waits."""
        if self._desired.stopping:
            return "the instance is stopping"
        return "" if self._generations.serving is not None else "the instance is still starting"

    def _begin_reload(self) -> None:
        self._reloads.begin()
        self._voice.reloading()
        try:
            settings = self._read_settings()
        except CornError as error:
            self._fail_reload(error, self._generations.desired.number + 1)
            return
        self._voice.listens(settings.listen, self._listen)
        self._desire(self._generations.begin(settings, self.now))

    def _fail_reload(self, error: CornError, refused: int) -> None:
        self._overview.trouble = f"reload failed: {str(error).splitlines()[0]}"
        self._voice.reload_failed(error, refused, self._desired.generation, self._overview.line())
        traceback = error.traceback if isinstance(error, AppError) else ""
        self._reloads.end(ok=False, error=str(error), traceback=traceback)

    def _conclude(self) -> None:
        """Notices the end of a reload, and of everything."""
        if self._desired.stopping and self._exit_status is None and not len(self._children):
            self._voice.stopped(self._overview.requests())
            self._exit_status = 0
        if self._reloads.is_running and is_settled(self._desired, self._children.view()):
            self._generations.settle()
            self._overview.trouble = ""
            generation = self._generations.desired
            took = self.now - generation.began_at
            self._voice.reloaded(generation.number, took, self._overview.line())
            self._reloads.end(ok=True, generation=generation.number)
        for number, outcome in self._reloads.take_outcomes():
            self._control.reloaded(number, outcome)

    def _stop(self, number: signal.Signals) -> None:
        """The first time workers may finish what they do; the second time they may not."""
        if self._desired.stopping:
            self._deeds.kill_all(self.now)
            return
        self._voice.stopping(number.name)
        self._reloads.cancel("the instance is being stopped")
        self._overview.is_stopping = True
        self._desired = self._desired.stopped(is_quick=number in (signal.SIGINT, signal.SIGQUIT))
        self._look_at = self.now

    # The deeds

    def _act(self, action: Action) -> None:
        if self._exit_status is not None:
            return
        try:
            match action:
                case StartMold(generation):
                    self._deeds.start_mold(generation, self._generations.settings(generation), self.now)
                case Fork(generation, role):
                    self._deeds.fork(generation, role, self._generations.settings(generation), self.now)
                case Drain(key):
                    self._deeds.drain(key, self._desired, self.now)
                case Kill(key, cause):
                    self._deeds.kill(self._children[key], cause, self.now)
        except ConfigError as error:
            self._give_up(error)
        except Unavailable as error:
            self._hold("process", self._desired.generation, str(error))

    # What is told

    def _look(self) -> None:
        """Looks after what changes without an event."""
        self._overview.read(self.now)
        self._control.look(self.now)
        self._voice.status(self._overview.line())
        is_steady = self._generations.is_settled and not self._desired.stopping
        # systemctl status is at most 5 s old; what takes part in a change is told of every second.
        self._look_at = self.now + (5.0 if is_steady else 1.0)
        if not is_steady:  # it may take what the settings allow, whatever the unit's timeouts say
            self._voice.extend(5.0)

    def report(self) -> dict[str, Any]:
        """The instance as JSON, for whoever asks at the control socket."""
        return self._overview.report(self._desired.http, self.now)
