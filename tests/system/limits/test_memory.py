"""A worker that takes too much memory is ended alone, whatever way it takes it; what is no memory of its own
ends nobody."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hammer import Hammer
from inside import (
    Client,
    both,
    commands,
    expects,
    group_of,
    groups,
    is_one_page,
    never_restarted,
    pid_of,
    run,
    told,
    top,
)  # fmt: skip
from machine import Instance, pids_alive, wait_for

from corn_systemd.systemd import messages

ADDRESS = "127.0.0.1:8202"
LIMITS = {"memory_soft": "60M", "memory_hard": "120M", "time_real": 0, "time_cpu": 0}
MIB = 1 << 20
TOO_MUCH = "the server used too much memory"
ENDED = (messages.REQUEST_TAKEN_OVER, messages.REQUEST_LOST, messages.WORKER_RETIRES, messages.WORKER_DIED)


@pytest.fixture(scope="module")
def table() -> Iterator[Instance]:
    yield from run(Instance("table", "hungry", listen=[ADDRESS], limits=LIMITS))


def test_what_is_only_reserved_or_cached_is_no_memory_of_a_worker(table: Instance) -> None:
    before = wait_for(lambda: both(table), "two workers")
    client = Client(ADDRESS)
    for path in ("/reserve", "/files"):
        assert pid_of(client, path) in before
    # It is counted again at the end of the next request that is long enough.
    assert pid_of(client, "/sleep/2") in before
    client.close()
    assert both(table) == before
    assert not [message for message in ENDED if told(table, message)]


def test_a_worker_over_the_soft_limit_answers_and_is_replaced(table: Instance) -> None:
    client = Client(ADDRESS)
    worker = pid_of(client, "/eat/80")
    entry = expects(table, messages.WORKER_RETIRES, pid=worker)
    assert "(limits.memory_soft = 60 MiB)" in entry["CORN_CAUSE"]
    wait_for(lambda: both(table) and worker not in both(table), "another in its place")
    wait_for(lambda: not pids_alive({worker}), "its end")
    assert pid_of(client) != worker
    client.close()
    assert not told(table, messages.WORKER_DIED) and not told(table, messages.REQUEST_TAKEN_OVER)


@pytest.mark.parametrize("way", ["slowly", "quickly", "shared", "tmpfs", "child"])
def test_a_worker_over_the_hard_limit_is_ended_alone_and_its_client_answered(
    table: Instance, way: str
) -> None:
    main_pid, before = table.main_pid, wait_for(lambda: both(table), "two workers")
    client, neighbours = Client(ADDRESS), [Client(ADDRESS) for _ in range(6)]
    assert {pid_of(neighbour) for neighbour in neighbours} <= before
    with Hammer(ADDRESS, fresh=1, kept=2) as others:
        answer, seconds = client.ask_until_the_end(f"/{way}")
    print(f"{way}: answered after {seconds:.2f} s")
    is_one_page(answer, "503 Service Unavailable", TOO_MUCH)
    assert not others.lost and not others.retried
    for neighbour in neighbours:
        pid_of(neighbour)
        neighbour.close()
    entry = expects(table, messages.REQUEST_TAKEN_OVER, request=f"GET /{way}")
    assert int(entry["CORN_PID"]) in before
    assert (entry["CORN_LIMIT"], entry["CORN_ANSWER"]) == ("memory_hard", "503")
    assert f" {way}\n" in entry["MESSAGE"], "the stacks"
    is_replaced(table, int(entry["CORN_PID"]))
    never_restarted(table, main_pid)


def is_replaced(one: Instance, worker: int) -> None:
    """Once told, with all that it had started, and another is in its place."""
    assert not told(one, messages.REQUEST_LOST) and not told(one, messages.WORKER_DIED)
    wait_for(lambda: both(one) and worker not in both(one), "another in its place")
    wait_for(lambda: not commands(one, "time.sleep(600)"), "the subprocess to be gone")
    wait_for(lambda: len(groups(top(one))) == 4, "its group to be gone")


def test_a_worker_that_is_quicker_than_the_master_is_held_by_the_kernel(table: Instance) -> None:
    """The master is stopped meanwhile, for much longer than it ever looks away."""
    main_pid, before = table.main_pid, wait_for(lambda: both(table), "two workers")
    client, neighbours = Client(ADDRESS), [Client(ADDRESS) for _ in range(6)]
    assert {pid_of(neighbour) for neighbour in neighbours} <= before
    paths = [group_of(pid) for pid in before]
    os.kill(main_pid, signal.SIGSTOP)
    try:
        client.send("/gulp")
        (path,) = wait_for(lambda: [one for one in paths if events(one)["high"]], "it to be held")
        wait_for(lambda: held(path) > 0.2e6, "a fifth of a second")
        assert 136 * MIB < int((path / "memory.current").read_text()) < 150 * MIB
        assert not events(path)["max"] and not events(path)["oom"]
    finally:
        os.kill(main_pid, signal.SIGCONT)
    began = time.monotonic()
    is_one_page(client.read_all(), "503 Service Unavailable", TOO_MUCH)
    print(f"answered {time.monotonic() - began:.2f} s after the master has woken up")
    for neighbour in neighbours:
        pid_of(neighbour)
        neighbour.close()
    entry = expects(table, messages.REQUEST_TAKEN_OVER, request="GET /gulp")
    assert " gulp\n" in entry["MESSAGE"], "the stacks"
    assert not told(table, messages.CONNECTIONS_LOST)
    is_replaced(table, int(entry["CORN_PID"]))
    never_restarted(table, main_pid)


def events(path: Path) -> dict[str, int]:
    lines = (path / "memory.events").read_text().splitlines()
    return {name: int(count) for name, count in (line.split() for line in lines)}


def held(path: Path) -> int:
    """For how many microseconds nobody in a group could go on for want of memory (memory.pressure)."""
    return int((path / "memory.pressure").read_text().rpartition("total=")[2])
