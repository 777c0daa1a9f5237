"""`corn status NAME`: what an instance is doing, as its master sees it."""

import argparse
import json
from typing import Any

from .ask import ask
from .asleep import Asleep
from .table import print_table
from .times import span

_COLUMNS = (
    "worker", "pid", "generation", "state", "memory", "cpu", "requests", "connections", "age", "request",
)  # fmt: skip
_NUMBERS = ("pid", "generation", "memory", "cpu", "requests", "connections", "age")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="NAME|FILE")
    parser.add_argument("--json", action="store_true", help="print everything that is known, as JSON")


def run(options: argparse.Namespace) -> int:
    try:
        _status, report = ask(options.instance, "GET", "/status")
    except Asleep as sleeper:
        told: dict[str, Any] = {"instance": sleeper.name, "status": "asleep", "processes": []}
        told |= {"listen": sleeper.addresses.split(", "), "wakes_at": sleeper.wakes_at}
        words = f"{sleeper.name}: asleep; {sleeper.wakers}"
        print(json.dumps(told, indent=2) if options.json else words)
        return 0
    for process in report["processes"]:
        process["memory_bytes"] = _private_bytes(process["pid"])
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    print(f"{report['instance']}: {report['status']}")
    wait = report["waited"] / max(report["requests"], 1)
    print(
        f"app {report['app']}, generation {report['generation']}, {report['requests']} requests that waited "
        f"{wait * 1000:.1f} ms on average, up {span(report['uptime'])}"
    )
    print(f"listening on {', '.join(report['listen'])}\n")
    print_table(_COLUMNS, (_row(process) for process in report["processes"]), _NUMBERS)
    return 0


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    memory = process["memory_bytes"]
    request = process.get("request", "")
    if request:
        request = f"{request} (for {span(process['request_age'])})"
    name = f"{process['role']} {process['worker']}" if "worker" in process else process["role"]
    return (
        name,
        str(process["pid"] or "-"),
        str(process["generation"]),
        process["state"],
        f"{memory / 2**20:.1f} MiB" if memory is not None else "-",
        span(process["cpu"]) if "cpu" in process else "-",
        str(process.get("requests", "-")),
        str(process.get("connections", "-")),
        span(process["age"]),
        request,
    )


def _private_bytes(pid: int) -> int | None:
    """Memory that would be free if the process ended (USS), None when it can not be read."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except (psutil.Error, OSError):
        return None
