"""Chaos: an instance under load and with jobs, to which one thing after the other happens, by a fixed seed.

It answers again at once; no request is handled twice, no job runs twice; and in the end nothing has leaked.
What a crash faster than a tick has cost is counted, and told.
"""

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from corn_systemd.systemd import messages
from corn_systemd.systemd.messages import Message

from .askers import Asked, Askers
from .chaos import WORKERS, Chaos, Fault
from .conftest import Start
from .harness import Corn
from .world import World, descriptors, proportional_bytes

APP = r"""
import os, time

# Opened once: what is noted here is noted also where there are no descriptors left.
HANDLED, NOTES = (
    os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for name in ("handled", "notes")
)

def application(environ, start_response):
    kind, name = environ["PATH_INFO"].strip("/").split("/")
    os.write(HANDLED, name.encode() + b"\n")
    if kind == "slow":
        time.sleep(0.15)
    body = environ["wsgi.input"].read()
    assert len(body) == int(environ.get("CONTENT_LENGTH") or 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [name.encode()]

def work(seconds):
    os.write(NOTES, b"begun %s\n" % os.environb[b"CORN_RUN"])
    time.sleep(seconds)
    os.write(NOTES, b"ended %s\n" % os.environb[b"CORN_RUN"])
"""
SETTINGS = """
[limits]
time_real = "3s"
grace = "1s"
[http]
body_memory = "64K"
[cron]
workers = 2
[cron.limits]
time_real = "4s"
grace = "1s"
"""
# One that is cut off is held back for 30 s (cron.agenda): there are some.
SETTINGS += "".join(
    f'[[cron.jobs]]\nname = "job-{number}"\ncall = "shop:work"\nargs = [{seconds}]\nevery = "1s"\n'
    for number, seconds in enumerate((0.01, 0.01, 0.01, 0.01, 0.3, 0.6))
)
SEED = 6
# Who crashes faster than a tick (50 ms) may cost its client the answer; a busy machine's master may be late.
FASTER = 0.5
# What is told of what happens to it, whatever else is.
FELT = (
    messages.WORKER_DIED,
    messages.WORKER_STUCK,
    messages.MOLD_DIED,
    messages.CLERK_DIED,
    messages.FORK_FAILED,
    messages.ACCEPT_FAILED,
    messages.SPOOL_FAILED,
    messages.JOBS_STOPPED,
    messages.JOURNAL_DROPPED,
    messages.NOTIFY_LOST,
)
# What the memory of a master may have grown by: in 5 minutes it was 1 MiB.
MORE = 8 << 20
# A client asks on a connection that has ended with a worker, some time after it.
AFTERMATH = 2.0


class Holdings(NamedTuple):
    """What an instance holds at rest: processes, descriptors by who has them, memory of the master."""

    processes: int
    descriptors: dict[str, int]
    pss: int


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.mark.parametrize("seconds", [30, pytest.param(300, marks=pytest.mark.full)])
@pytest.mark.timeout(600)
def test_whatever_happens_it_answers_again_and_nothing_is_done_twice(
    world: World, shop: Start, seconds: int
) -> None:
    corn = shop(
        APP, SETTINGS, workers=WORKERS, environment=world.environment, python=str(world.python), start=False
    )
    corn.start().ready()
    chaos = Chaos(corn, world, random.Random(SEED))
    corn.until(chaos.is_whole, "all processes")
    with Askers(corn, SEED, "a") as warming:
        chaos.wait(2.0)
    before = holdings(corn, chaos)
    with Askers(corn, SEED + 1, "b") as askers:
        try:
            chaos.run(seconds)
        except BaseException:
            tell(chaos, askers.asked)
            raise
    still_speaks(corn, chaos)
    after = corn.until(lambda: as_before(before, holdings(corn, chaos)), f"what it held before, {before}")
    corn.until(lambda: not world.in_spools(corn), "empty spools")
    assert corn.stop() == 0
    corn.gone()
    tell(chaos, askers.asked)
    print(f"before: {before}\nafter:  {after}")
    for message in FELT:
        assert corn.told(message), f"no {message.text!r}: something did not happen"
    nothing_is_done_twice(corn, [*warming.asked, *askers.asked])
    no_answer_is_lost(chaos, askers.asked)
    assert after.pss < before.pss + MORE


def still_speaks(corn: Corn, chaos: Chaos) -> None:
    """To the service manager and to the journal, whose sockets have been others meanwhile."""
    corn.states.clear()
    corn.until(lambda: any("STATUS" in states for states in corn.states), "STATUS=")
    corn.until(lambda: corn.ask("POST /jobs/job-0/run")[0] == 202, "a run by hand")
    corn.until(lambda: not json.loads(corn.ask("GET /jobs")[1])["troubles"], "the end of all trouble")
    (worker, *_) = chaos.pids("http")
    os.kill(worker, signal.SIGKILL)
    corn.expects(messages.WORKER_DIED, pid=worker)


def holdings(corn: Corn, chaos: Chaos) -> Holdings:
    """Those at rest: when all that has been begun has come to its end."""
    corn.until(chaos.is_whole, "all processes")
    corn.until(lambda: not any("request" in one for one in corn.workers()), "rest")
    rows = [row for row in corn.report()["processes"] if row["pid"]]
    held = {"master": len(descriptors(corn.pid))}
    for row in rows:
        held[row["role"]] = max(held.get(row["role"], 0), len(descriptors(row["pid"])))
    return Holdings(len(corn.processes()), held, proportional_bytes(corn.pid))


def as_before(before: Holdings, now: Holdings) -> Holdings | None:
    """The same if nothing has leaked; a mold lets go of what its last worker was born with a moment later."""
    is_less = all(count <= before.descriptors[role] for role, count in now.descriptors.items())
    return now if now.processes == before.processes and is_less else None


def lines(corn: Corn, name: str) -> Counter[str]:
    return Counter((corn.directory / name).read_text().splitlines())


def nothing_is_done_twice(corn: Corn, asked: list[Asked]) -> None:
    handled, notes = lines(corn, "handled"), lines(corn, "notes")
    assert not {name for name, times in handled.items() if times > 1}, "requests that were handled twice"
    assert not {note for note, times in notes.items() if times > 1}, "jobs that ran twice"
    ended = sum(note.startswith("ended") for note in notes)
    runs = f"{len(notes) - ended} runs of jobs, {ended} ended"
    print(f"{len(asked)} requests, {handled.total()} handled with probes; {runs}")
    assert ended > 10


def no_answer_is_lost(chaos: Chaos, asked: list[Asked]) -> None:
    """But to crashes faster than a tick, and what a worker that was stopped for ever had read by half."""
    assert not [one for one in asked if one.status and one.problem], "answers that are others'"
    assert not [one for one in asked if not one.status and not is_told_apart(chaos, one)]


def is_told_apart(chaos: Chaos, one: Asked) -> bool:
    near = [f for f in chaos.faults if f.began_at <= one.ended_at <= f.ended_at + AFTERMATH]
    if one.took > FASTER:
        return any(fault.is_for_ever and one.at <= fault.began_at + FASTER for fault in near)
    return any(fault.is_deadly for fault in near)


def tell(chaos: Chaos, asked: list[Asked]) -> None:
    by_name: dict[str, list[Fault]] = {}
    for fault in chaos.faults:
        by_name.setdefault(fault.name, []).append(fault)
    for name, faults in sorted(by_name.items()):
        answers = [fault.answers_after for fault in faults]
        whole = [fault.whole_after for fault in faults]
        print(
            f"{name:24} {len(faults):3} times: answers after {median(answers) * 1000:5.0f} ms, at worst "
            f"{max(answers) * 1000:5.0f}; whole after {median(whole):5.2f} s, at worst {max(whole):5.2f}"
        )
    every = [fault.answers_after for fault in chaos.faults]
    print(f"all {len(every)}: answers after {median(every) * 1000:.0f} ms, at worst {max(every) * 1000:.0f}")
    texts = {message.id: message.text for message in vars(messages).values() if isinstance(message, Message)}
    told = Counter(texts.get(entry.get("MESSAGE_ID", ""), "(printed)") for entry in chaos.corn.entries)
    for text, count in told.most_common():
        print(f"{count:5} {text}")
    print(f"statuses: {dict(Counter(one.status for one in asked))}")
    for one in asked:
        if one.status != 200:
            before = [fault for fault in chaos.faults if fault.began_at <= one.ended_at]
            fault = max(before, key=lambda fault: fault.began_at, default=Fault("nothing", one.at))
            print(
                f"  {one.kind} {one.id}: {one.status or one.problem}, {one.took * 1000:.0f} ms after it was "
                f"asked, {one.ended_at - fault.began_at:.2f} s after: {fault.name}"
            )
