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
from ..policy.backoff import Backoff
from ..policy.plan import is_settled, next_instant, plan
from ..policy.view import Action, Desired, Drain, Fork, Kill, Role, StartMold
from ..scoreboard import Scoreboard
from ..settings.sections import Settings
from ..signals import Signals
from . import spawn
from .children import BecameReady, Children, Ended, Event, ForkRefused
from .control import Control
from .deeds import Deeds
from .generations import Generations
from .refusal import answer_waiting
from .status import Overview
from .voice import Voice

# A worker that leaves keeps idle connections for so long: who sends meanwhile is answered, and told so.
LINGER = 1.0
# Ctrl-C: running requests get this long, idle connections nothing.
QUICK = 1.0


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
        control: Control,
    ) -> None:
        """`read_settings` reads them anew for a reload (ConfigError); `environment` is what the application
        gets before its own [environment]; `python` is the interpreter when the settings name none."""
        self.now = time.monotonic()
        self._started_at = self.now
        self._read_settings = read_settings
        self._count_workers = count_workers
        self._listeners = listeners
        self._listen = settings.listen
        self._voice = voice
        self._control = control
        self._epoll = select.epoll()
        self._children = Children(self._epoll, scoreboard)
        self._deeds = Deeds(
            self._children, scoreboard, listeners.served, environment, python, voice.journal.path
        )
        self._generations = Generations(settings, self.now)
        self._desired = self._desire(1, settings)
        self._backoff = Backoff()
        self._overview = Overview(self._children, self._generations, listeners.served, self.now)
        self._look_at = self.now
        self._is_reloading = False
        self._exit_status: int | None = None
        self._signals = Signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD))
        self._epoll.register(self._signals.fileno(), select.EPOLLIN)
        control.register(self._epoll)

    # The loop

    def run(self) -> int:
        """Serves until stopped; returns the exit status."""
        spawn.become_subreaper()
        while self._exit_status is None:
            self._turn()
        for listener in self._listeners.served:
            listener.unlink()
        self._control.close()
        return self._exit_status

    def _turn(self) -> None:
        for event in self._wait():
            self._take_in(event)
        if self._generations.is_overdue(self.now) and not self._desired.stopping:
            self._give_up(Unavailable("no worker was ready within start_timeout"))
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
            self._look_at,
            self.now + (self._voice.watchdog_interval or 60.0),
        )
        ready = self._epoll.poll(max(0.0, until - self.now))
        self.now = time.monotonic()
        events: list[Event] = []
        for fd, _mask in ready:
            if fd == self._signals.fileno():
                for number in self._signals.take():
                    events += self._signalled(number)
            elif self._control.owns(fd):
                self._control.heed(fd, self)
            else:
                events += self._children.heed(fd, self.now)
        return events

    def _signalled(self, number: int) -> list[Event]:
        if number == signal.SIGCHLD:
            return self._children.reap(self.now)
        if number == signal.SIGHUP:
            self.reload()
        else:
            self._stop(signal.Signals(number))
        return []

    # What happened

    def _take_in(self, event: Event) -> None:
        match event:
            case BecameReady(record, warnings):
                self._voice.unfit(warnings)
                if record.role is not Role.MOLD and self._generations.prove(record.generation):
                    self._overview.trouble = ""
                    if not self._is_reloading:
                        self._announce()
            case ForkRefused(record, cause):
                self._hold(record.role.value + " worker", record.generation, cause)
            case Ended():
                self._overview.bury(event.view)
                self._mourn(event)

    def _announce(self) -> None:
        app = self._generations.desired.settings.app
        self._voice.is_ready(app, self._desired.http, self._overview.listen, self.now - self._started_at)

    def _mourn(self, death: Ended) -> None:
        """A child has ended: what that means for its generation, and how soon another may follow."""
        record = death.record
        is_unproven = record.generation == self._desired.generation and not self._generations.is_proven
        if self._desired.stopping or record.kill_cause or (record.is_asked and death.is_clean):
            self._voice.killed(death)
            if is_unproven and not self._desired.stopping:
                self._give_up(Unavailable(f"{record.role.value} {record.kill_cause}"))
        elif is_unproven:
            self._give_up(death.as_error())
        else:
            self._voice.died(death)
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
        self._desired = self._desire(serving.number, serving.settings)
        self._fail_reload(error, refused)

    def _refuse(self, error: CornError) -> None:
        """Nothing has served yet, and nothing will."""
        self._voice.refuse(error)
        answer_waiting([listener.socket for listener in self._listeners.served])
        self._desired = replace(self._desired, stopping=True)
        self._exit_status = error.exit_status
        self._kill_all()

    def _hold(self, what: str, generation: int, cause: str) -> None:
        """The system refuses a process: told, and tried again in a second."""
        self._voice.refused_process(what, generation, cause)
        self._desired = replace(self._desired, hold_until=self.now + 1.0)

    # What is wanted

    def _desire(self, generation: int, settings: Settings) -> Desired:
        return Desired(
            generation=generation,
            http=self._count_workers(settings),
            start_timeout=settings.start_timeout,
            linger=LINGER,
            patience=settings.stop_timeout,
        )

    def reload(self) -> str:
        """Reads the settings and desires a new generation; joins a reload that is under way.

        The outcome goes to whoever waits at the control socket, to the journal and to systemd. Returns why
        it can not be done now, or "".
        """
        if self._desired.stopping:
            return "the instance is stopping"
        if self._generations.serving is None:
            return "the instance is still starting"
        if self._is_reloading:
            return ""
        self._is_reloading = True
        self._voice.reloading()
        try:
            settings = self._read_settings()
        except ConfigError as error:
            self._fail_reload(error, self._generations.desired.number + 1)
            return ""
        if settings.listen != self._listen:
            self._voice.listen_changed(settings.listen, self._listen)
        generation = self._generations.begin(settings, self.now)
        self._desired = self._desire(generation.number, settings)
        return ""

    def _fail_reload(self, error: CornError, refused: int) -> None:
        self._is_reloading = False
        self._overview.trouble = f"reload failed: {str(error).splitlines()[0]}"
        self._voice.reload_failed(error, refused, self._desired.generation, self._overview.line())
        traceback = error.traceback if isinstance(error, AppError) else ""
        self._control.reloaded({"ok": False, "error": str(error), "traceback": traceback})

    def _conclude(self) -> None:
        """Notices the end of a reload, and of everything."""
        if self._desired.stopping and self._exit_status is None and not len(self._children):
            self._voice.stopped(self._overview.requests())
            self._exit_status = 0
        if not self._is_reloading or not is_settled(self._desired, self._children.view()):
            return
        self._is_reloading = False
        generation = self._generations.desired
        self._voice.reloaded(generation.number, self.now - generation.began_at, self._overview.line())
        self._control.reloaded({"ok": True, "generation": generation.number})

    def _stop(self, number: signal.Signals) -> None:
        """The first time workers may finish what they do; the second time they may not."""
        if self._desired.stopping:
            self._kill_all()
            return
        self._voice.stopping(number.name)
        if self._is_reloading:
            self._control.reloaded({"ok": False, "error": "the instance is being stopped"})
        self._overview.is_stopping = True
        self._desired = replace(self._desired, stopping=True)
        if number == signal.SIGINT:
            self._desired = replace(self._desired, linger=0.0, patience=QUICK)
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
                    self._deeds.fork(generation, role, self.now)
                case Drain(key):
                    self._deeds.drain(key, self._desired.linger, self.now)
                case Kill(key, cause):
                    self._deeds.kill(self._children[key], cause, self.now)
        except ConfigError as error:
            self._give_up(error)
        except Unavailable as error:
            self._hold("process", self._desired.generation, str(error))

    def _kill_all(self) -> None:
        for record in self._children:
            self._deeds.kill(record, "stopping", self.now)

    # What is told

    def _look(self) -> None:
        """Looks after what changes without an event."""
        self._overview.read(self.now)
        self._voice.status(self._overview.line())
        is_steady = self._generations.is_proven and not self._is_reloading and not self._desired.stopping
        # systemctl status is at most 5 s old; what takes part in a change is told of every second.
        self._look_at = self.now + (5.0 if is_steady else 1.0)
        if not is_steady:  # it may take what the settings allow, whatever the unit's timeouts say
            self._voice.extend(5.0)

    def report(self) -> dict[str, Any]:
        """The instance as JSON, for whoever asks at the control socket."""
        return self._overview.report(self._desired.http, self.now)
