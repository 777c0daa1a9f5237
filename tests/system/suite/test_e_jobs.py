"""Jobs under a real systemd, as the unit's user with all its hardening: the clock, the ledger, the journal,
the command line."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from machine import Instance, get, sh, wait_for

from corn_systemd.systemd import messages

Make = Callable[..., Instance]
ADDRESS = "127.0.0.1:8130"
LEDGER = Path("/var/lib/corn/shop/ledger")


def job(name: str, call: str, **more: object) -> dict[str, object]:
    return {"name": name, "call": f"shop:{call}", **({"every": "1h"} if "every" not in more else {}), **more}


def of_job(one: Instance, name: str) -> list[str]:
    """All that the journal has of a job, as `journalctl CORN_JOB=…` shows it."""
    sh("journalctl", "--sync")
    since = f"--since=@{one.since:.6f}"
    return sh("journalctl", since, "--output=cat", f"CORN_JOB={name}").stdout.split("\n")


def test_a_job_runs_by_the_clock_and_the_journal_has_all_of_it_under_its_name(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS], cron={"jobs": [job("speaks", "speak", every="2s")]})
    one.start()
    wait_for(lambda: one.journal(messages.JOB_FINISHED), "a run")
    history = of_job(one, "speaks")
    assert history[0] == "job speaks: started"
    # The last words of a job may come behind its end, on a machine that gives their pump no time.
    said, finished = sorted(history[1:3], reverse=True)
    assert said.startswith("spoken by "), history
    assert finished.startswith("job speaks: finished after "), history
    assert {entry["CORN_JOB"] for entry in one.journal(messages.JOB_FINISHED)} == {"speaks"}
    status = os.stat(LEDGER)
    assert (status.st_uid, status.st_mode & 0o007) == (os.stat("/var/lib/corn/shop").st_uid, 0)
    wait_for(lambda: "cron" in one.show("StatusText"), "a word of jobs in the status")
    assert get(ADDRESS)[0] == 200


def test_the_verbs_of_jobs_work_from_outside(instance: Make) -> None:
    jobs = [job("speaks", "speak"), job("leaves", "leave", args=[7])]
    one = instance("shop", listen=[ADDRESS], cron={"jobs": jobs})
    one.start()
    wait_for(lambda: "cron" in sh("corn", "status", "shop").stdout, "a cron worker")
    done = sh("corn", "job", "run", "shop", "speaks", "--wait")
    assert done.stdout.startswith("spoken by "), done
    assert sh("corn", "job", "run", "shop", "leaves", "--wait", check=False).returncode == 7
    assert "speaks" in sh("corn", "jobs", "shop").stdout
    (speaks, leaves) = json.loads(sh("corn", "jobs", "shop", "--json").stdout)["jobs"]
    assert (speaks["last"]["outcome"], leaves["last"]["outcome"]) == ("done", "failed")
    sh("corn", "job", "pause", "shop", "speaks")
    assert "paused" in sh("corn", "jobs", "shop").stdout
    assert "speaks" in sh("corn", "check", "shop").stdout


def test_what_is_known_of_jobs_outlives_a_restart_and_a_reload(instance: Make) -> None:
    one = instance("kept", listen=[ADDRESS], cron={"jobs": [job("speaks", "speak")]})
    one.start()
    wait_for(lambda: "cron" in sh("corn", "status", "kept").stdout, "a cron worker")
    sh("corn", "job", "run", "kept", "speaks", "--wait")
    sh("corn", "job", "pause", "kept", "speaks")
    for verb in ("reload", "restart"):
        sh("systemctl", verb, one.service)
        known = wait_for(lambda: json.loads(sh("corn", "jobs", "kept", "--json").stdout)["jobs"], "jobs")[0]
        assert (known["runs"], known["outlook"]) == (1, "paused"), verb


def test_a_killed_master_leaves_no_job_running_and_the_next_one_tells_of_it(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS], cron={"jobs": [job("sleeps", "sleep")]})
    one.start()
    wait_for(lambda: "cron" in sh("corn", "status", "shop").stdout, "a cron worker")
    sh("corn", "job", "run", "shop", "sleeps")
    wait_for(lambda: one.journal(messages.JOB_STARTED), "its beginning")
    before = one.main_pid
    os.kill(before, 9)
    wait_for(lambda: one.main_pid not in (0, before), "another master")
    (entry,) = wait_for(lambda: one.journal(messages.JOB_KILLED), "a word of the run")
    assert "ended while it ran" in entry["MESSAGE"]
    time.sleep(1)
    assert len(one.journal(messages.JOB_STARTED)) == 1
