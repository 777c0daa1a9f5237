"""Several machines that share a lock in PostgreSQL: each due run on one of them, whatever happens to them.

Each machine is an instance of its own with a clock of its own, which goes before or after the others'.
"""

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corn_systemd.systemd import messages

from . import postgres
from .harness import Corn, address, tcp
from .postgres import Cluster

APP = r"""
import os, time

def application(environ, start_response):
    start_response("200 OK", [])
    return [b"served\n"]

def note(text):
    with open(os.environ["NOTES"], "a") as file:
        file.write(text + "\n")

def work(seconds):
    note("begun " + os.environ["CORN_RUN"])
    time.sleep(seconds)
    note("ended " + os.environ["CORN_RUN"])

def wait_for(name):
    note("begun " + os.environ["CORN_RUN"])
    while not os.path.exists(name):
        time.sleep(0.01)
    note("ended " + os.environ["CORN_RUN"])
"""

# The clock of the master alone: nothing else asks what time it is on the wall.
SHIFTED = """\
#!{python}
import runpy, sys, time
real = time.time
time.time = lambda: real() + {shift}
sys.argv = sys.argv[2:]
runpy.run_module("corn_systemd", run_name="__main__", alter_sys=True)
"""

Machines = Callable[..., list[Corn]]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with postgres.running() as cluster:
        yield cluster


@pytest.fixture
def machines(tmp_path: Path, cluster: Cluster) -> Iterator[Machines]:
    """Makes machines with these jobs, whose clocks are shifted by so much; none is started."""
    made: list[Corn] = []

    def make(jobs: str, *shifts: float, cron: str = "", top: str = "") -> list[Corn]:
        lock = cluster.url(cluster.database())
        for number, shift in enumerate(shifts):
            directory = tmp_path / f"m{number}"
            directory.mkdir()
            notes = {"NOTES": str(tmp_path / "notes")}
            corn = Corn(directory, sockets=[tcp()], environment=notes, python=str(directory / "python"))
            made.append(corn)
            corn.write("python", SHIFTED.format(python=sys.executable, shift=shift)).chmod(0o755)
            corn.write("shop.py", APP)
            corn.write(
                "shop.toml",
                f'app = "shop:application"\nchdir = "{directory}"\nlisten = ["{address(corn.sockets[0])}"]\n'
                f'{top}[workers]\ncount = 1\n[cron]\nlock = "{lock}"\n{cron}\n{jobs}',
            )
        return made

    yield make
    for corn in made:
        corn.close()


def notes(corn: Corn) -> Counter[str]:
    file = Path(corn.environment["NOTES"])
    return Counter(file.read_text().split("\n")[:-1]) if file.exists() else Counter()


def job(name: str, call: str, at: float, more: str) -> str:
    """A job that is due at this instant, and then for eight years no more."""
    return f'[[cron.jobs]]\nname = "{name}"\ncall = "shop:{call}"\nevery = {at / 7:.6f}\n{more}\n'


def pump(corns: list[Corn]) -> None:
    for corn in corns:
        corn.take_in()


@pytest.mark.timeout(240)
def test_each_of_500_due_runs_comes_to_its_end_once_while_machines_are_killed_at_random(
    machines: Machines,
) -> None:
    chance = random.Random(5)
    first, last = time.time() + 12.0, time.time() + 52.0
    count = 500
    jobs = [
        job(
            f"job-{number}", "work", first + (last - first) * number / count,
            f"args = [{chance.uniform(0, 0.4):.3f}]",
        )
        for number in range(count)
    ]  # fmt: skip
    corns = machines("".join(jobs), -1.5, 0.0, 1.5, cron="workers = 4\nretries = 20")
    for corn in corns:
        corn.start()
    for corn in corns:
        corn.ready()
    kills = 0
    while time.time() < last + 2.0:
        # Two live while one is dead: it is killed in the middle of what it does, and comes back.
        end = time.monotonic() + chance.uniform(0.3, 1.5)
        corns[0].until(lambda end=end: time.monotonic() > end, "its turn")
        pump(corns)
        victim = chance.choice(corns)
        victim.signal(signal.SIGKILL)
        victim.end()
        victim.gone()
        kills += 1
        victim.restart()
    ended = {f"ended job-{number}-" for number in range(count)}

    def missing() -> set[str]:
        return ended - {line.rpartition("-")[0] + "-" for line in notes(corns[0]) if line.startswith("ended")}

    corns[0].until(lambda: pump(corns) or not missing(), "the end of all runs", 60)
    for corn in corns:
        assert corn.stop() == 0
    seen = notes(corns[0])
    twice = {line: number for line, number in seen.items() if line.startswith("ended") and number > 1}
    begun = sum(number for line, number in seen.items() if line.startswith("begun"))
    print(f"{count} due runs on 3 machines, {kills} kills, {begun - count} runs cut off and begun anew")
    assert not twice
    assert sum(line.startswith("ended") for line in seen) == count
    assert begun > count, "no run was ever cut off: the test shows nothing"


def test_a_run_that_is_done_is_nobody_elses_and_a_slow_clock_does_not_run_it_again(
    machines: Machines,
) -> None:
    corns = machines(job("once", "work", time.time() + 8.0, "args = [0]"), 2.0, 0.0)
    for corn in corns:
        corn.start().ready()
    quick, slow = corns
    run = quick.expects(messages.JOB_FINISHED, job="once")["CORN_RUN"]
    slow.expects(messages.JOB_ELSEWHERE, job="once")
    slow.until(lambda: slow.job("once")["stage"] is None, "its end there")
    assert notes(quick) == {f"begun {run}": 1, f"ended {run}": 1}
    assert not slow.told(messages.JOB_STARTED)


def test_a_lost_database_stops_jobs_once_told_and_never_requests(
    machines: Machines, cluster: Cluster
) -> None:
    (corn,) = machines(job("far", "work", time.time() + 3600, "args = [0]"), 0.0)
    corn.start().ready()
    corn.until(lambda: corn.workers(role="cron"), "a cron worker")
    assert corn.ask("POST /jobs/far/run?wait=1")[0] == 200
    cluster.stop()
    try:
        assert corn.ask("POST /jobs/far/run")[0] == 202
        corn.expects(messages.JOBS_STOPPED, about="lock")
        assert corn.get().body == b"served\n"
        assert corn.job("far")["stage"] == "claiming"
        assert "jobs can not begin" in corn.report()["status"]
    finally:
        cluster.start()
    corn.expects(messages.JOBS_GO_ON, about="lock")
    corn.until(lambda: corn.job("far")["runs"] == 2, "the run that had waited")
    assert len(corn.told(messages.JOBS_STOPPED)) == 1


def test_a_run_whose_database_is_lost_for_a_moment_goes_on_and_ends_once(
    machines: Machines, cluster: Cluster
) -> None:
    due_at = time.time() + 8.0
    corns = machines(job("long", "wait_for", due_at, 'args = ["../go"]'), 0.0, 0.0)
    for corn in corns:
        corn.start().ready()
    corns[0].until(lambda: notes(corns[0]), "its beginning", 20)
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'corn%'")
    (corns[0].directory.parent / "go").write_text("")
    corns[0].until(lambda: pump(corns) or len(notes(corns[0])) >= 2, "its end")
    for corn in corns:
        corn.until(lambda corn=corn: corn.job("long")["stage"] is None, "its end everywhere")
    assert sorted(notes(corns[0]).values()) == [1, 1]


POLLING = (
    APP
    + """
import psycopg
CONNECTION = None

def poll():
    global CONNECTION
    if CONNECTION is None:
        CONNECTION = psycopg.connect(os.environ["DATABASE"], autocommit=True)
        CONNECTION.execute("LISTEN trigger")
    CONNECTION.execute("SELECT 1").fetchall()
    note("polled")
    return None, CONNECTION
"""
)


def test_a_poller_that_listens_to_postgresql_is_woken_by_a_notification(
    machines: Machines, cluster: Cluster
) -> None:
    (corn,) = machines("", 0.0, cron='poll = "shop:poll"')
    corn.write("shop.py", POLLING)
    settings = (corn.directory / "shop.toml").read_text()
    database = settings.partition('lock = "')[2].partition('"')[0]
    corn.write("shop.toml", f'{settings}\n[environment]\nDATABASE = "{database}"\n')
    corn.start().ready()
    corn.until(lambda: notes(corn)["polled"] == 1, "its first call")
    corn.until(lambda: "request" not in corn.workers(role="cron")[0], "its end")
    cluster.sql("NOTIFY trigger", database.partition("@/")[2].partition("?")[0])
    notified = time.monotonic()
    corn.until(lambda: notes(corn)["polled"] == 2, "its second call")
    assert time.monotonic() - notified < 1.0, "ten times the bound of 100 ms"
    end = notified + 2.0
    corn.until(lambda: time.monotonic() > end, "a while")
    assert notes(corn)["polled"] == 2, "nobody else wakes it"
