"""The jobs of the instance: which are due, who runs them, what has become of them; people ask job_desk.

Between the agenda (which is pure), the clerk, who may block, and the cron workers. A run is due, claimed,
granted, and only then handed to an idle cron worker; its end goes back the same way. Never waits.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import inf
from typing import Any

from ..cron.agenda import Agenda
from ..cron.events import Event, Run
from ..cron.ledger import LastRun, Ledger
from ..cron.local import local_zone
from ..cron.schedule import faults
from ..lifeline import Message
from ..policy.backoff import Backoff
from ..policy.view import Desired, Role
from ..settings.kinds import Job
from ..settings.sections import Settings
from .bookkeeping import Bookkeeping
from .children import Children
from .deeds import Deeds
from .dispatch import Dispatch
from .events import Ended
from .flight import Flight, Stage, amount, ending
from .job_voice import JobVoice
from .polling import Polling
from .record import Overrun, Record
from .voice import TOLD

# The clock of the wall may be put forward: nobody tells, so it is looked at.
_SHORTEST, _LONGEST = 0.001, 60.0
# What a child did not take is offered again.
_AGAIN = 0.05


class Jobs:
    """All of them. `wall` is the clock by which they are due, in seconds since 1970."""

    def __init__(
        self,
        children: Children,
        deeds: Deeds,
        voice: JobVoice,
        ledger: Ledger,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._children = children
        self._deeds = deeds
        self._voice = voice
        self._clerk_backoff = Backoff()
        self._polling = Polling()
        self._outcomes: list[tuple[str, dict[str, Any]]] = []
        self.is_stopping = False
        self.wall = wall
        self.book = Bookkeeping(ledger, voice)
        self.agenda: Agenda | None = None
        self.jobs: dict[str, Job] = {}
        self.declared: set[str] = set()
        self.flights: dict[str, Flight] = {}
        self.troubles: dict[str, str] = {}
        self._dispatch = Dispatch(children, deeds, self.book, self._polling, self.troubles, wall)
        self.look_at = inf

    # What is wanted

    @property
    def _settings(self) -> Settings | None:
        return self._dispatch.settings

    def wants(self, desired: Desired) -> Desired:
        """The same, with the children that jobs need."""
        is_any = bool(self.jobs) or self._polling.is_wanted
        workers = self._settings.cron.workers if self._settings is not None and is_any else 0
        clerk_from = self._clerk_backoff.hold_until
        return replace(desired, cron=workers, has_clerk=bool(self.jobs), clerk_from=clerk_from)

    def adopt(self, generation: int, settings: Settings, declared: Iterable[Job], now: float) -> None:
        """A generation serves: its jobs are those of the instance from now on. The settings' jobs come before
        those of the same name that the application declares."""
        self._dispatch.settings, self._dispatch.generation = settings, generation
        self._polling.adopt(settings, now)
        own = {job.name: job for job in settings.cron.jobs}
        others = {job.name: job for job in declared if job.name not in own}
        self.jobs = {**own, **others} if settings.cron.workers else {}
        self.declared = set(others)
        self.look_at = now
        if self.agenda is not None:
            self.book.keep(self.agenda.pasts())
        elif self.jobs:
            self.book.read()
        else:
            return
        self._plan()

    def _plan(self) -> None:
        """Makes the agenda anew."""
        assert self._settings is not None
        pasts, give_up = self.book.pasts(), self._settings.cron.give_up
        for name, cause in faults(self.jobs.values()).items():
            self._voice.broken(name, cause)
            del self.jobs[name]
        self.agenda = Agenda(self.jobs.values(), pasts, self.wall(), give_up=give_up, local=local_zone())
        for name, flight in list(self.flights.items()):
            if flight.is_claimed or flight.stage is Stage.CLAIMING:
                continue  # it goes to its end as it was
            if name in self.jobs:
                flight.run = replace(flight.run, job=self.jobs[name])
            else:
                del self.flights[name]
                self._dispatch.drop(flight)
                self._tell(flight, error="the job has been taken away")
        for name, job in self.jobs.items():
            past = pasts.get(name)
            if past is not None and past.running is not None and name not in self.flights:
                self._was_cut_off(job, past.running)
            elif self.agenda.view(name).past != past:
                self.book.note(name)

    def _was_cut_off(self, job: Job, at: float) -> None:
        """An earlier master has left a run that nobody has ended; where machines share a lock, we may ask."""
        assert self._settings is not None and self.agenda is not None
        run = Run(job, at, is_by_hand=not self.agenda.is_due(job.name, at))
        flight = Flight(run, began_at=self.book.known(job.name).began_at or at)
        if self._settings.cron.lock and not run.is_by_hand:
            self.flights[job.name] = flight
            return
        cause = "the service, or its machine, ended while it ran"
        self._voice.killed(None, job.name, flight.id, Overrun("", cause), 0.0)
        self._end(flight, "killed", detail=cause)

    # The loop

    def look(self, now: float) -> None:
        """Does what is due."""
        if self._settings is None:
            return
        look_at = inf
        if not self.is_stopping:
            self.take_all(self.agenda.due(self.wall()) if self.agenda is not None else ())
            if not self._dispatch.turn(self.flights, self.agenda, now):
                look_at = now + _AGAIN
            # Who is late already waits for a child, which will say something.
            look_at = min(look_at, self._polling.due_at if self._polling.due_at > now else inf)
            if self.agenda is not None:
                wait = max(self.agenda.next_at - self.wall(), _SHORTEST)
                look_at = min(look_at, now + min(wait, _LONGEST))
        clerk = self._dispatch.clerk
        if clerk is not None and self.agenda is not None:
            self.book.send(clerk, self.agenda.pasts(), self.flights, self._settings.cron)
            if self.book.has_unsent:
                look_at = min(look_at, now + _AGAIN)
        self.look_at = look_at

    def take_all(self, events: Iterable[Event]) -> None:
        """Takes in what the agenda has decided."""
        for event in events:
            if isinstance(event, Run):
                self.flights[event.job.name] = Flight(event)
            else:
                self._voice.event(event)
                self.book.note(event.job.name)

    @property
    def has_poller(self) -> bool:
        return self._polling.is_wanted

    def number(self, key: int) -> int | None:
        """By which number people know the worker with this key; None if it is none."""
        return next((record.worker for record in self._children if record.key == key), None)

    # What happened

    def became_ready(self, record: Record) -> None:
        """A cron worker or the clerk has begun."""
        self.look_at = 0.0
        if record.role is not Role.CLERK:
            return
        # What the clerk before this one knew, it does not know.
        self.troubles.clear()
        self.book.offer_again(self.jobs)
        for flight in self.flights.values():
            if flight.is_asked_for:
                flight.stage = Stage.DUE
            elif flight.stage is not Stage.DUE and self._settings is not None and self._settings.cron.lock:
                self._dispatch.claim(record, flight, self.agenda, "hold")

    def heard(self, record: Record, message: Message, now: float) -> None:
        """A cron worker or the clerk has said something. Raises KeyError, TypeError or ValueError where it
        does not make sense."""
        kind, fields = message.kind, message.fields
        self.look_at = 0.0
        if record.role is Role.CRON and kind == "ran":
            self._ran(record, fields)
        elif record.role is Role.CRON:
            self._polling.heard(record, kind, fields, now)
        elif kind == "trouble":
            about, cause = str(fields["about"]), str(fields["cause"])
            self.troubles[about] = cause
            self._voice.trouble(about, cause)
        elif kind == "written":
            self.book.written(str(fields["job"]), amount(fields["at"]))
        else:
            flight = self.flights.get(str(fields["job"]))
            if flight is not None and flight.run.at == fields["at"]:
                self._heard_clerk(flight, kind, fields)

    def _ran(self, record: Record, fields: dict[str, Any]) -> None:
        flight = self._flight_of(record.key)
        if flight is not None and flight.id == fields["run"]:
            self._end(flight, **ending(fields))

    def _heard_clerk(self, flight: Flight, kind: str, fields: dict[str, Any]) -> None:
        name, at = flight.name, flight.run.at
        is_open = flight.is_asked_for
        match kind:
            case "granted" if is_open:
                flight.stage = Stage.GRANTED
                if self.is_stopping:
                    self._dispatch.put_off(flight)
            case "elsewhere" if is_open:
                flight.stage = Stage.ELSEWHERE
                self._voice.elsewhere(name, at, str(fields["owner"]))
            case "done" if is_open:
                if flight.stage is not Stage.ELSEWHERE:
                    self._voice.elsewhere(name, at, str(fields["owner"]))
                self._land(flight, bool(fields["is_well"]))
                self.book.note(name)
                outcome = "done" if fields["is_well"] else "failed"
                self._tell(flight, outcome=outcome, status=not fields["is_well"], detail="elsewhere")
            case "lost" if flight.is_claimed:
                worker = next((one for one in self._children if one.key == flight.worker), None)
                cause = "another machine has taken over its job"
                if worker is not None:
                    self._deeds.kill(worker, cause, time.monotonic())
                else:
                    self._land(flight, True)
                    self.book.note(name)
                    self._tell(flight, error=cause)

    def bury(self, death: Ended, now: float) -> None:
        """A child has ended, and with it what it ran."""
        record = death.record
        if record.role is Role.CLERK and not death.is_expected:
            self._clerk_backoff = self._clerk_backoff.died(record.born_at, now)
        flight, target = self._flight_of(record.key), self._polling.target
        over = death.why_lost(flight.id if flight is not None else "")
        real = max(self.wall() - flight.began_at, 0.0) if flight is not None else 0.0
        if flight is not None and over is not None:
            record.kill_cause = record.kill_cause or TOLD
            self._voice.killed(record, flight.name, flight.id, over, real)
            self._end(flight, "killed", real=real, status=1, detail=over.cause)
        elif flight is not None:
            self._end(flight, "done", real=real)
        elif self._polling.bury(record.key, now) and over is not None:
            record.kill_cause = record.kill_cause or TOLD
            self._voice.killed(record, target, target, over, 0.0)
        self.look_at = 0.0

    def _flight_of(self, key: int) -> Flight | None:
        return next((flight for flight in self.flights.values() if flight.worker == key), None)

    def _end(
        self, flight: Flight, outcome: str, *, real: float = 0.0, cpu: float = 0.0, memory: int = 0,
        status: int = 0, detail: str = "",
    ) -> None:  # fmt: skip
        """A run is over."""
        last = LastRun(flight.run.at, flight.began_at, self.wall(), outcome, real, cpu, memory, detail)
        self.book.ended(flight, last)
        self._land(flight, outcome == "done")
        self._tell(flight, outcome=outcome, status=status, detail=detail, real=real, cpu=cpu)
        self.look_at = 0.0

    def _land(self, flight: Flight, is_well: bool) -> None:
        assert self.agenda is not None
        self.flights.pop(flight.name, None)
        flight.close()
        self.take_all(self.agenda.finished(flight.run, is_well, self.wall()))

    def stop(self) -> None:
        """No run begins any more; what has not begun is due at the next start."""
        self.is_stopping = True
        for flight in list(self.flights.values()):
            if flight.stage is Stage.GRANTED:
                self._dispatch.put_off(flight)
            if flight.stage is not Stage.RUNNING:
                self._tell(flight, error="the instance is stopping")
        self.look_at = 0.0

    def take_outcomes(self) -> list[tuple[str, dict[str, Any]]]:
        """(id of a run, how it ended) since the last call, for whoever waits."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def _tell(self, flight: Flight, **outcome: Any) -> None:
        self._outcomes.append((flight.id, outcome))
