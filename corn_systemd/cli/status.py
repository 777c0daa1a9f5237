"""`corn status NAME`: what an instance is doing, as its master sees it."""

import argparse
import json
from typing import Any

from .ask import ask

_COLUMNS = (
    "worker", "pid", "generation", "state", "memory", "cpu", "requests", "connections", "age", "request",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="NAME|FILE")
    parser.add_argument("--json", action="store_true", help="print everything that is known, as JSON")


def run(options: argparse.Namespace) -> int:
    _status, report = ask(options.instance, "GET", "/status")
    for process in report["processes"]:
        process["memory_bytes"] = _private_bytes(process["pid"])
    if options.json:
        print(json.dumps(report, indent=2))
        return 0
    print(f"{report['instance']}: {report['status']}")
    wait = report["waited"] / max(report["requests"], 1)
    print(
        f"app {report['app']}, generation {report['generation']}, {report['requests']} requests that waited "
        f"{wait * 1000:.1f} ms on average, up {_span(report['uptime'])}"
    )
    print(f"listening on {', '.join(report['listen'])}\n")
    rows = [_COLUMNS, *(_row(process) for process in report["processes"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _row(process: dict[str, Any]) -> tuple[str, ...]:
    memory = process["memory_bytes"]
    request = process.get("request", "")
    if request:
        request = f"{request} (for {_span(process['request_age'])})"
    name = f"{process['role']} {process['worker']}" if "worker" in process else process["role"]
    return (
        name,
        str(process["pid"] or "-"),
        str(process["generation"]),
        process["state"],
        f"{memory / 2**20:.1f} MiB" if memory is not None else "-",
        _span(process["cpu"]) if "cpu" in process else "-",
        str(process.get("requests", "-")),
        str(process.get("connections", "-")),
        _span(process["age"]),
        request,
    )


def _private_bytes(pid: int) -> int | None:
    """Memory that would be free if the process ended (USS), None when it can not be read."""
    import psutil

    try:
        return int(psutil.Process(pid).memory_full_info().uss)
    except (psutil.Error, OSError):
        return None


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}min" if hours else f"{minutes}min {rest}s"
