"""Real control groups say how many workers there may be, and what memory there is for another."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from inside import Client, expects, pid_of, pids, told
from machine import Instance, drop_in, get, sh, systemctl, wait_for

from corn_systemd.systemd import messages

Make = Callable[..., Instance]
ADDRESS = "127.0.0.1:8205"


def start(one: Instance, workers: str, unit: str) -> None:
    """Starts it with other workers than its file says, and with these limits of the unit."""
    directory = Path(f"{one.file}.d")
    directory.mkdir(exist_ok=True)
    (directory / "workers.toml").write_text(f"[workers]\n{workers}\n")
    drop_in(one.service, f"[Service]\n{unit}\n")
    systemctl("daemon-reload")
    one.start()


def test_auto_heeds_what_the_unit_allows_and_config_says_so(instance: Make) -> None:
    one = instance("measured", "hungry", listen=[ADDRESS], limits={"memory_soft": "100M"}, reload=False)
    start(one, 'count = "auto"', "CPUQuota=150%")
    cpus = min(1.5, len(os.sched_getaffinity(0)))
    report = json.loads(get(f"/run/corn/{one.name}/control", "/status")[1])
    assert report["scaling"]["workers"] == 2 * cpus + 1
    told_now = json.loads(sh("corn", "config", "measured", "--json").stdout)["settings"]["workers.count"]
    assert told_now["value"] == 2 * cpus + 1
    assert told_now["reason"] == "2 × 1.5 CPUs (corn@measured.service) + 1"
    # Asked of the group that is there, whatever it was when the master started.
    systemctl("set-property", "--runtime", one.service, "MemoryMax=350M")
    told_then = json.loads(sh("corn", "config", "measured", "--json").stdout)["settings"]["workers.count"]
    assert told_then["value"] == 3
    assert "the 350 MiB of corn@measured.service hold so many of 100 MiB" in told_then["reason"]
    systemctl("reload", one.service)
    wait_for(lambda: len(pids(one, "http")) == 3, "three workers")


def test_there_is_no_other_worker_while_memory_has_no_room_for_it(instance: Make) -> None:
    one = instance(
        "cramped", "hungry", listen=[ADDRESS], limits={"memory_soft": 0, "memory_hard": 0}, reload=False
    )
    start(one, "count = 1\nmin = 1\nmax = 3", "MemoryMax=220M")
    client = Client(ADDRESS)
    pid_of(client, "/eat/130")
    # Not before: who is connected while it eats waits already.
    others = [Client(ADDRESS) for _ in range(3)]
    for other in others:
        other.send("/sleep/60")
    refused = expects(one, messages.SCALING_REFUSED, workers=1)
    assert "MiB are left of the memory of corn@cramped.service, and the largest worker has 1" in (
        refused["CORN_CAUSE"]
    )
    assert not told(one, messages.WORKERS_SCALED)
    systemctl("set-property", "--runtime", one.service, "MemoryMax=1G")
    expects(one, messages.WORKERS_SCALED, workers=2, before=1)
    wait_for(lambda: len(pids(one, "http")) == 2, "two workers")
    for other in [client, *others]:
        other.close()
