"""Chaos under the real systemd: one thing after the other happens to an instance that has clients and jobs.

Each is undone; then it must answer again, and be whole. What is measured is printed: here everything takes 10
to 20 times longer than on a processor that is not emulated. The rest is in tests/process/test_chaos.py.
"""

import http.client
import os
import random
import resource
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest
from inside import groups, pids, told, top
from machine import Connection, Instance, drop_in, get, pids_alive, sh, systemctl, wait_for

from corn_systemd.systemd import messages

ADDRESS = "127.0.0.1:8207"
STATE, CACHE = Path("/var/lib/corn/chaos"), Path("/var/cache/corn/chaos")
JOBS = [{"name": f"job-{number}", "call": "noting:work", "every": "5s"} for number in range(4)]
LOGGING = ("systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-journald.service")
SEED = 6


class Askers:
    """Clients, every other of which keeps its connection; none asks twice under one name."""

    def __init__(self, prefix: str, clients: int = 4, every: float = 0.5) -> None:
        self._prefix = prefix
        self._is_over = threading.Event()
        self._every = every
        self.statuses: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._threads = [threading.Thread(target=self._live, args=(number,)) for number in range(clients)]

    def __enter__(self) -> "Askers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _live(self, number: int) -> None:
        connection, count = Connection(ADDRESS, timeout=30), 0
        while not self._is_over.wait(self._every):
            count += 1
            name = f"{self._prefix}-{number}-{count}"
            if connection.sock is None:
                connection = Connection(ADDRESS, timeout=30)
            try:
                connection.request("GET", f"/{name}")
                answer = connection.getresponse()
                text = answer.read().decode()
                self.statuses[str(answer.status)] += 1
                if answer.status == 200 and text != name:
                    self.wrong.append(f"{name} got {text!r}")
            except (OSError, http.client.HTTPException) as error:
                self.statuses[type(error).__name__] += 1
                connection.close()
            if number % 2:
                connection.close()
        connection.close()


@pytest.fixture
def chaos() -> Iterator[Instance]:
    """An instance whose state and spools have small disks of their own."""
    for disk in (STATE, CACHE):
        disk.mkdir(parents=True, exist_ok=True)
        sh("mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", str(disk))
    one = Instance("chaos", "noting", listen=[ADDRESS], cron={"workers": 1, "jobs": JOBS})
    one.home.chmod(0o777)
    # Longer than anything but its own standstill may take it here.
    drop_in(one.service, "[Service]\nWatchdogSec=30s\n")
    before, since = time.time(), time.monotonic()
    try:
        systemctl("daemon-reload")
        one.start()
        yield one
    finally:
        set_clock(before + time.monotonic() - since)
        systemctl("start", *LOGGING, check=False)
        one.close()
        for disk in (STATE, CACHE):
            sh("umount", str(disk), check=False)


def set_clock(instant: float) -> None:
    sh("date", "--set", f"@{instant:.3f}")


def is_whole(one: Instance) -> bool:
    return [len(pids(one, role)) for role in ("mold", "http", "cron", "clerk")] == [1, 2, 1, 1]


def kill(one: Instance, role: str, chance: random.Random) -> None:
    os.kill(chance.choice(sorted(pids(one, role))), signal.SIGKILL)


@contextmanager
def killed(one: Instance, role: str, chance: random.Random) -> Iterator[None]:
    kill(one, role, chance)
    yield


@contextmanager
def held(one: Instance, chance: random.Random) -> Iterator[None]:
    pid = chance.choice(sorted(pids(one, "http")))
    os.kill(pid, signal.SIGSTOP)
    time.sleep(2)
    yield
    with suppress(ProcessLookupError):  # on a slow machine it may have been replaced
        os.kill(pid, signal.SIGCONT)


@contextmanager
def full(one: Instance, disk: Path) -> Iterator[None]:
    """Of the state's: until the clerk can not write, as what is left of the last page is full as well."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    except OSError:
        pass
    if disk == STATE:
        wait_for(lambda: told(one, messages.JOBS_STOPPED), "jobs that can not begin", 60)
    yield
    ballast.unlink()


@contextmanager
def without_descriptors(one: Instance) -> Iterator[None]:
    """The master gets no other than it has."""
    pid = one.main_pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = descriptors(pid)
    lowest = next(fd for fd in range(len(used) + 1) if fd not in used)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, before[1]))
    time.sleep(2)
    yield
    for each in pids_alive(one.processes()):
        with suppress(ProcessLookupError):
            resource.prlimit(each, resource.RLIMIT_NOFILE, before)


@contextmanager
def without_forks(one: Instance, chance: random.Random) -> Iterator[None]:
    systemctl("set-property", "--runtime", one.service, "TasksMax=1")
    kill(one, "http", chance)
    wait_for(lambda: told(one, messages.FORK_FAILED), "a fork that fails")
    time.sleep(2)
    yield
    systemctl("set-property", "--runtime", one.service, "TasksMax=infinity")


@contextmanager
def without_journal() -> Iterator[None]:
    systemctl("stop", *LOGGING)
    time.sleep(3)
    yield
    systemctl("start", *LOGGING)


@contextmanager
def stepped(seconds: float) -> Iterator[None]:
    """The clock is put forward, and stays; or it is put back, and then right."""
    set_clock(time.time() + seconds)
    time.sleep(3)
    yield
    if seconds < 0:
        set_clock(time.time() - seconds)


@contextmanager
def stopped_master(one: Instance) -> Iterator[None]:
    """Who does not ping is ended by the watchdog, and started again."""
    pid = one.main_pid
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: one.main_pid not in (0, pid) and one.show("ActiveState") == "active", "another", 60)
    yield


def descriptors(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def holdings(one: Instance) -> tuple[int, int, int, int]:
    """How many processes, control groups and descriptors of the master there are, and the master's PSS."""
    wait_for(lambda: is_whole(one), "all processes")
    lines = Path(f"/proc/{one.main_pid}/smaps_rollup").read_text().splitlines()
    pss = next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return len(one.processes()), len(groups(top(one))), len(descriptors(one.main_pid)), pss


def happen(one: Instance, name: str, what: AbstractContextManager[None]) -> float:
    """Something happens and ends: after how long it answers again. Waits for all processes, too."""
    with what:
        pass
    ended_at = time.monotonic()
    wait_for(answers, f"answers after: {name}")
    answers_after = time.monotonic() - ended_at
    wait_for(lambda: is_whole(one), f"all processes after: {name}", 60)
    print(f"{name:24} answers after {answers_after:6.3f} s, whole after {time.monotonic() - ended_at:6.2f} s")
    return answers_after


def answers() -> bool:
    try:
        return get(ADDRESS, "/probe", timeout=5) == (200, "probe")
    except (OSError, http.client.HTTPException):
        return False


def test_chaos_of_all_kinds_ends_in_answers_and_nothing_is_done_twice_or_left(chaos: Instance) -> None:
    one, chance = chaos, random.Random(SEED)
    deck: list[tuple[str, Callable[[], AbstractContextManager[None]]]] = [
        ("worker killed", lambda: killed(one, "http", chance)),
        ("mold killed", lambda: killed(one, "mold", chance)),
        ("cron worker killed", lambda: killed(one, "cron", chance)),
        ("clerk killed", lambda: killed(one, "clerk", chance)),
        ("worker held", lambda: held(one, chance)),
        ("state full", lambda: full(one, STATE)),
        ("spool full", lambda: full(one, CACHE)),
        ("no descriptors: master", lambda: without_descriptors(one)),
        ("no forks", lambda: without_forks(one, chance)),
        ("journald stopped", without_journal),
        ("clock forward", lambda: stepped(3600.0)),
        ("clock back", lambda: stepped(-3600.0)),
    ]
    wait_for(lambda: is_whole(one), "all processes", 60)
    # The journal is asked what is told: while it has not been stopped, and the clock has not been put back.
    *calm, journal, forward, back = deck
    chance.shuffle(calm)
    deck = [*calm, journal, forward, back]
    with Askers("first") as first:
        wait_for(lambda: sum(first.statuses.values()) > 20, "some answers")
    before = holdings(one)
    main_pid = one.main_pid
    with Askers("then") as askers:
        took = [happen(one, name, what()) for name, what in deck]
    after = holdings(one)
    assert (one.main_pid, one.show("NRestarts")) == (main_pid, "0")
    for message in (messages.WORKER_DIED, messages.MOLD_DIED, messages.CLERK_DIED, messages.FORK_FAILED):
        assert told(one, message), f"no {message.text!r}: something did not happen"
    with Askers("last") as last:
        happen(one, "master stopped", stopped_master(one))
    wait_for(lambda: is_whole(one), "all processes")
    print(f"answers after {sorted(took)[len(took) // 2]:.3f} s, at worst {max(took):.3f} s")
    print(f"processes, control groups, descriptors and PSS of the master: before {before}, after {after}")
    for each in (first, askers, last):
        print(f"clients: {dict(each.statuses)}")
        assert not each.wrong
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + 2 and after[3] < before[3] + (8 << 20)
    is_done_once(one.home)
    one.stop()
    assert not pids_alive(one.processes())


def is_done_once(home: Path) -> None:
    handled = Counter(line for line in (home / "handled").read_text().splitlines() if line != "probe")
    runs = Counter((home / "runs").read_text().splitlines())
    print(f"{handled.total()} requests handled; {sum(run.startswith('ended') for run in runs)} runs ended")
    assert not {name for name, times in handled.items() if times > 1}
    assert not {run for run, times in runs.items() if times > 1}
    assert runs
