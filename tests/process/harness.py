"""A real corn, driven from outside by the three sockets that systemd would hold: listening, notify, journal.

Nothing sleeps: a test waits for a word to NOTIFY_SOCKET, for a journal entry by its message, or for the end
of a process, each with a deadline that is ten times what any of it should take.
"""

import array
import http.client
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from corn_systemd.systemd.messages import Message

REPOSITORY = Path(__file__).parents[2]
DEADLINE = 20.0

# LISTEN_PID must be the server's own: it is set by the very process that becomes the server.
_ACTIVATE = """
import os, sys
count = int(sys.argv[1]); fds = [int(fd) for fd in sys.argv[2:2 + count]]
high = [os.dup(fd) for fd in fds]
high = [__import__("fcntl").fcntl(fd, 0, 100) for fd in high]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
os.closerange(3 + count, 1000)
if count:
    os.environ["LISTEN_PID"] = str(os.getpid()); os.environ["LISTEN_FDS"] = str(count)
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


def parse_entry(data: bytes) -> dict[str, str]:
    """One journal entry of the native protocol."""
    entry = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, is_short, value = line.partition(b"=")
        if not is_short:
            (size,) = struct.unpack_from("<Q", data)
            value, data = data[8 : 8 + size], data[8 + size + 1 :]
        entry[name.decode()] = value.decode()
    return entry


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Corn:
    """One instance under test. `directory` holds its TOML, its application and its sockets."""

    directory: Path
    arguments: Sequence[str] = ()
    sockets: Sequence[socket.socket] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable

    def __post_init__(self) -> None:
        self.token = f"corn-test-{uuid.uuid4().hex}"
        self.entries: list[dict[str, str]] = []
        self.states: list[dict[str, str]] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._written = int(time.time()) - 100_000
        self._heard: dict[str, socket.socket] = {}
        for name in ("notify", "journal"):
            self._bind(name)

    def _bind(self, name: str) -> None:
        sock = self._heard[name] = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(str(self.directory / name))

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """The socket "notify" or "journal" is gone within the `with`, and another is there behind it."""
        self._heard.pop(name).close()
        (self.directory / name).unlink()
        try:
            yield
        finally:
            self._bind(name)

    @contextmanager
    def unread(self, name: str) -> Iterator[None]:
        """Nobody reads that socket within the `with`, so that it is soon full."""
        sock = self._heard.pop(name)
        try:
            yield
        finally:
            self._heard[name] = sock

    # Setting up

    def write(self, name: str, text: str) -> Path:
        """A file of the test, its text dedented."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        # Python takes compiled code for that of a file which is as long, and was written in the same second.
        self._written += 1
        os.utime(path, (self._written, self._written))
        return path

    def start(self) -> "Corn":
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "NOTIFY_SOCKET": str(self.directory / "notify"),
            "CORN_JOURNAL_SOCKET": str(self.directory / "journal"),
            "RUNTIME_DIRECTORY": str(self.directory),
            "STATE_DIRECTORY": str(self.directory / "state"),
            "CORN_TEST_TOKEN": self.token,
            **self.environment,
        }
        fds = [sock.fileno() for sock in self.sockets]
        command = [
            self.python,
            "-m",
            "corn_systemd",
            *(self.arguments or ("serve", str(self.directory / "shop.toml"))),
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ACTIVATE, str(len(fds)), *map(str, fds), *command],
            env={name: value for name, value in environment.items() if value},
            cwd=self.directory,
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
        )
        return self

    def restart(self) -> "Corn":
        """Starts it again after its end, with nothing heard yet."""
        self.take_in()
        self.entries.clear()
        self.states.clear()
        return self.start().ready()

    # Waiting

    def _pump(self, wait: float) -> None:
        """Takes in what has come on both sockets, waiting at most so long for the first of it."""
        ready, _, _ = select.select([*self._heard.values()], [], [], max(0.0, wait))
        for sock in ready:
            data, ancillary, _flags, _address = sock.recvmsg(1 << 20, 1024)
            for level, kind, fds in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    for fd in array.array("i", fds):
                        data = data or os.pread(fd, 1 << 24, 0)
                        os.close(fd)
            if sock is self._heard.get("journal"):
                self.entries.append(parse_entry(data))
            else:
                lines = [line.partition("=") for line in data.decode().splitlines()]
                self.states.append({name: value for name, _, value in lines})

    def take_in(self) -> None:
        """Takes in all that has come."""
        while select.select([*self._heard.values()], [], [], 0)[0]:
            self._pump(0)

    def until(self, question: Callable[[], Any], what: str, deadline: float = DEADLINE) -> Any:
        """Waits until the question is answered with something true; looks whenever a word arrives."""
        end = time.monotonic() + deadline
        while not (answer := question()):
            left = end - time.monotonic()
            assert left > 0, f"waited {deadline:g} s for {what}\n{self.story()}"
            self._pump(min(left, 0.02))
        return answer

    def ready(self) -> "Corn":
        """Waits for READY=1."""
        self.until(lambda: self.notified(READY="1") or self.has_ended, "READY=1")
        assert self.notified(READY="1"), f"it ended before it was ready\n{self.story()}"
        return self

    def notified(self, **states: str) -> dict[str, str] | None:
        return next((s for s in self.states if states.items() <= s.items()), None)

    def told(self, message: Message, **fields: object) -> list[dict[str, str]]:
        """The journal entries so far of that message, with these fields."""
        wanted = {f"CORN_{name.upper()}": str(value) for name, value in fields.items()}
        return [e for e in self.entries if e.get("MESSAGE_ID") == message.id and wanted.items() <= e.items()]

    def expects(self, message: Message, **fields: object) -> dict[str, str]:
        """Waits for a journal entry."""
        found: dict[str, str] = self.until(
            lambda: next(iter(self.told(message, **fields)), None),
            f"the message {message.text!r} {fields or ''}",
        )
        return found

    def story(self) -> str:
        entries = "\n".join(e.get("MESSAGE", str(e)) for e in self.entries)
        return f"journal:\n{entries}\nnotified:\n" + "\n".join(map(str, self.states))

    # Looking

    @property
    def has_ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def ask(self, question: str) -> tuple[int, bytes]:
        """(status, body) of what the control socket answers to `GET /status` and its like."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(DEADLINE)
        client.connect(str(self.directory / "control"))
        client.sendall(f"{question} HTTP/1.1\r\nHost: corn\r\n\r\n".encode())
        with client, client.makefile("rb") as file:
            head, _, body = file.read().partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def report(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.ask("GET /status")[1])
        return value

    def job(self, name: str) -> dict[str, Any]:
        """What is known of a job."""
        jobs: list[dict[str, Any]] = json.loads(self.ask("GET /jobs")[1])["jobs"]
        return next(job for job in jobs if job["name"] == name)

    def workers(self, state: str = "ready", role: str = "http") -> list[dict[str, Any]]:
        return [p for p in self.report()["processes"] if p["role"] == role and p["state"] == state]

    def processes(self) -> list[int]:
        """All living processes of this instance, wherever they are: by a variable they inherit."""
        mine = f"CORN_TEST_TOKEN={self.token}".encode()
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdecimal():
                continue
            try:
                environ = Path(f"/proc/{entry}/environ").read_bytes()
                state = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()[0]
            except OSError:
                continue
            if mine in environ.split(b"\0") and state != b"Z":
                found.append(int(entry))
        return found

    def get(self, path: str = "/", **headers: str) -> Answer:
        """One request on a connection of its own, to the first passed socket."""
        return request(self.sockets[0], "GET", path, headers)

    # Ending

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self, deadline: float = DEADLINE) -> int:
        """Waits for the end of the master; its exit status."""
        assert self.process is not None
        self.until(lambda: self.has_ended, "the end of the master", deadline)
        self.take_in()
        return self.process.returncode

    def gone(self, deadline: float = DEADLINE) -> None:
        """Waits until no process of the instance is left."""
        self.until(lambda: not self.processes(), "the end of all processes", deadline)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.end()

    def close(self) -> None:
        """Ends whatever is left; nothing may be."""
        left = []
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            left = self.processes()
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        for sock in (*self._heard.values(), *self.sockets):
            sock.close()


class _Client(http.client.HTTPConnection):
    def __init__(self, listener: socket.socket) -> None:
        super().__init__("corn.test", timeout=DEADLINE)
        self._listener = listener

    def connect(self) -> None:
        self.sock = connect(self._listener)


def connect(listener: socket.socket, receive_buffer: int = 0) -> socket.socket:
    client = socket.socket(listener.family, socket.SOCK_STREAM)
    if receive_buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(DEADLINE)
    client.connect(listener.getsockname())
    return client


def request(
    listener: socket.socket,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    client = _Client(listener)
    try:
        client.request(method, path, body, dict(headers or {}))
        response = client.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        client.close()


def tcp(host: str = "127.0.0.1") -> socket.socket:
    """A listening socket on a free port, as a socket unit would hold it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, 0))
    sock.listen(1024)
    return sock


def unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen(1024)
    return sock


def address(sock: socket.socket) -> str:
    name = sock.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]
