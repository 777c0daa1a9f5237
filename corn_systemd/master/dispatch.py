"""Who gets which run: what is due is claimed by the clerk, what is granted goes to an idle cron worker.

No more is claimed than there are workers for it: what has to wait can be another machine's. Never waits.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from ..cron.agenda import Agenda
from ..policy.view import Role, State
from ..settings.sections import Settings, limits_of
from .bookkeeping import Bookkeeping
from .children import Children
from .deeds import Deeds
from .flight import Flight, Stage
from .polling import Polling
from .record import Record

# The clerk's own waits for a database are shorter.
DEAF = 60.0


class Dispatch:
    """`settings` and `generation` are those of the jobs that are in force."""

    def __init__(
        self,
        children: Children,
        deeds: Deeds,
        book: Bookkeeping,
        polling: Polling,
        troubles: Mapping[str, str],
        wall: Callable[[], float],
    ) -> None:
        """`troubles` are what the clerk has told of, by which he can do nothing."""
        self._children = children
        self._book = book
        self._polling = polling
        self._wall = wall
        self._deeds = deeds
        self._troubles = troubles
        self.settings: Settings | None = None
        self.generation = 0

    def turn(self, flights: Mapping[str, Flight], agenda: Agenda | None, now: float) -> bool:
        """Hands over what is granted, and has as much claimed as there are workers for it; whether all that
        was to be said was heard."""
        idle = self._idle(flights)
        was_heard = True
        if idle and self._polling.due_at <= now:
            was_heard = self._polling.ask(idle, now)
        for flight in flights.values():
            if flight.stage is Stage.GRANTED and idle:
                was_heard &= self._hand_over(flight, idle.pop())
        room = len(idle) - sum(flight.stage is Stage.CLAIMING for flight in flights.values())
        for flight in flights.values():
            if room > 0 and flight.stage is Stage.DUE and self.clerk is not None:
                if not self.claim(self.clerk, flight, agenda):
                    return False
                flight.stage, flight.asked_at = Stage.CLAIMING, now
                room -= 1
        self._mind_the_clerk(flights, now)
        return was_heard

    def _mind_the_clerk(self, flights: Mapping[str, Flight], now: float) -> None:
        """Ends one that has neither claimed a run in all this time nor said what is in its way; another is
        started, and nothing is lost."""
        asked = [flight.asked_at for flight in flights.values() if flight.stage is Stage.CLAIMING]
        is_deaf = bool(asked) and now - min(asked) > DEAF and not any(self._troubles.values())
        if is_deaf and self.clerk is not None:
            self._deeds.kill(self.clerk, f"it has not answered for {DEAF:g} s", now)

    @property
    def clerk(self) -> Record | None:
        return next(iter(self._children.of(Role.CLERK, State.READY)), None)

    def claim(self, clerk: Record, flight: Flight, agenda: Agenda | None, kind: str = "claim") -> bool:
        """Asks the clerk for a run, or to go on holding one; whether he has heard it."""
        assert self.settings is not None
        is_known = agenda is not None and agenda.knows(flight.name)
        past = agenda.view(flight.name).past if agenda is not None and is_known else None
        entry = replace(self._book.entry(flight.name, past, flight), began_at=self._wall())
        cron = self.settings.cron
        return clerk.lifeline.send(
            kind, entry=asdict(entry), at=flight.run.at, lock=cron.lock, retries=cron.retries
        )

    def put_off(self, flight: Flight) -> None:
        """A run that is granted does not begin here now: another machine may have it, or the next start."""
        flight.stage = Stage.DUE
        self._book.give_back(flight)

    def drop(self, flight: Flight) -> None:
        """A run that has not begun is not to: its job has been taken away, and may come back without it."""
        flight.close()
        self._book.keep({flight.name: replace(self._book.known(flight.name).past, running=None)})
        self.put_off(flight)

    def _idle(self, flights: Mapping[str, Flight]) -> list[Record]:
        """Workers of the generation in force that have nothing to do; the first is given out last."""
        busy = {flight.worker for flight in flights.values()} | {self._polling.running}
        ready = self._children.of(Role.CRON, State.READY)
        able = [one for one in ready if not one.retires and one.generation == self.generation]
        return self._polling.in_order([record for record in able if record.key not in busy])

    def _hand_over(self, flight: Flight, record: Record) -> bool:
        assert self.settings is not None
        job, limits = flight.run.job, limits_of(self.settings, flight.run.job)
        was_sent = record.lifeline.send(
            "run",
            (flight.output,) if flight.output >= 0 else (),
            run=flight.id,
            job=job.name,
            call=job.call,
            args=dict(job.args) if isinstance(job.args, Mapping) else list(job.args),
            time_real=limits.time_real,
            extend_max=limits.extend_max,
        )
        if was_sent:
            record.limits, record.is_given = limits, True
            flight.stage, flight.worker, flight.began_at = Stage.RUNNING, record.key, self._wall()
            flight.close()
        return was_sent
