"""A control group for each process of an instance: who is in it, what it limits, what it counts,
who is left."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from inside import (
    Client,
    both,
    command,
    commands,
    expects,
    group_of,
    groups,
    never_restarted,
    pid_of,
    pids,
    run,
    told,
    top,
)  # fmt: skip
from machine import Instance, pids_alive, systemctl, wait_for

from corn_systemd.systemd import messages

ADDRESS = "127.0.0.1:8201"
MIB = 1 << 20
# An emulated processor needs a second for the start of an interpreter.
LIMITS = {"memory_hard": "120M", "time_real": 0, "time_cpu": "10s", "grace": "5s"}


@pytest.fixture(scope="module")
def pens() -> Iterator[Instance]:
    yield from run(Instance("pens", "hungry", listen=[ADDRESS], limits=LIMITS))


def are_tidy(one: Instance) -> bool:
    """Whether there is a group for each process that should be there, and no other."""
    there = pids(one, "mold") | pids(one, "http")
    try:
        return len(there) == 3 and groups(top(one)) == {"master"} | {group_of(pid).name for pid in there}
    except (FileNotFoundError, ProcessLookupError):
        return False  # one has just ended


def test_each_process_has_a_group_and_that_of_a_worker_is_limited(pens: Instance) -> None:
    assert group_of(pens.main_pid) == top(pens) / "master"
    (mold,), workers = pids(pens, "mold"), wait_for(lambda: both(pens), "two workers")
    for pid in (mold, *workers):
        assert group_of(pid).parent == top(pens)
        assert (group_of(pid) / "cgroup.procs").read_text() == f"{pid}\n"
    assert are_tidy(pens)
    for pid in workers:
        limits = [(group_of(pid) / f"memory.{name}").read_text() for name in ("high", "max", "oom.group")]
        assert limits == [f"{136 * MIB}\n", f"{184 * MIB}\n", "1\n"]
    for path in (group_of(mold), top(pens)):
        assert [(path / f"memory.{name}").read_text() for name in ("high", "max")] == ["max\n", "max\n"]


def test_a_worker_that_is_killed_and_one_that_is_replaced_leave_no_group(pens: Instance) -> None:
    main_pid, before = pens.main_pid, wait_for(lambda: both(pens), "two workers")
    os.kill(min(before), signal.SIGKILL)
    wait_for(lambda: both(pens) and both(pens) != before and are_tidy(pens), "its group to be gone")
    before = pids(pens, "mold") | both(pens)
    systemctl("reload", pens.service)
    wait_for(lambda: are_tidy(pens), "the groups of the old generation to be gone")
    assert not before & (pids(pens, "mold") | both(pens))
    never_restarted(pens, main_pid)


def test_cpu_time_of_a_subprocess_is_that_of_its_request(pens: Instance) -> None:
    client = Client(ADDRESS)
    status, body = client.ask("/burn")
    assert (status, body) == (504, "504 Gateway Timeout: the request took too long\n")
    client.close()
    entry = expects(pens, messages.REQUEST_INTERRUPTED, request="GET /burn")
    assert entry["CORN_LIMIT"] == "time_cpu" and " burn\n" in entry["MESSAGE"]
    wait_for(lambda: not commands(pens, "while True: pass"), "the subprocess to be gone")
    wait_for(lambda: are_tidy(pens), "its worker's group to be gone")


def hide(pens: Instance, client: Client) -> tuple[int, int]:
    """(a worker, a process that it has hidden). One that is asked to leave at this very moment takes its own
    along: then another is asked."""
    while True:
        worker = pid_of(client, "/hide")
        hidden = commands(pens, "time.sleep(600)")
        if hidden:
            return worker, hidden.pop()


def test_a_hidden_process_does_not_outlive_a_worker_that_is_replaced(pens: Instance) -> None:
    client = Client(ADDRESS)
    worker, hidden = hide(pens, client)
    assert group_of(hidden) == group_of(worker)
    assert os.getsid(hidden) != os.getsid(worker) and parent(hidden) != worker
    # The reload replaces all workers, in peace.
    systemctl("reload", pens.service)
    wait_for(lambda: not pids_alive({hidden, worker}), "both to be gone")
    wait_for(lambda: are_tidy(pens), "their group to be gone")
    client.close()


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_hidden_process_does_not_outlive_a_worker_that_is_killed(pens: Instance) -> None:
    client = Client(ADDRESS)
    worker, hidden = hide(pens, client)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: not pids_alive({hidden, worker}), "both to be gone")
    wait_for(lambda: are_tidy(pens), "their group to be gone")
    client.close()


def test_a_stop_leaves_nothing(pens: Instance) -> None:
    path = top(pens)
    client = Client(ADDRESS)
    pid_of(client, "/hide")
    there = pens.processes()
    assert [pid for pid in there if "time.sleep(600)" in command(pid)]
    pens.stop()
    assert not path.exists() and not pids_alive(there)
    assert not told(pens, messages.GROUPS_REFUSED) and not told(pens, messages.FORK_FAILED)
    client.close()
