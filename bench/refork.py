"""`python -m bench.refork`: what refork_after saves in memory, for the Django application of the demo.

The same requests, spread over all its pages, with and without it; then the proportional memory of the whole
tree, when everything is quiet again. Prints a table; measures nobody else.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from . import cost
from .trial import free_port

# Not by a statement: mypy knows that file as `demo` already, and will not have it under two names.
demo: Any = import_module("examples.demo")
_PATIENCE = 60.0
_CLIENTS = 16
_KERNELS = 40
_PAGES = (
    "/", "/harvests/", "/husk/", "/word", "/guestbook.csv", "/static/cob.css", "/kernels/999999/", "/absent",
    *(f"/kernels/{number}/" for number in range(1, _KERNELS + 1)),
)  # fmt: skip
_PLANT = f"""
from guestbook.models import Kernel
Kernel.objects.bulk_create([Kernel(name=f"guest {{n}}", message="A word. " * 20) for n in range({_KERNELS})])
"""


def main() -> int:
    """Measures, prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.refork", description=__doc__)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    venv = demo.own_venv()
    variants: list[tuple[int, ...]] = [(), (50,), (50, 200)]
    values: dict[tuple[int, ...], list[tuple[int, int, int]]] = {after: [] for after in variants}
    for turn in range(options.rounds):
        for after in variants[turn % 3 :] + variants[: turn % 3]:
            values[after].append(_measure(venv, after, options.workers, options.requests))
    day = datetime.now(timezone.utc).date().isoformat()
    print(
        f"Python {platform.python_version()}, Linux {platform.release()}, {day}: {options.workers} workers "
        f"after {options.requests} requests; medians of {options.rounds} interleaved rounds.\n"
    )
    print("| refork_after | molds that were workers | whole tree, MB (PSS) | a worker, MB (PSS) |")
    print("|---|---:|---:|---:|")
    for after, rounds in values.items():
        molds, tree, worker = (median(column) for column in zip(*rounds, strict=True))
        print(f"| {list(after)} | {molds:g} | {tree / 1e6:.1f} | {worker / 1e6:.2f} |")
    return 0


def _measure(venv: Path, after: tuple[int, ...], workers: int, requests: int) -> tuple[int, int, int]:
    """(how many workers have become the mold, bytes of the whole tree, bytes of one worker)."""
    with tempfile.TemporaryDirectory() as name:
        place, port = Path(name), free_port()
        with _running(venv, place, port, after, workers) as process:
            each = requests // _CLIENTS
            with ThreadPoolExecutor(_CLIENTS) as pool:
                list(pool.map(lambda client: _ask(port, client, each), range(_CLIENTS)))
            report = _quiet(place, workers)
            serving = [cost.proportional_bytes(one["pid"]) for one in report if one["role"] == "http"]
            tree = cost.tree_bytes(process.pid)
        said = (place / "log").read_text()
    return said.count("has become the mold"), tree, int(median(serving))


@contextmanager
def _running(
    venv: Path, place: Path, port: int, after: tuple[int, ...], workers: int
) -> Iterator[subprocess.Popen[bytes]]:
    data = place / "data"
    data.mkdir()
    environment = {**os.environ, "DEMO_DATA": str(data)}
    for words in ("migrate", "-v", "0"), ("shell", "-c", _PLANT):
        command = [str(venv / "bin" / "python"), "-B", "manage.py", *words]
        subprocess.run(command, cwd=demo.SOURCE, env=environment, check=True, stdout=subprocess.DEVNULL)
    text = demo.instance(port, demo.SOURCE, venv, data, "").replace("count = 2", f"count = {workers}")
    (place / "demo.toml").write_text(f"refork_after = {list(after)}\n{text}[cron]\nworkers = 0\n")
    with open(place / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "corn_systemd", "serve", str(place / "demo.toml")],
            env={**os.environ, "RUNTIME_DIRECTORY": str(place), "STATE_DIRECTORY": str(place)},
            stderr=log,
        )
        try:
            _quiet(place, workers)
            yield process
        finally:
            process.terminate()
            process.wait()


def _ask(port: int, client: int, count: int) -> None:
    """One client: its share of the requests over one connection, beginning at a page of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    for number in range(count):
        connection.request("GET", _PAGES[(client * 7 + number) % len(_PAGES)])
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 404):
            raise RuntimeError(f"status {answer.status}")
    connection.close()


def _quiet(place: Path, workers: int) -> list[dict[str, Any]]:
    """Waits until all workers are ready and nobody is about to be replaced; all processes."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        report = _report(place)
        serving = [one for one in report if one["role"] == "http" and one["state"] == "ready"]
        is_over = len(report) == workers + 1 and not any("retires" in one for one in report)
        if is_over and len(serving) == workers:
            return report
        time.sleep(0.05)
    raise RuntimeError(f"not quiet: {report}\n{(place / 'log').read_text()}")


def _report(place: Path) -> list[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(str(place / "control"))
        except OSError:
            return []
        sock.sendall(b"GET /status HTTP/1.1\r\nHost: corn\r\n\r\n")
        with sock.makefile("rb") as file:
            found: list[dict[str, Any]] = json.loads(file.read().partition(b"\r\n\r\n")[2])["processes"]
    return found


if __name__ == "__main__":
    sys.exit(main())
