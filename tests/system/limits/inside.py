"""What the tests of limits see of an instance: its control groups, its processes, its clients one by one."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import Connection, Instance, get, pids_alive, sh, wait_for

from corn_systemd.systemd.messages import Message

ROOT = Path("/sys/fs/cgroup")


class Client:
    """One connection, which never asks again."""

    def __init__(self, address: str) -> None:
        self._connection = Connection(address, timeout=30)
        self._connection.connect()
        self._connection.auto_open = 0  # a closed connection is an error

    def ask(self, path: str = "/") -> tuple[int, str]:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()

    def send(self, path: str) -> None:
        self._connection.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: corn\r\n\r\n".encode())

    def read_all(self) -> bytes:
        """All bytes that come before the server closes the connection."""
        answer = b""
        while part := self._connection.sock.recv(65536):
            answer += part
        return answer

    def ask_until_the_end(self, path: str) -> tuple[bytes, float]:
        """The same for a new request, and after how many seconds."""
        began = time.monotonic()
        self.send(path)
        return self.read_all(), time.monotonic() - began

    def close(self) -> None:
        self._connection.close()


def pid_of(client: Client, path: str = "/") -> int:
    status, body = client.ask(path)
    assert status == 200, body
    return int(body)


def is_one_page(answer: bytes, status: str, page: str) -> None:
    """A whole answer of the master, and nothing else."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status}\r\n".encode()), answer
    assert b"\r\nConnection: close" in head
    assert (b"\r\nRetry-After: 1" in head) == status.startswith("503")
    assert body.decode() == f"{status}: {page}\n"


def top(one: Instance) -> Path:
    """The control group that systemd has made for the service."""
    return ROOT / one.show("ControlGroup").lstrip("/")


def group_of(pid: int) -> Path:
    """Where the kernel says that a process is."""
    return ROOT / Path(f"/proc/{pid}/cgroup").read_text().rpartition("0::/")[2].rstrip("\n")


def groups(top: Path) -> set[str]:
    """All groups within, but for the one in which systemd runs what reloads the service."""
    return {path.name for path in top.iterdir() if path.is_dir()} - {".control"}


def both(one: Instance) -> set[int]:
    """The two workers; nobody where there are more or less."""
    workers = pids(one, "http")
    return workers if len(workers) == 2 else set()


def pids(one: Instance, role: str) -> set[int]:
    """The molds, or the workers that serve."""
    report = json.loads(get(f"/run/corn/{one.name}/control", "/status")[1])
    return {row["pid"] for row in report["processes"] if (row["role"], row["state"]) == (role, "ready")}


def commands(one: Instance, words: str) -> set[int]:
    """The processes of the service with these words on their command line."""
    return {pid for pid in pids_alive(one.processes()) if words in command(pid)}


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def told(one: Instance, message: Message, **fields: object) -> list[dict[str, Any]]:
    """The entries of a message with these fields."""
    wanted = {f"CORN_{name.upper()}": str(value) for name, value in fields.items()}
    return [entry for entry in one.journal(message) if wanted.items() <= entry.items()]


def expects(one: Instance, message: Message, **fields: object) -> dict[str, Any]:
    """The one entry of a message with these fields, when it is there."""
    (entry,) = wait_for(lambda: told(one, message, **fields), f"{message.text} with {fields}")
    return dict(entry)


def never_restarted(one: Instance, main_pid: int) -> None:
    state = [one.show(name) for name in ("ActiveState", "NRestarts", "MainPID")]
    assert state == ["active", "0", str(main_pid)]


def run(one: Instance) -> Iterator[Instance]:
    """Starts an instance for the tests of a file, and closes it behind them."""
    try:
        sh("systemctl", "daemon-reload")
        one.start()
        yield one
    finally:
        one.close()


def busy(one: Instance) -> int:
    """The pid of a worker that has been in a request for so long that its client would be answered; or 0."""
    report = json.loads(get(f"/run/corn/{one.name}/control", "/status")[1])
    rows = [row for row in report["processes"] if row.get("request_age", 0) > 0.5]
    return int(rows[0]["pid"]) if rows else 0
