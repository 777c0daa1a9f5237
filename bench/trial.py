"""One server, started, loaded, measured and stopped."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import cost
from .environment import REPOSITORY
from .loads import CONNECTIONS, WORK, Load
from .servers import Server

_PATIENCE = 30.0
_ERRORS = re.compile(r"(connect|read|write|timeout) (\d+)(?=,|$)", re.MULTILINE)
_WARM_UP = Load("warm-up", "")
_REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
# Idle connections: those that wake what a server needs once, and those that are weighed.
_IDLE_FEW, _IDLE_MANY = 200, 5000


class Failed(Exception):
    """A server did not start, or did not answer as it should: told in the table, in its cell."""


@dataclass(frozen=True)
class Outcome:
    """What wrk saw of one load, and what it has cost."""

    requests: int
    per_second: float
    cpu: float


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    server: Server
    process: subprocess.Popen[bytes]
    port: int

    def put_under(self, load: Load, seconds: int, connections: int = CONNECTIONS) -> Outcome:
        """Runs wrk(1) once; Failed when an answer was an error or none came."""
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(load.script)
            script.flush()
            words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
            for header in load.headers:
                words += ["-H", header]
            if load.script:
                words += ["-s", script.name]
            before = cost.cpu_seconds(self.process.pid)
            done = subprocess.run(
                [*words, f"http://127.0.0.1:{self.port}{load.path}"], capture_output=True, text=True
            )
            after = cost.cpu_seconds(self.process.pid)
        counted = re.search(r"(\d+) requests in ", done.stdout)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
        if done.returncode or not counted or not rate or int(counted[1]) == 0:
            raise Failed((done.stderr or "no request was answered").strip().splitlines()[-1])
        if bad := re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout):
            raise Failed(f"{bad[1]} of {counted[1]} answers were errors")
        # One in a thousand: connections that were cut as wrk stopped.
        errors = {kind: int(count) for kind, count in _ERRORS.findall(done.stdout)}
        if self.server.ends_by_closing:
            errors.pop("read", None)
        if sum(errors.values()) > int(counted[1]) / 1000:
            raise Failed(f"errors of {counted[1]} requests: {errors}")
        return Outcome(int(counted[1]), float(rate[1]), (after - before) / int(counted[1]))


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(server: Server, bin: Path, workers: int = 1) -> Iterator[Running]:
    """The server, warm; stopped at the end, by force if it must be."""
    port = free_port()
    process = _start(server, bin, port, workers, None)
    try:
        _first_answer(process, port)
        it = Running(server, process, port)
        it.put_under(_WARM_UP, 1)
        yield it
    finally:
        _stop(process)


def seconds_to_ready(server: Server, bin: Path) -> float:
    """From exec to READY=1; only for servers that say so."""
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(f"{place}/notify")
        notify.settimeout(_PATIENCE)
        started = time.perf_counter()
        process = _start(server, bin, free_port(), 1, f"{place}/notify")
        try:
            while b"READY=1" not in notify.recv(65536):
                pass
            return time.perf_counter() - started
        except TimeoutError:
            raise Failed("never said READY=1") from None
        finally:
            _stop(process)


def seconds_to_answer(server: Server, bin: Path) -> float:
    """From exec to the first whole answer."""
    port = free_port()
    started = time.perf_counter()
    process = _start(server, bin, port, 1, None)
    try:
        _first_answer(process, port)
        return time.perf_counter() - started
    finally:
        _stop(process)


def memory(server: Server, bin: Path, workers: int) -> tuple[int, int]:
    """PSS of the first process and of the whole tree, with so many workers that have served."""
    with running(server, bin, workers) as it:
        return cost.proportional_bytes(it.process.pid), cost.tree_bytes(it.process.pid)


def gain_of_second_worker(server: Server, bin: Path, seconds: int) -> float:
    """How many times the throughput of one worker two of them have, where the application computes."""
    rates = []
    for workers in (1, 2):
        with running(server, bin, workers) as it:
            rates.append(it.put_under(WORK, seconds).per_second)
    return rates[1] / rates[0]


def bytes_of_idle_connection(server: Server, bin: Path) -> float:
    """PSS of the tree for each client that has been answered once and stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    clients: list[socket.socket] = []
    try:
        with running(server, bin) as it:
            _join(it, clients, _IDLE_FEW)
            few = cost.tree_bytes(it.process.pid)
            _join(it, clients, _IDLE_MANY)
            many = cost.tree_bytes(it.process.pid)
            if not all(_is_open(client) for client in clients):
                raise Failed("idle connections were closed")
    except OSError as error:
        raise Failed(f"{len(clients)} connections, then {error}") from None
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return (many - few) / (_IDLE_MANY - _IDLE_FEW)


def _join(it: Running, clients: list[socket.socket], count: int) -> None:
    """Connects until so many are there, each of them answered."""
    while len(clients) < count:
        client = socket.create_connection(("127.0.0.1", it.port), timeout=_PATIENCE)
        clients.append(client)
        client.sendall(_REQUEST)
        if not client.recv(65536).startswith(b"HTTP/1.1 200"):
            raise Failed("not answered")


def _is_open(client: socket.socket) -> bool:
    """Reads what is left of the answer; the end of the connection is what it must not find."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return True
    return False


def _start(server: Server, bin: Path, port: int, workers: int, notify: str | None) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CORN_")}
    environment["PYTHONPATH"] = str(REPOSITORY)
    if notify:
        environment["NOTIFY_SOCKET"] = notify
    return subprocess.Popen(
        server.command(bin, port, workers),
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _first_answer(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"ended with status {process.returncode} at its start")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if sock.recv(65536).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.001)
    raise Failed(f"no answer in {_PATIENCE:.0f} s")


def _stop(process: subprocess.Popen[bytes]) -> None:
    everyone = list(cost.tree(process.pid))
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        for pid in everyone:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()
