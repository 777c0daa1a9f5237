"""A real HttpWorker in a thread, with real sockets, a slot and a journal that remember."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corn_systemd.lifeline import Lifeline
from corn_systemd.listeners import where
from corn_systemd.relay import Relay
from corn_systemd.roster import Roster
from corn_systemd.settings.kinds import Address
from corn_systemd.settings.sections import Http
from corn_systemd.systemd.messages import Message
from corn_systemd.worker.http import HttpWorker

# Ten times and more what anything here should take.
DEADLINE = 20.0


class FakeSlot:
    """Writes down what a worker tells the scoreboard."""

    def __init__(self) -> None:
        self.story: list[tuple[object, ...]] = []
        self.open = self.turns = 0
        self.in_spools = self.most_in_spools = self.in_spools_of_others = 0
        self.duplicates: list[int] | None = None
        self.changed = threading.Condition()

    def begin(
        self, fd: int, request_id: str, method: str, target: str, now: float, wait: float = 0.0
    ) -> None:
        if self.duplicates is not None:
            # As the master does when a request lasts.
            self.duplicates.append(os.dup(fd))
        self.story.append(("begin", method, target))

    def head_left(self) -> None:
        self.story.append(("head_left",))

    def end(self, now: float = 0.0, sent: int = 0) -> None:
        self.story.append(("end",))

    def connections(self, count: int) -> None:
        with self.changed:
            self.open = count
            self.changed.notify_all()

    def has(self, count: int) -> None:
        """Waits until the worker has so many connections."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.open == count, DEADLINE), f"it has {self.open}"

    def waiting(self, count: int) -> None:
        pass

    def turned(self) -> None:
        self.turns += 1

    def spooled(self, size: int) -> None:
        self.in_spools = size
        self.most_in_spools = max(size, self.most_in_spools)

    def spooled_by_all(self) -> int:
        return self.in_spools + self.in_spools_of_others


class FakeJournal:
    def __init__(self) -> None:
        self.entries: list[tuple[Message, str, dict[str, object]]] = []
        self.arrived = threading.Condition()

    def emit(self, message: Message, detail: str = "", **values: object) -> None:
        message.text.format(**values)
        assert set(values) == set(message.fields)
        with self.arrived:
            self.entries.append((message, detail, values))
            self.arrived.notify_all()

    def expects(self, message: Message) -> tuple[str, dict[str, object]]:
        def found() -> list[tuple[str, dict[str, object]]]:
            return [(detail, values) for entry, detail, values in self.entries if entry is message]

        with self.arrived:
            assert self.arrived.wait_for(found, DEADLINE), f"no {message.text!r} in {self.entries}"
            return found()[0]


class Engine:
    """One worker on one listener; leaves when the `with` ends."""

    def __init__(
        self,
        application: Callable[..., Any],
        family: socket.AddressFamily = socket.AF_INET,
        path: Path | None = None,
        proxy_protocol: bool = False,
        relay: Relay | None = None,
        is_checked: bool = False,
        **settings: Any,
    ) -> None:
        """`is_checked`: it serves nobody but the master before that says "open"."""
        self.listener = socket.socket(family)
        address: Any = str(path) if path else ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0)
        self.listener.bind(address)
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.slot = FakeSlot()
        self.journal = FakeJournal()
        self.master, self.end = Lifeline.pair()
        self.relay, self.owns_relay = relay or Relay.create(), relay is None
        self.roster = Roster.create()
        self.nudge_fd = os.eventfd(0, os.EFD_CLOEXEC)
        self.worker = HttpWorker(
            application,
            [self.listener],
            Http(**settings),
            self.slot,  # type: ignore[arg-type]
            self.journal,  # type: ignore[arg-type]
            Lifeline(self.end),
            self.relay,
            self.roster,
            nudge_fd=self.nudge_fd,
            addresses=[where(self.listener, Address("", proxy_protocol=proxy_protocol))],
        )
        self.is_checked = is_checked
        self.reason = ""
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        if self.is_checked:
            self.worker.be_checked()
        self.reason = self.worker.serve()

    def __enter__(self) -> "Engine":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.master.close()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive(), "the worker did not leave"
        self.listener.close()
        self.end.close()
        self.roster.close()
        os.close(self.nudge_fd)
        if self.owns_relay:
            self.relay.close()

    def connect(self, receive_buffer: int = 0) -> socket.socket:
        client = socket.socket(self.listener.family)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(DEADLINE)
        client.connect(self.listener.getsockname())
        return client

    def ask(self, request: bytes) -> bytes:
        """Everything that comes in answer until the worker ends the connection."""
        with self.connect() as client:
            client.sendall(request)
            return read_all(client)

    def leave(self, linger: float, *, hand_over: bool = False) -> None:
        self.master.send("drain", linger=linger, hand_over=hand_over)

    def nudge(self) -> None:
        """As the master does when a request keeps others waiting."""
        os.eventfd_write(self.nudge_fd, 1)


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def read_head(client: socket.socket) -> bytes:
    """The head of an answer and not a byte more."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += client.recv(1)
    return data


def read_until(client: socket.socket, end: bytes) -> bytes:
    data = b""
    while not data.endswith(end):
        part = client.recv(65536)
        assert part, f"the connection ended behind {data[-200:]!r}"
        data += part
    return data


def get(target: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join((f"{method} {target} HTTP/{version}", "Host: a", *fields, "", "")).encode()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
