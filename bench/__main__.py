"""The run: every server in turn, round after round, so that what the machine does else hits all alike."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TypeVar

from . import report, trial
from .environment import REPOSITORY, prepare, version
from .loads import LOADS, Load
from .report import Cell, Table
from .servers import SERVERS, Server

_FEW, _MANY = 2, 6


def main() -> int:
    """Measures, prints Markdown, writes JSON."""
    options = _options()
    servers, loads = _chosen(SERVERS, options.servers), _chosen(LOADS, options.loads)
    bin, missing = prepare(servers)
    present = [server for server in servers if server.name not in missing]
    cells: Table = {}
    if "cost" in options.parts:
        for turn in range(options.rounds):
            _say(f"cost per request, round {turn + 1} of {options.rounds}")
            for server in _rotated(present, turn):
                _cost(cells, server, loads, bin, options.seconds)
    if "start" in options.parts:
        for turn in range(options.starts):
            _say(f"start, round {turn + 1} of {options.starts}")
            for server in _rotated(present, turn):
                _start(cells, server, bin)
    if "memory" in options.parts:
        for turn in range(min(3, options.rounds)):
            _say(f"memory, round {turn + 1}")
            for server in _rotated([server for server in present if server.has_workers], turn):
                _memory(cells, server, bin)
            for server in _rotated([server for server in present if server.keeps_alive], turn):
                _note(cells, "idle", server, partial(trial.bytes_of_idle_connection, server, bin))
    if "scale" in options.parts:
        for turn in range(options.rounds):
            _say(f"two workers, round {turn + 1} of {options.rounds}")
            for server in _rotated([server for server in present if server.has_workers], turn):
                measure = partial(trial.gain_of_second_worker, server, bin, options.seconds)
                _note(cells, "scale", server, measure)
    facts = {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": str(os.cpu_count()),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "rounds": str(options.rounds),
        "seconds": str(options.seconds),
    }
    versions = {server.name: version(bin, server) for server in present}
    print(report.markdown(servers, loads, cells, missing, versions, facts))
    record = {"facts": facts, "versions": versions, "missing": missing, "cells": report.as_json(cells)}
    file = REPOSITORY / "bench" / "results" / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(record, indent=1), encoding="utf-8")
    _say(f"every value is in {file.relative_to(REPOSITORY)}")
    return 1 if any(cell.failure for name in cells.values() for cell in name.values()) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench BENCH_FLAGS='…'", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each load in each round")
    parser.add_argument("--starts", type=int, default=7, help="how often each server is started")
    parser.add_argument("--servers", default="", help="some of " + ",".join(row.name for row in SERVERS))
    parser.add_argument("--loads", default="", help="some of " + ",".join(row.name for row in LOADS))
    parser.add_argument("--parts", default="cost,start,memory,scale", type=lambda text: text.split(","))
    return parser.parse_args()


Row = TypeVar("Row", Server, Load)


def _chosen(rows: Sequence[Row], names: str) -> list[Row]:
    wanted = [name for name in names.split(",") if name]
    known = {row.name for row in rows}
    for name in wanted:
        if name not in known:
            sys.exit(f"bench: {name!r} is none of {', '.join(sorted(known))}")
    return [row for row in rows if not wanted or row.name in wanted]


def _rotated(servers: Sequence[Server], turn: int) -> list[Server]:
    """Another one first each time: nobody is always measured on a warm or a quiet machine."""
    turn %= len(servers) or 1
    return [*servers[turn:], *servers[:turn]]


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _note(cells: Table, key: str, server: Server, measure: Callable[[], float]) -> None:
    cell = cells.setdefault(key, {}).setdefault(server.name, Cell())
    try:
        cell.values.append(measure())
    except trial.Failed as failure:
        cell.failure = str(failure)


def _cost(cells: Table, server: Server, loads: Sequence[Load], bin: Path, seconds: int) -> None:
    try:
        with trial.running(server, bin) as it:
            for load in loads:
                _note(cells, load.name, server, partial(_cpu, it, load, seconds))
    except trial.Failed as failure:
        for load in loads:
            cells.setdefault(load.name, {}).setdefault(server.name, Cell()).failure = str(failure)


def _cpu(it: trial.Running, load: Load, seconds: int) -> float:
    return it.put_under(load, seconds).cpu


def _start(cells: Table, server: Server, bin: Path) -> None:
    if server.says_ready:
        _note(cells, "ready", server, lambda: trial.seconds_to_ready(server, bin))
    _note(cells, "answer", server, lambda: trial.seconds_to_answer(server, bin))


def _memory(cells: Table, server: Server, bin: Path) -> None:
    try:
        master, few = trial.memory(server, bin, _FEW)
        _, many = trial.memory(server, bin, _MANY)
    except trial.Failed as failure:
        cells.setdefault("worker", {}).setdefault(server.name, Cell()).failure = str(failure)
        return
    _note(cells, "master", server, lambda: float(master))
    _note(cells, "worker", server, lambda: (many - few) / (_MANY - _FEW))


if __name__ == "__main__":
    sys.exit(main())
