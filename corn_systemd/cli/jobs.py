"""`corn jobs NAME`: the jobs of an instance, when they run next, and how they ran last."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from ..errors import CornError
from ..limits.growth import mebibytes
from .ask import ask
from .table import print_table
from .times import moment, span, zone_of

_COLUMNS = (
    "job", "origin", "schedule", "next run", "state", "last run", "outcome", "duration", "cpu", "memory",
    "runs", "failures", "cause",
)  # fmt: skip
_NUMBERS = ("duration", "cpu", "memory", "runs", "failures")

# How far a run has come that is under way, as the master calls it and as people do.
_STAGES = {
    "due": "due, waits for a worker",
    "claiming": "due, is being claimed",
    "elsewhere": "another machine runs it",
    "granted": "due, is about to begin",
}

_NONE = """\
{name} has no jobs. To add one, write into its file, and then: corn reload {name}

[[cron.jobs]]
name = "clear-sessions"
schedule = "17 3 * * *"
call = "shop.jobs:clear_sessions"

Or write @corn_systemd.job("17 3 * * *") above a function of the application. corn.toml(5) says more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="NAME|FILE")
    parser.add_argument("--json", action="store_true", help="print everything that is known, as JSON")


def run(options: argparse.Namespace) -> int:
    status, report = ask(options.instance, "GET", "/jobs")
    if status != 200:
        raise CornError(str(report.get("error", f"the instance answers {status}")))
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    for line in _head(report):
        print(line)
    if report["jobs"]:
        rows = [_row(job, report["now"]) for job in report["jobs"]]
        # What failures were of is told where there are any.
        width = len(_COLUMNS) if any(row[-1] for row in rows) else len(_COLUMNS) - 1
        print()
        print_table(_COLUMNS[:width], (row[:width] for row in rows), _NUMBERS)
    return 0


def _head(report: dict[str, Any]) -> Iterator[str]:
    for about, cause in report["troubles"].items():
        if cause:
            yield f"No job can begin, because of the {about}: {cause}"
    name, jobs = report["instance"], report["jobs"]
    if not jobs:
        yield _NONE.format(name=name)
        return
    running = sum(job["stage"] == "running" for job in jobs)
    yield (
        f"{name}: {len(jobs)} job{'s' * (len(jobs) > 1)}, {running} running; times are local "
        f"({zone_of(report['now'])})"
    )


def _row(job: dict[str, Any], now: float) -> tuple[str, ...]:
    last = job["last"]
    told = ("-",) * 5
    if last is not None:
        spent = span(last["cpu"]), f"{mebibytes(last['memory'])} MiB"
        if last["outcome"] == "killed":  # with its worker: nobody knows
            spent = "-", "-"
        told = (moment(last["began_at"], now), last["outcome"], span(last["real"]), *spent)
    return (
        job["name"],
        job["origin"],
        f"{job['schedule']} {job['timezone']}".rstrip(),
        moment(job["next_at"], now) if job["next_at"] is not None else "-",
        _state(job, now),
        *told,
        str(job["runs"]),
        str(job["failures"]),
        last["detail"] if last is not None else "",
    )


def _state(job: dict[str, Any], now: float) -> str:
    """What it is up to: the run that is under way, and what is to come of the others."""
    stage, outlook, failures = job["stage"], job["outlook"], job["failures_in_row"]
    if outlook == "suspended" or (outlook == "scheduled" and failures):
        outlook += f" after {failures} failure{'s' * (failures > 1)}"
    if stage is None:
        return str(outlook)
    if stage == "running":
        running = f"running since {moment(job['began_at'], now)}" if job["began_at"] else "running"
    else:
        running = _STAGES.get(stage, stage)
    return running if outlook == "scheduled" else f"{running}, {outlook}"
