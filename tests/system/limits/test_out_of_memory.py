"""Whose limit it was when the kernel ends a worker for want of memory, and that nothing else is taken for it;
and a request that nobody can interrupt."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from inside import (
    Client,
    both,
    busy,
    expects,
    group_of,
    is_one_page,
    never_restarted,
    pid_of,
    pids,
    run,
    told,
)  # fmt: skip
from machine import Instance, systemctl, wait_for

from corn_systemd.systemd import messages

ADDRESS = "127.0.0.1:8203"
LIMITS = {"memory_soft": 0, "memory_hard": "200M", "time_real": "20s", "time_cpu": 0, "grace": "500ms"}
NO_MEMORY = "the server was out of memory"


@pytest.fixture(scope="module")
def house() -> Iterator[Instance]:
    yield from run(Instance("house", "hungry", listen=[ADDRESS], limits=LIMITS))


def is_told(one: Instance, request: str, cause: str, answer: str) -> None:
    """Once, and the rest of the journal says the same."""
    entry = expects(one, messages.REQUEST_LOST, request=f"GET {request}")
    assert (entry["CORN_CAUSE"], entry["CORN_ANSWER"]) == (cause, answer)
    assert expects(one, messages.WORKER_DIED, pid=entry["CORN_PID"])["CORN_CAUSE"] == cause
    assert not told(one, messages.REQUEST_TAKEN_OVER)
    wait_for(lambda: both(one), "two workers")


def test_a_worker_at_the_limit_of_its_own_group_is_ended_by_the_kernel_alone(house: Instance) -> None:
    """The master would have been quicker, if the limit were not lowered behind its back."""
    main_pid = house.main_pid
    for pid in wait_for(lambda: both(house), "two workers"):
        (group_of(pid) / "memory.max").write_text(f"{100 << 20}")
    client = Client(ADDRESS)
    answer, seconds = client.ask_until_the_end("/child")
    print(f"answered after {seconds:.2f} s")
    is_one_page(answer, "503 Service Unavailable", NO_MEMORY)
    is_told(house, "/child", "out of memory, killed by the kernel (its own limit)", "503")
    never_restarted(house, main_pid)


def test_the_limit_of_the_service_is_told_as_the_services(house: Instance) -> None:
    """Another of its processes may have to end as well, as what is freed comes late: never the master."""
    main_pid = house.main_pid
    children = pids(house, "mold") | wait_for(lambda: both(house), "two workers")
    scores = {pid: Path(f"/proc/{pid}/oom_score_adj").read_text() for pid in (main_pid, *children)}
    assert scores == {main_pid: "-900\n", **dict.fromkeys(children, "0\n")}
    systemctl("set-property", "--runtime", house.service, "MemoryMax=100M")
    client = Client(ADDRESS)
    answer, seconds = client.ask_until_the_end("/eat/180/0.01")
    print(f"answered after {seconds:.2f} s")
    systemctl("set-property", "--runtime", house.service, "MemoryMax=infinity")
    is_one_page(answer, "503 Service Unavailable", NO_MEMORY)
    is_told(house, "/eat/180/0.01", "out of memory, killed by the kernel (the service's limit)", "503")
    never_restarted(house, main_pid)


def test_a_kill_from_outside_and_an_exit_are_told_as_such(house: Instance) -> None:
    """Though there was no memory a moment ago."""
    main_pid = house.main_pid
    client = Client(ADDRESS)
    client.send("/sleep/600")
    worker = wait_for(lambda: busy(house), "a worker to be at it")
    os.kill(worker, signal.SIGKILL)
    is_one_page(client.read_all(), "502 Bad Gateway", "the server failed")
    is_told(house, "/sleep/600", "signal SIGKILL", "502")
    answer, _ = Client(ADDRESS).ask_until_the_end("/leave/7")
    is_one_page(answer, "502 Bad Gateway", "the server failed")
    is_told(house, "/leave/7", "exit status 7", "502")
    never_restarted(house, main_pid)


def test_a_request_that_keeps_the_interpreter_is_taken_over(house: Instance) -> None:
    main_pid = house.main_pid
    wait_for(lambda: both(house), "two workers")
    limits = {**LIMITS, "time_real": "1s"}
    house.configure(app="hungry", chdir=str(house.home), listen=[ADDRESS], limits=limits)
    systemctl("reload", house.service)
    client, neighbours = Client(ADDRESS), [Client(ADDRESS) for _ in range(6)]
    for neighbour in neighbours:
        pid_of(neighbour)
    answer, seconds = client.ask_until_the_end("/lock")
    print(f"answered after {seconds:.2f} s")
    is_one_page(answer, "504 Gateway Timeout", "the request took too long")
    entry = expects(house, messages.REQUEST_TAKEN_OVER, request="GET /lock")
    assert (entry["CORN_LIMIT"], entry["CORN_ANSWER"]) == ("time_real", "504")
    assert " in lock\n" in entry["MESSAGE"]
    for neighbour in neighbours:
        pid_of(neighbour)
        neighbour.close()
    never_restarted(house, main_pid)
