"""One thing after the other happens to an instance that serves clients and runs jobs, drawn by chance.

After each it must answer again within moments, and soon be whole. What the clients and the jobs have seen is
for the test to judge.
"""

import http.client
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

from corn_systemd.systemd import messages
from corn_systemd.systemd.messages import Message

from .askers import ask
from .harness import Corn
from .load import open_connection
from .world import World, no_descriptors

WORKERS, CRON_WORKERS = 4, 2
# What issue 6 allows from the end of a fault to the next answers, in seconds, and how much more a busy
# machine may take.
PROMISE, SLACK = 2.0, 10
# From a worker's last sign to its end, where nothing but its silence tells (policy.stall), and time to spare.
UNTIL_NOTICED = 40.0


@dataclass
class Fault:
    """Something that happened: when it began and ended (monotonic), whether it ended workers, and how long
    after its end there were answers again, and all processes. `is_for_ever`: nobody but corn ends it."""

    name: str
    began_at: float
    ended_at: float = 0.0
    is_deadly: bool = False
    is_for_ever: bool = False
    answers_after: float = 0.0
    whole_after: float = 0.0


@dataclass
class Chaos:
    """One instance and what happens to it."""

    corn: Corn
    world: World
    chance: random.Random
    faults: list[Fault] = field(default_factory=list)
    stopped: list[tuple[int, Fault]] = field(default_factory=list)
    probes: int = 0

    # Who is there

    def pids(self, role: str) -> list[int]:
        """Those that are ready, and not stopped by us."""
        stopped = {pid for pid, _ in self.stopped}
        rows = self.corn.report()["processes"]
        ready = [row["pid"] for row in rows if (row["role"], row["state"]) == (role, "ready")]
        return [pid for pid in ready if pid not in stopped]

    def is_whole(self) -> bool:
        stopped = {pid for pid, _ in self.stopped} & set(self.corn.processes())
        rows = Counter(
            row["role"] for row in self.corn.report()["processes"]
            if row["state"] == "ready" and row["pid"] not in stopped
        )  # fmt: skip
        http = WORKERS - len(stopped)
        return rows == Counter({"mold": 1, "http": http, "cron": CRON_WORKERS, "clerk": 1})

    def wait(self, seconds: float) -> None:
        """A while in which the instance is heard."""
        end = time.monotonic() + seconds
        self.corn.until(lambda: time.monotonic() > end, "a while", seconds + 5)

    # What happens

    def kill(self, role: str, most: int) -> None:
        pids = self.pids(role)
        for pid in self.chance.sample(pids, min(len(pids), self.chance.randint(1, most))):
            os.kill(pid, signal.SIGKILL)

    @contextmanager
    def killed(self, role: str, most: int = 1) -> Iterator[None]:
        self.kill(role, most)
        yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Some workers are stopped for a while."""
        pids = self.pids("http")
        pids = self.chance.sample(pids, min(len(pids), 2))
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
        for pid in pids:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def without_descriptors(self, role: str) -> Iterator[None]:
        pids = [self.corn.pid] if role == "master" else self.pids(role)
        with ExitStack() as stack:
            for pid in pids:
                stack.enter_context(no_descriptors(self.corn, pid))
            if role == "mold":
                self.kill("http", 1)
            yield

    @contextmanager
    def without_forks(self) -> Iterator[None]:
        workers, cron = self.pids("http"), self.pids("cron")
        with self.world.no_forks(self.corn):
            for pid in [*self.chance.sample(workers, min(len(workers), 2)), *cron[:1]]:
                os.kill(pid, signal.SIGKILL)
            yield

    @contextmanager
    def state_full(self) -> Iterator[None]:
        """Until the clerk can not write: a few runs fill what is left of the last page."""
        with self.world.full(self.corn, self.world.state):
            self.until_told(messages.JOBS_STOPPED, lambda: self.corn.ask("POST /jobs/job-0/run"))
            yield

    @contextmanager
    def notify_gone(self) -> Iterator[None]:
        with self.corn.without("notify"):
            self.until_told(messages.NOTIFY_LOST, lambda: None)
            yield

    def until_told(self, message: Message, deed: Callable[[], object]) -> None:
        before = len(self.corn.told(message))

        def is_told() -> bool:
            deed()
            return len(self.corn.told(message)) > before

        self.corn.until(is_told, message.text)

    @contextmanager
    def stepped(self, seconds: float) -> Iterator[None]:
        """The clock is put forward, and stays; or it is put back, and then right."""
        self.world.step(seconds)
        yield
        if seconds < 0:
            self.world.step(-seconds)

    def stop_one(self) -> None:
        """One worker is stopped for ever."""
        pid = self.chance.choice(self.pids("http"))
        os.kill(pid, signal.SIGSTOP)
        self.stopped.append((pid, Fault("worker stopped for ever", time.monotonic(), is_for_ever=True)))

    def look_after_stopped(self) -> None:
        for pid, fault in list(self.stopped):
            if pid not in self.corn.processes():
                fault.ended_at = time.monotonic()
                self.stopped.remove((pid, fault))
                self.faults.append(fault)
                self.recover(fault)
            else:
                assert time.monotonic() - fault.began_at < UNTIL_NOTICED, "nobody has noticed"

    def deck(self) -> list[tuple[str, Callable[[], AbstractContextManager[None]], float, bool]]:
        """(name, what happens, for how many seconds, whether workers end by it)."""
        world, corn = self.world, self.corn
        return [
            ("workers killed", lambda: self.killed("http", 2), 0.0, True),
            ("all workers killed", lambda: self.killed_all("http"), 0.0, True),
            ("mold killed", lambda: self.killed("mold"), 0.0, False),
            ("mold and a worker killed", self.killed_with_mold, 0.0, True),
            ("cron workers killed", lambda: self.killed("cron", 2), 0.0, False),
            ("clerk killed", lambda: self.killed("clerk"), 0.0, False),
            ("workers held", self.held, 1.0, False),
            ("state full", self.state_full, 0.5, False),
            ("spool full", lambda: world.full(corn, world.spool), 1.5, False),
            ("no descriptors: master", lambda: self.without_descriptors("master"), 1.0, False),
            ("no descriptors: workers", lambda: self.without_descriptors("http"), 1.0, False),
            ("no descriptors: mold", lambda: self.without_descriptors("mold"), 1.0, True),
            ("no descriptors: clerk", lambda: self.without_descriptors("clerk"), 1.0, False),
            ("no forks", self.without_forks, 1.5, True),
            ("journal gone", lambda: corn.without("journal"), 1.0, False),
            ("journal not read", lambda: corn.unread("journal"), 1.0, False),
            ("notify gone", self.notify_gone, 0.0, False),
            ("clock forward", lambda: self.stepped(3600.0), 1.0, False),
            ("clock back", lambda: self.stepped(-3600.0), 1.0, False),
        ]

    @contextmanager
    def killed_all(self, role: str) -> Iterator[None]:
        for pid in self.pids(role):
            os.kill(pid, signal.SIGKILL)
        yield

    @contextmanager
    def killed_with_mold(self) -> Iterator[None]:
        self.kill("mold", 1)
        self.kill("http", 1)
        yield

    def happen(self, name: str, what: AbstractContextManager[None], seconds: float, is_deadly: bool) -> None:
        fault = Fault(name, time.monotonic(), is_deadly=is_deadly)
        self.faults.append(fault)
        with what:
            self.wait(seconds)
        fault.ended_at = time.monotonic()
        self.recover(fault)

    # What comes of it

    def recover(self, fault: Fault) -> None:
        """Waits until some new clients in a row are answered, and for all processes."""
        answered = 0

        def ask_on() -> bool:
            nonlocal answered
            answered = answered + 1 if self.probe(("quick", "body")[answered % 2]) else 0
            return answered == 2 * WORKERS

        self.corn.until(ask_on, f"answers after: {fault.name}", PROMISE * SLACK)
        fault.answers_after = time.monotonic() - fault.ended_at
        self.corn.until(self.is_whole, f"all processes after: {fault.name}", 60)
        fault.whole_after = time.monotonic() - fault.ended_at

    def probe(self, kind: str) -> bool:
        self.probes += 1
        try:
            connection = open_connection(self.corn, 5.0)
            try:
                return ask(connection, kind, f"probe-{self.probes}")[:2] == (200, "")
            finally:
                connection.close()
        except (OSError, http.client.HTTPException):
            return False

    def run(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        deck: list[tuple[str, Callable[[], AbstractContextManager[None]], float, bool]] = []
        while time.monotonic() < end:
            if not deck:
                deck = self.deck()
                self.chance.shuffle(deck)
                self.stop_one()
            name, what, lasts, is_deadly = deck.pop()
            self.happen(name, what(), lasts, is_deadly)
            self.look_after_stopped()
            self.wait(self.chance.uniform(0.1, 0.4))
        self.corn.until(
            lambda: self.look_after_stopped() or not self.stopped, "the end of who was stopped", UNTIL_NOTICED
        )
