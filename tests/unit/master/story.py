"""Stories of machines with jobs, of which chance says what happens next: the master's jobs and its clerk are
real, and everybody else is somebody of house.py. After each step they check what must be true of any story.

Nothing waits, and no clock moves but theirs.
"""

import json
import random
import time
from dataclasses import replace
from itertools import count
from typing import Any

from corn_systemd.clerk.clerk import Clerk
from corn_systemd.clerk.lock import Claim, Verdict
from corn_systemd.cron.events import Past
from corn_systemd.cron.ledger import entry_of
from corn_systemd.errors import Unavailable
from corn_systemd.lifeline import Message
from corn_systemd.master.job_desk import JobDesk, NoSuchJob, NotNow
from corn_systemd.policy.view import Role, State
from corn_systemd.settings.kinds import Job

from .house import NOON, SHARED, House, MemoryLedger, minutely

NAMES = "abc"
WORKERS = 2
Key = tuple[str, float]

# What may happen, and how often.
CHANCES = {
    "time passes": 10, "the master looks": 14, "the clerk listens": 10, "the clerk works": 10,
    "the master listens": 10, "a run ends": 10, "a worker dies": 1, "the clerk dies": 1, "a reload": 1,
    "the master dies": 1, "a run by hand": 1, "a pause or its end": 1, "the disk is full or not": 1,
    "somebody is deaf or not": 1, "the database is gone or back": 1,
}  # fmt: skip


class Database:
    """What machines share: whose each run is, and how it has ended. `sessions` are the clerks that live."""

    def __init__(self) -> None:
        self.runs: dict[Key, tuple[str, int, str]] = {}  # owner, session, outcome
        self.sessions: set[int] = set()
        self.numbers = count(1)
        self.is_gone = False
        self.machines: list[Machine] = []

    def is_anybodys(self, key: Key) -> bool:
        """Whether a run that has been begun may be begun anew: its owner has gone, or has lost it before it
        had begun."""
        owner, session, _ = self.runs[key]
        machine = next((one for one in self.machines if one.owner == owner), None)
        return machine is None or (session not in self.sessions and not machine.is_at(key))


class FakeLock:
    """What one clerk has of it; see lock.Lock."""

    def __init__(self, database: Database, owner: str, session: int) -> None:
        self._database, self._owner, self._session = database, owner, session

    def _run(self, key: Key) -> tuple[str, int, str] | None:
        if self._database.is_gone:
            raise Unavailable("the database is gone")
        return self._database.runs.get(key)

    def _is_ours(self, key: Key) -> bool:
        run = self._run(key)
        return run is not None and run[0] == self._owner and not run[2]

    def _take(self, key: Key) -> None:
        self._database.runs[key] = self._owner, self._session, ""

    def claim(self, job: str, at: float) -> Claim:
        run = self._run((job, at))
        if run is not None and run[2]:
            return Claim(Verdict.DONE, run[0], is_well=run[2] == "done")
        if run is not None and run[0] != self._owner and not self._database.is_anybodys((job, at)):
            return Claim(Verdict.ELSEWHERE, run[0])
        self._take((job, at))
        return Claim(Verdict.GRANTED)

    def hold(self, job: str, at: float) -> bool:
        is_ours = self._is_ours((job, at))
        if is_ours:
            self._take((job, at))
        return is_ours

    def give_back(self, job: str, at: float) -> None:
        if self._is_ours((job, at)):
            del self._database.runs[job, at]

    def end(self, job: str, at: float, outcome: str) -> bool:
        is_ours = self._is_ours((job, at))
        if is_ours:
            self._database.runs[job, at] = self._owner, self._session, outcome
        return is_ours

    def check(self) -> list[Key]:
        self._run(("", 0.0))
        return []

    def close(self) -> None:
        pass


class ToMaster:
    """The clerk's end of his lifeline."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, kind: str, **fields: Any) -> bool:
        self.sent.append(Message(kind, json.loads(json.dumps(fields))))
        return True


class Machine:
    """One machine; with a database it shares its jobs with others. `begun` are the runs that its workers are
    at, by the keys of the workers."""

    def __init__(
        self, name: str, chance: random.Random, told: list[str], database: Database | None = None
    ) -> None:
        self._name, self._chance, self._told, self._database = name, chance, told, database
        self._cron: dict[str, Any] = {"workers": WORKERS}
        if database is not None:
            self._cron["lock"] = SHARED
            database.machines.append(self)
        self.disk = MemoryLedger()
        self._jobs = {name: self._job(name) for name in NAMES}
        self._generation = self._life = self._session = 0
        self._handed: set[Key] = set()
        self._boot(100.0, NOON + 0.123)

    def _job(self, name: str) -> Job:
        every, overlap = 10.0 * 6 ** NAMES.index(name), self._chance.choice(["skip", "queue"])
        return minutely(name, every=every, overlap=overlap, catch_up=self._chance.random() < 0.7)

    @property
    def owner(self) -> str:
        return f"{self._name}{self._life}"

    def is_at(self, key: Key) -> bool:
        """Whether a run has been granted to this machine, and the others have not been told of its end."""
        flight = self.house.jobs.flights.get(key[0])
        if flight is not None and flight.run.at == key[1] and flight.is_claimed:
            return True
        return any(("ended", *key) in kept for kept in self._unwritten())

    def _unwritten(self) -> tuple[dict[Any, Any], ...]:
        return self.house.jobs.book._unsent, self.house.jobs.book._unconfirmed

    def _pasts(self) -> dict[str, Past]:
        agenda = self.house.jobs.agenda
        return agenda.pasts() if agenda is not None else {}

    # Who comes and goes

    def _boot(self, now: float, wall: float) -> None:
        self._life += 1
        self.house = House(ledger=self.disk)
        self.house.now, self.house.wall = now, wall
        self.begun: dict[int, Key] = {}
        self._seen: dict[int, int] = {}
        self._reload()
        self._begin_clerk()

    def _reload(self) -> None:
        self._generation += 1
        self.house.adopt(*self._jobs.values(), generation=self._generation, **self._cron)
        self._fill()

    def _fill(self) -> None:
        """Old workers go when they have nothing to do, and new ones come."""
        for record in self.house.children.of(Role.CRON):
            if record.generation != self._generation and record.key not in self.begun:
                self.house.gone(record, is_clean=True)
        while len(self.house.children.of(Role.CRON)) < WORKERS:
            self.house.jobs.became_ready(self.house.worker())

    def _begin_clerk(self) -> None:
        ends: Any = ToMaster(), self.disk
        self._line, disk = ends
        if self._database is not None:
            self._database.sessions.discard(self._session)
            self._session = next(self._database.numbers)
            self._database.sessions.add(self._session)
        now: dict[str, float] = dict.fromkeys(
            ("ask_again", "first_delay", "longest_delay", "check_every"), 0.0
        )
        self._clerk = Clerk(self._line, disk, self._lock, **now)
        self._record = self.house.clerk()

    def _lock(self, address: str, retries: int) -> FakeLock:
        assert self._database is not None
        return FakeLock(self._database, self.owner, self._session)

    # What happens

    def step(self) -> None:
        """Something does."""
        house, chance = self.house, self._chance
        house.wall += 0.001  # no two runs by hand at the same instant
        (what,) = chance.choices(list(CHANCES), list(CHANCES.values()))
        self._told.append(f"{house.wall - NOON:9.3f} {self._name}: {what}")
        match what:
            case "time passes":
                house.wait(chance.choice([1.0, 5.0, 13.0, 70.0]))
            case "the master looks":
                self._look()
            case "the clerk listens":
                self._clerk_listens()
            case "the clerk works":
                self._clerk._work(time.monotonic())
            case "the master listens":
                self._master_listens()
            case "a run ends" if self.begun:
                self._end(chance.choice(list(self.begun)), chance.choice(["done", "done", "failed"]))
            case "a worker dies":
                record = chance.choice(house.children.of(Role.CRON))
                self.begun.pop(record.key, None)
                house.gone(record)
                self._fill()
            case "the clerk dies":
                if chance.random() < 0.5:
                    self._clerk_listens()
                self._begin_clerk()
            case "a reload":
                name = chance.choice(NAMES)
                if self._jobs.pop(name, None) is None:
                    self._jobs[name] = self._job(name)
                self._reload()
            case "the master dies":
                if chance.random() < 0.7:  # the clerk has time for what it has been told
                    self._clerk_listens()
                    self._clerk._part(0.0)
                    self._clerk._work(time.monotonic())
                self.disk.is_full = False
                self._boot(house.now, house.wall + chance.choice([1.0, 30.0, 400.0]))
            case "a run by hand" | "a pause or its end":
                self._ask(
                    chance.choice(NAMES), "run" if "hand" in what else chance.choice(["pause", "resume"])
                )
            case "the disk is full or not":
                self.disk.is_full = not self.disk.is_full
            case "somebody is deaf or not":
                for line in house.lines.values():
                    line.is_deaf = chance.random() < 0.3
            case "the database is gone or back" if self._database is not None:
                self._database.is_gone = not self._database.is_gone
        self._check()

    def _ask(self, name: str, deed: str) -> None:
        desk = JobDesk(self.house.jobs, "shop")
        try:
            desk.run(name) if deed == "run" else desk.switch(name, deed)
        except (NoSuchJob, NotNow):
            pass

    def _end(self, worker: int, outcome: str) -> None:
        del self.begun[worker]
        self.house.ran(next(one for one in self.house.children if one.key == worker), outcome)
        self._fill()

    def _look(self) -> None:
        self.house.look()
        if self._record.state is State.KILLED:
            self._begin_clerk()  # it had said nothing for too long

    def _clerk_listens(self) -> None:
        for kind, fields in self.house.lines[self._record.key].take():
            self._clerk._heed(Message(kind, fields))

    def _master_listens(self) -> None:
        sent, self._line.sent = self._line.sent, []
        for message in sent:
            self.house.jobs.heard(self._record, message, self.house.now)

    # What is always true

    def _check(self) -> None:
        self._check_orders()
        flights = self.house.jobs.flights
        assert sorted(flight.worker for flight in flights.values() if flight.worker) == sorted(self.begun)
        for name, past in self._pasts().items():
            assert past.running == (flights[name].run.at if name in flights else None), f"{name} is stuck"

    def _check_orders(self) -> None:
        """What has been handed over since the last step."""
        for record in self.house.children.of(Role.CRON):
            orders = self.house.orders(record)
            for order in orders[self._seen.get(record.key, 0) :]:
                key = order["job"], self.house.flight(order["job"]).run.at
                self._told.append(f"{self._name}: worker {record.key} begins {key}")
                assert record.key not in self.begun, "one run at a time"
                assert key[0] not in {name for name, _ in self.begun.values()}, "a job beside itself"
                assert self.disk.rows[key[0]]["past"]["running"] == key[1], "not in the ledger"
                if self._database is None:
                    assert key not in self._handed, "a run for the second time"
                else:
                    owner, _, outcome = self._database.runs[key]
                    assert (owner, outcome) == (self.owner, ""), "a run that is not ours, or that was done"
                    assert not any(key in one.begun.values() for one in self._database.machines)
                self._handed.add(key)
                self.begun[record.key] = key
            self._seen[record.key] = len(orders)

    def calm(self) -> None:
        """From now on all is well, and nothing more is due."""
        self.disk.is_full = False
        for line in self.house.lines.values():
            line.is_deaf = False
        for name in self._jobs:
            self._ask(name, "pause")

    def work(self) -> None:
        """Everybody does what there is to do."""
        self._look()
        self._clerk_listens()
        self._clerk._work(time.monotonic())
        self._master_listens()
        self.house.look()
        self._check()
        for worker in list(self.begun):
            self._end(worker, "done")
        self.house.wait(0.1)

    def check_calm(self) -> None:
        """All is done, and all of it is written down."""
        jobs = self.house.jobs
        assert jobs.flights == {}
        assert self._unwritten() == ({}, {})
        for name, past in self._pasts().items():
            assert entry_of(self.disk.rows[name]) == replace(jobs.book.known(name), past=past, began_at=None)
        if self._database is not None:
            ours = [run for run in self._database.runs.values() if run[0] == self.owner and not run[2]]
            assert self._session not in {session for _, session, _ in ours}, "a lock that nobody needs"


def tell(seed: int, steps: int, *, is_shared: bool) -> None:
    """A whole story; AssertionError, with the story, where it goes wrong."""
    chance = random.Random(seed)
    database = Database() if is_shared else None
    told: list[str] = []
    machines = [Machine(name, chance, told, database) for name in ("one", "two")[: 1 + is_shared]]
    try:
        for _ in range(steps):
            chance.choice(machines).step()
        if database is not None:
            database.is_gone = False
        for machine in machines:
            machine.calm()
        for _ in range(30):
            for machine in machines:
                machine.work()
        for machine in machines:
            machine.check_calm()
    except AssertionError as error:
        raise AssertionError("\n".join([f"story {seed}", *told, str(error)])) from error
