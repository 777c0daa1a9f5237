"""A worker that becomes the mold keeps its control group, without the limits, and its children get theirs."""

import json
from collections.abc import Iterator

import pytest
from inside import Client, both, commands, expects, group_of, groups, never_restarted, pid_of, pids, run, top
from machine import Instance, get, wait_for

from corn_systemd.systemd import messages

ADDRESS = "127.0.0.1:8207"
LIMITS = {"memory_hard": "120M"}


@pytest.fixture(scope="module")
def warm() -> Iterator[Instance]:
    yield from run(
        Instance("warm", "hungry", listen=[ADDRESS], refork_after=[5, 20], limits=LIMITS, cron={"workers": 0})
    )


def asked(times: int, path: str = "/") -> int:
    """The pid of whoever has answered so many requests on one connection."""
    client = Client(ADDRESS)
    answered = [pid_of(client, path) for _ in range(times)]
    client.close()
    return answered[-1]


def are_tidy(one: Instance) -> bool:
    """Whether nobody is about to be replaced, and there is a group for each process and no other."""
    rows = json.loads(get(f"/run/corn/{one.name}/control", "/status")[1])["processes"]
    if len(rows) != 3 or any("retires" in row for row in rows) or not both(one):
        return False
    try:
        return groups(top(one)) == {"master"} | {group_of(row["pid"]).name for row in rows}
    except (FileNotFoundError, ProcessLookupError):
        return False  # one has just ended


def test_it_keeps_its_group_and_may_take_what_the_service_may(warm: Instance) -> None:
    main_pid, (first,) = warm.main_pid, pids(warm, "mold")
    before = wait_for(lambda: both(warm), "two workers")
    asked(5)
    mold = int(expects(warm, messages.MOLD_RENEWED)["CORN_PID"])
    assert mold in before
    wait_for(lambda: pids(warm, "mold") == {mold}, "the end of the first mold")
    wait_for(lambda: are_tidy(warm) and not both(warm) & before, "workers of the new mold")
    path = group_of(mold)
    assert path.name.startswith("http-")
    assert (path / "cgroup.procs").read_text() == f"{mold}\n"
    limits = [(path / f"memory.{name}").read_text() for name in ("high", "max", "swap.max")]
    assert set(limits) == {"max\n"}
    for pid in both(warm):
        assert group_of(pid).parent == top(warm) and group_of(pid) != path
        assert (group_of(pid) / "memory.max").read_text() != "max\n"
    assert first not in warm.processes()
    never_restarted(warm, main_pid)


def test_a_worker_that_has_left_a_process_behind_is_replaced_and_no_mold(warm: Instance) -> None:
    main_pid, (mold,) = warm.main_pid, pids(warm, "mold")
    client = Client(ADDRESS)
    worker = pid_of(client, "/hide")
    wait_for(lambda: commands(warm, "time.sleep(600)"), "what it has left")
    for _ in range(20):
        client.ask("/")
    client.close()
    entry = expects(warm, messages.REFORK_REFUSED)
    assert (entry["CORN_PID"], entry["CORN_CAUSE"]) == (str(worker), "it has left processes behind")
    wait_for(lambda: not commands(warm, "time.sleep(600)") and are_tidy(warm), "the end of both")
    assert pids(warm, "mold") == {mold} and worker not in pids(warm, "http")
    never_restarted(warm, main_pid)
