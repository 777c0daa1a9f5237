"""Jobs in control groups: a cron worker stands back, and is ended alone when it takes too much."""

from collections.abc import Iterator

import pytest
from inside import expects, group_of, never_restarted, pids, run
from machine import Instance, sh, show, systemctl, wait_for

from corn_systemd.systemd import messages

ADDRESS = "127.0.0.1:8206"
CALLS = ("quickly", "slowly")
CRON = {
    "nice": 12,
    "limits": {"memory_soft": 0, "memory_hard": "120M", "time_real": 0},
    "jobs": [{"name": call, "call": f"hungry:{call}", "every": "1h"} for call in CALLS],
}


@pytest.fixture(scope="module")
def works() -> Iterator[Instance]:
    yield from run(Instance("works", "hungry", listen=[ADDRESS], cron=CRON))


def test_a_cron_worker_stands_back_by_the_weight_of_its_group(works: Instance) -> None:
    (pid,) = wait_for(lambda: pids(works, "cron"), "a cron worker")
    assert (group_of(pid) / "cpu.weight.nice").read_text() == "12\n"
    for other in pids(works, "http"):
        assert (group_of(other) / "cpu.weight.nice").read_text() == "0\n"


@pytest.mark.parametrize("call", CALLS)
def test_a_job_that_takes_too_much_memory_is_ended_alone(works: Instance, call: str) -> None:
    main_pid, (worker,) = works.main_pid, wait_for(lambda: pids(works, "cron"), "a cron worker")
    served = pids(works, "http")
    assert sh("corn", "job", "run", "works", call, "--wait", check=False).returncode == 1
    entry = expects(works, messages.JOB_KILLED, job=call)
    assert entry["CORN_LIMIT"] == "memory_hard" or "out of memory" in entry["CORN_CAUSE"]
    wait_for(lambda: pids(works, "cron") and worker not in pids(works, "cron"), "another in its place")
    assert pids(works, "http") == served
    never_restarted(works, main_pid)


def test_one_that_sleeps_until_its_next_job_leaves_a_timer_though_its_group_is_divided() -> None:
    job = {"name": "quickly", "call": "hungry:quickly", "schedule": "@yearly"}
    one = Instance("rests", "hungry", listen=["127.0.0.1:8207"], idle_exit="2s", cron={"jobs": [job]})
    systemctl("daemon-reload")
    try:
        one.start()
        wait_for(lambda: one.show("ActiveState") == "inactive", "its sleep", 30)
        assert one.show("Result") == "success"
        wait_for(lambda: show("corn@rests.timer", "ActiveState") == "active", "its timer", 30)
        systemctl("stop", one.socket)
        wait_for(lambda: show("corn@rests.timer", "ActiveState") == "inactive", "the end of its timer")
    finally:
        one.close()
