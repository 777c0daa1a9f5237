"""An instance whose jobs are real and everybody around them pretends: the tests move both clocks.

What is sent must be JSON, and what is to be written must be what the ledger can read again.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from corn_systemd.cron.ledger import Entry, Reading, entry_of
from corn_systemd.errors import Unavailable
from corn_systemd.lifeline import Message as Packet
from corn_systemd.master.events import Ended
from corn_systemd.master.flight import Flight
from corn_systemd.master.job_voice import JobVoice
from corn_systemd.master.jobs import Jobs
from corn_systemd.master.record import Record
from corn_systemd.policy.view import Role, State
from corn_systemd.settings.kinds import Job
from corn_systemd.settings.sections import Cron, Settings
from corn_systemd.systemd.messages import Message

# 2026-01-01 12:00 UTC, when a job of every minute, hour or day is just due.
NOON = 1767268800.0
MINUTE, DAY = 60.0, 86400.0
SHARED = "postgresql://db/corn"


class FakeLifeline:
    """Keeps what is sent, as JSON would carry it; hears nothing while it is deaf."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.fds: list[tuple[int, ...]] = []
        self.is_deaf = False

    def send(self, kind: str, fds: tuple[int, ...] = (), **fields: Any) -> bool:
        if self.is_deaf:
            return False
        self.sent.append((kind, json.loads(json.dumps(fields))))
        self.fds.append(fds)
        return True

    def take(self) -> list[tuple[str, dict[str, Any]]]:
        """What was sent since the last call."""
        sent, self.sent = self.sent, []
        return sent


class FakeChildren:
    def __init__(self) -> None:
        self.records: list[Record] = []

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self.records))

    def of(self, role: Role, *states: State) -> list[Record]:
        return [one for one in self.records if one.role is role and (not states or one.state in states)]


class FakeDeeds:
    def __init__(self) -> None:
        self.killed: list[tuple[int, str]] = []

    def kill(self, record: Record, cause: str, now: float) -> None:
        self.killed.append((record.key, cause))
        record.kill_cause = record.kill_cause or cause
        record.enter(State.KILLED, now)


class FakeJournal:
    def __init__(self) -> None:
        self.entries: list[tuple[Message, dict[str, Any]]] = []

    def emit(self, message: Message, detail: str = "", **values: object) -> None:
        message.text.format(**values)
        self.entries.append((message, {**values, "detail": detail}))

    def told(self, message: Message) -> list[dict[str, Any]]:
        return [values for one, values in self.entries if one is message]


class MemoryLedger:
    """A ledger of which nothing is left; it refuses while it is full."""

    path = "state/ledger"

    def __init__(self, *entries: Entry, torn: int = 0, error: str = "") -> None:
        self.rows: dict[str, Any] = {}
        self.torn, self.error, self.is_full = torn, error, False
        self.readings = 0
        self.write(entries)

    def read(self) -> Reading:
        self.readings += 1
        if self.error:
            raise Unavailable(self.error)
        return Reading({name: entry_of(row) for name, row in self.rows.items()}, self.torn)

    def write(self, entries: Iterable[Entry]) -> None:
        if self.is_full:
            raise Unavailable("the disk is full")
        for entry in entries:
            self.rows[entry.job] = json.loads(json.dumps(asdict(entry)))


def minutely(name: str, **more: Any) -> Job:
    return Job(**{"name": name, "call": f"shop:{name}", "every": MINUTE, **more})


class House:
    """The jobs of an instance, and everybody around them."""

    def __init__(self, *entries: Entry, ledger: MemoryLedger | None = None) -> None:
        self.now, self.wall = 100.0, NOON
        self.children, self.deeds, self.journal = FakeChildren(), FakeDeeds(), FakeJournal()
        self.ledger = ledger if ledger is not None else MemoryLedger(*entries)
        self.lines: dict[int, FakeLifeline] = {}
        self.generation = 1
        fakes: Any = self.children, self.deeds, self.journal, self.ledger
        children, deeds, journal, ledger = fakes
        self.jobs = Jobs(children, deeds, JobVoice(journal), ledger, lambda: self.wall)

    # Who is there

    def add(self, role: Role, state: State = State.READY, generation: int | None = None) -> Record:
        key = len(self.lines) + 1
        of = self.generation if generation is None else generation
        line: Any = FakeLifeline()
        self.lines[key] = line
        slot = None if role is Role.CLERK else key
        record = Record(key, role, of, self.now, line, slot=slot, pid=1000 + key, state=state)
        self.children.records.append(record)
        return record

    def worker(self, **more: Any) -> Record:
        return self.add(Role.CRON, **more)

    def clerk(self) -> Record:
        """A clerk, the only one."""
        for record in self.children.of(Role.CLERK):
            self.gone(record)
        record = self.add(Role.CLERK, generation=0)
        self.jobs.became_ready(record)
        return record

    def gone(self, record: Record, **more: Any) -> None:
        """A child ends."""
        self.children.records.remove(record)
        death = Ended(record, **{"cause": "signal SIGKILL", "is_clean": False, "view": None, **more})
        self.jobs.bury(death, self.now)

    # What happens

    def adopt(self, *jobs: Job, declared: Iterable[Job] = (), generation: int = 1, **cron: Any) -> None:
        self.generation = generation
        settings = Settings(name="shop", app="shop:application", cron=Cron(jobs=jobs, **cron))
        self.jobs.adopt(generation, settings, declared, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def look(self) -> None:
        self.jobs.look(self.now)

    def says(self, record: Record, kind: str, **fields: Any) -> None:
        self.jobs.heard(record, Packet(kind, fields), self.now)

    def grants(self, name: str, kind: str = "granted", **more: Any) -> None:
        """The clerk that is there answers the claim of a job."""
        (clerk,) = self.children.of(Role.CLERK)
        self.says(clerk, kind, job=name, at=self.flight(name).run.at, **more)

    def ran(self, worker: Record, outcome: str = "done", **more: Any) -> None:
        """A worker has done what it was asked to last."""
        fields = {"real": 1.5, "cpu": 0.5, "memory": 4096, "status": int(outcome != "done"), "detail": ""}
        run = self.orders(worker)[-1]["run"]
        self.says(worker, "ran", run=run, outcome=outcome, **{**fields, **more})

    # What is to be seen

    def flight(self, name: str) -> Flight:
        return self.jobs.flights[name]

    def stages(self) -> dict[str, str]:
        return {name: flight.stage.value for name, flight in self.jobs.flights.items()}

    def orders(self, worker: Record) -> list[dict[str, Any]]:
        return [fields for kind, fields in self.lines[worker.key].sent if kind == "run"]

    def papers(self, clerk: Record) -> list[tuple[str, str]]:
        """(kind, job) of what the clerk was sent since the last call; each entry must be one of a ledger."""
        told = []
        for kind, fields in self.lines[clerk.key].take():
            job = entry_of(fields["entry"]).job if "entry" in fields else fields["job"]
            told.append((kind, job))
        return told

    def entry(self, clerk: Record, kind: str, job: str) -> Entry:
        """The entry that the clerk was sent last with this kind of message; what was sent before is gone."""
        sent = self.lines[clerk.key].take()
        return [
            entry_of(fields["entry"]) for one, fields in sent if one == kind and fields["entry"]["job"] == job
        ][-1]


def due(*jobs: Job, workers: int = 1, **cron: Any) -> tuple[House, Record]:
    """A house in which these jobs are due now, and its clerk who has heard all about them so far."""
    house = House()
    clerk = house.clerk()
    for _ in range(workers):
        house.worker()
    house.adopt(*jobs, workers=max(workers, 1), **cron)
    house.look()
    house.papers(clerk)
    house.wait(MINUTE)
    return house, clerk


def running(*, output: int = -1, every: float = MINUTE, **cron: Any) -> tuple[House, Record, Record]:
    """One in which a worker runs the job "tidy"; the house, its clerk and that worker."""
    house, clerk = due(minutely("tidy", every=every), **cron)
    house.look()
    house.flight("tidy").output = output
    house.grants("tidy")
    house.look()
    house.papers(clerk)
    (worker,) = [one for one in house.children if one.key == house.flight("tidy").worker]
    return house, clerk, worker


def is_closed(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False
