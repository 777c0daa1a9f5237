"""What people ask about jobs, and what they want of them: corn jobs, corn job run, pause and resume.

Answers from what Jobs knows; a run that somebody asks for goes the way of all runs.
"""

import os
from math import isfinite
from typing import Any

from ..cron.agenda import Agenda
from ..cron.events import Skipped
from ..errors import CornError
from ..settings.kinds import Job
from .flight import Flight
from .jobs import Jobs


class NoSuchJob(CornError):
    """There is no job of that name here."""


class NotNow(CornError):
    """It runs already."""


class NothingNow(NotNow):
    """Nothing is run at all any more."""


class JobDesk:
    """Asks and changes the jobs of one instance."""

    def __init__(self, jobs: Jobs, instance: str) -> None:
        self._jobs = jobs
        self._instance = instance

    def run(self, name: str, output: int = -1) -> str:
        """Somebody wants a run of a job now; its id. What it prints is copied to `output`, which is ours from
        now on. Raises NoSuchJob or NotNow."""
        flight = None
        try:
            agenda = self._agenda_with(name)
            if self._jobs.is_stopping:
                raise NothingNow("the instance is stopping")
            run = agenda.by_hand(name, self._jobs.wall())
            if isinstance(run, Skipped) or name in self._jobs.flights:
                raise NotNow(f"job {name!r} runs already, or waits for a worker: corn jobs shows it")
            flight = self._jobs.flights[name] = Flight(run, output=output)
            self._jobs.look_at = 0.0
            return flight.id
        finally:
            if flight is None and output >= 0:
                os.close(output)

    def switch(self, name: str, deed: str) -> str:
        """Leaves a job out from now on ("pause"), or takes up one that was paused or suspended ("resume");
        its outlook then. Raises NoSuchJob."""
        jobs, agenda = self._jobs, self._agenda_with(name)
        if deed == "pause":
            jobs.take_all(agenda.pause(name, jobs.wall()))
        else:
            agenda.resume(name, jobs.wall())
        jobs.book.note(name)
        jobs.look_at = 0.0
        return agenda.view(name).outlook.value

    def report(self) -> dict[str, Any]:
        """All jobs, as JSON can carry them; instants are seconds since 1970."""
        jobs = self._jobs
        return {
            "instance": self._instance,
            "now": jobs.wall(),
            "troubles": {about: cause for about, cause in jobs.troubles.items() if cause},
            "jobs": [self._row(job) for job in jobs.jobs.values()],
        }

    def words(self) -> str:
        """What jobs are doing, for the line of STATUS=; nothing where there are none."""
        if not self._jobs.jobs and not self._jobs.has_poller:
            return ""
        if any(self._jobs.troubles.values()):
            return "jobs can not begin"
        running = sorted(flight.name for flight in self._jobs.flights.values() if flight.worker)
        return f"cron {', '.join(running[:3])}" if running else "cron idle"

    def _row(self, job: Job) -> dict[str, Any]:
        assert self._jobs.agenda is not None
        view, known = self._jobs.agenda.view(job.name), self._jobs.book.known(job.name)
        flight, last = self._jobs.flights.get(job.name), known.last
        return {
            "name": job.name,
            "call": job.call,
            "schedule": job.rhythm,
            "timezone": job.timezone,
            "origin": "code" if job.name in self._jobs.declared else "settings",
            "outlook": view.outlook.value,
            "due_at": view.due_at if isfinite(view.due_at) else None,
            "next_at": view.start_at if isfinite(view.start_at) else None,
            "stage": flight.stage.value if flight is not None else None,
            "run": flight.id if flight is not None else None,
            "began_at": flight.began_at or None if flight is not None else None,
            "worker": self._jobs.number(flight.worker) if flight is not None else None,
            "runs": known.runs,
            "failures": known.failures,
            "failures_in_row": view.past.failures,
            "last": None if last is None else {
                "at": last.at, "began_at": last.began_at, "ended_at": last.ended_at, "outcome": last.outcome,
                "real": last.real, "cpu": last.cpu, "memory": last.memory, "detail": last.detail,
            },
        }  # fmt: skip

    def _agenda_with(self, name: str) -> Agenda:
        if self._jobs.agenda is None or name not in self._jobs.jobs:
            names = ", ".join(self._jobs.jobs)
            there = f"there are {names}" if names else "there are none"
            raise NoSuchJob(f"there is no job {name!r} here; {there}")
        return self._jobs.agenda
