"""corn jobs: what the master tells of its jobs, as people read it."""

import argparse
import json
from typing import Any

import pytest

from corn_systemd.cli import jobs
from corn_systemd.errors import CornError, Unavailable

from .conftest import NAME, Control

NOW = 1_785_200_000.0

Captured = pytest.CaptureFixture[str]


def job(name: str = "tidy", **fields: Any) -> dict[str, Any]:
    plain = {
        "call": "shop.jobs:tidy", "schedule": "17 3 * * *", "timezone": "", "origin": "settings",
        "outlook": "scheduled", "due_at": NOW + 7200, "next_at": NOW + 7260, "stage": None, "run": None,
        "began_at": None, "worker": None, "runs": 0, "failures": 0, "failures_in_row": 0, "last": None,
    }  # fmt: skip
    return {"name": name, **plain, **fields}


def last(**fields: Any) -> dict[str, Any]:
    plain = {"at": NOW - 600, "began_at": NOW - 600, "ended_at": NOW - 590, "real": 10.4, "cpu": 1.25}
    return {**plain, "outcome": "done", "memory": 3 << 20, "detail": "", **fields}


def shown(control: Control, *rows: dict[str, Any], is_json: bool = False, **more: Any) -> int:
    control.says("GET /jobs", {"instance": NAME, "now": NOW, "troubles": {}, "jobs": list(rows), **more})
    return jobs.run(argparse.Namespace(instance=NAME, json=is_json))


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell]


def test_a_job_that_never_ran_says_when_it_will(control: Control, capsys: Captured) -> None:
    assert shown(control, job(timezone="Europe/Berlin", origin="code")) == 0
    head, _, _columns, row = capsys.readouterr().out.splitlines()
    assert head.startswith(f"{NAME}: 1 job, 0 running; times are local (")
    found = [cell.strip() for cell in cells(row)]
    assert found[:3] == ["tidy", "code", "17 3 * * * Europe/Berlin"]
    assert found[3].endswith("(in 2h 1min)"), "with its jitter, not when it is due"
    assert found[4:] == ["scheduled", *"-----", "0", "0"]


def test_the_last_run_is_told_with_what_it_took(control: Control, capsys: Captured) -> None:
    shown(control, job(runs=12, failures=3, last=last(memory=-(1 << 20))), job("other"))
    head, _, columns, row, _other = capsys.readouterr().out.splitlines()
    assert "2 jobs" in head
    assert "cause" not in columns, "nothing has failed"
    found = [cell.strip() for cell in cells(row)]
    assert found[5].endswith("(10min 0s ago)")
    assert found[6:] == ["done", "10s", "1.2s", "-1.0 MiB", "12", "3"]


@pytest.mark.parametrize(
    ("fields", "cpu", "memory"),
    [
        ({"memory": 0}, "1.2s", "0.0 MiB"),
        ({"memory": 4096}, "1.2s", "0.0 MiB"),
        ({"memory": -4096}, "1.2s", "0.0 MiB"),
        ({"memory": 1 << 19}, "1.2s", "+0.5 MiB"),
        ({"memory": 0, "cpu": 0.0, "outcome": "killed"}, "-", "-"),
    ],
)
def test_a_run_that_grew_by_nothing_has_no_sign_and_of_one_that_was_killed_nobody_knows(
    control: Control, capsys: Captured, fields: dict[str, Any], cpu: str, memory: str
) -> None:
    shown(control, job(last=last(**fields)))
    row = capsys.readouterr().out.splitlines()[-1]
    assert [cell.strip() for cell in cells(row)][8:10] == [cpu, memory]


def test_what_a_run_failed_of_comes_last(control: Control, capsys: Captured) -> None:
    shown(control, job(last=last(outcome="failed", detail="ValueError: no")))
    *_, columns, row = capsys.readouterr().out.splitlines()
    assert cells(columns)[-1].strip() == "cause"
    assert row.endswith("ValueError: no")


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"failures_in_row": 2}, "scheduled after 2 failures"),
        ({"outlook": "suspended", "failures_in_row": 5}, "suspended after 5 failures"),
        ({"outlook": "paused", "failures_in_row": 5}, "paused"),
        ({"outlook": "disabled"}, "disabled"),
        ({"stage": "due"}, "due, waits for a worker"),
        ({"stage": "elsewhere"}, "another machine runs it"),
        ({"stage": "granted", "outlook": "paused"}, "due, is about to begin, paused"),
        ({"stage": "later"}, "later"),
    ],
)
def test_a_state_is_said_in_words(fields: dict[str, Any], state: str) -> None:
    assert jobs._state(job(**fields), NOW) == state


def test_a_run_that_lasts_says_since_when(control: Control, capsys: Captured) -> None:
    shown(control, job(stage="running", began_at=NOW - 182))
    head, _, _columns, row = capsys.readouterr().out.splitlines()
    assert "1 running" in head
    assert "running since " in row and "(3min 2s ago)" in row


def test_what_is_not_to_come_is_a_dash(control: Control, capsys: Captured) -> None:
    shown(control, job(outlook="disabled", next_at=None, due_at=None))
    row = capsys.readouterr().out.splitlines()[-1]
    assert [cell.strip() for cell in cells(row)][3:5] == ["-", "disabled"]


def test_troubles_come_first(control: Control, capsys: Captured) -> None:
    shown(control, job(), troubles={"ledger": "can not write it", "lock": ""})
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "No job can begin, because of the ledger: can not write it"
    assert second.startswith(f"{NAME}: 1 job")


def test_an_instance_without_jobs_says_how_to_add_one(control: Control, capsys: Captured) -> None:
    assert shown(control) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{NAME} has no jobs")
    assert "[[cron.jobs]]" in said and "@corn_systemd.job" in said


def test_json_is_what_the_master_says(control: Control, capsys: Captured) -> None:
    assert shown(control, job(), is_json=True) == 0
    assert json.loads(capsys.readouterr().out)["jobs"] == [job()]


def test_a_master_that_knows_no_jobs_is_an_error(control: Control) -> None:
    control.says("GET /jobs", {"ok": False, "error": "no /jobs here"}, 404)
    with pytest.raises(CornError, match="no /jobs here"):
        jobs.run(argparse.Namespace(instance=NAME, json=False))


def test_an_instance_that_does_not_run_is_to_be_tried_later(control: Control) -> None:
    with pytest.raises(Unavailable, match="does not run"):
        jobs.run(argparse.Namespace(instance=f"{NAME}-2", json=False))
