"""Many clients of one instance, all driven by the test's own thread: what they send is in the kernel at once.

A crowd never sleeps and needs no thread: where its clients would wait a second between two bytes, they send
the next one right before a request whose time is taken, all of them. That is harder for a server than the
clock would make it.
"""

import resource
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import pytest

from .harness import DEADLINE, Corn, request

# So many come at once: fewer than fit into the backlog of the listener.
AT_ONCE = 500
# What issue 3 allows a request beside a crowd, in seconds, and how much more a busy machine may take.
PROMISE, SLACK = 0.1, 10


@contextmanager
def room_for(descriptors: int) -> Iterator[None]:
    """Raises the soft limit of open files, for this process and the server that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < descriptors:
        pytest.fail(
            f"the hard limit of open files is {hard}, this takes {descriptors}: raise it (`ulimit -Hn`)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def until_answered(clients: list[socket.socket]) -> None:
    """Waits until each of these has something to read."""
    waiting = {client.fileno() for client in clients}
    poller = select.epoll(len(waiting))
    for fd in waiting:
        poller.register(fd, select.EPOLLIN | select.EPOLLONESHOT)
    end = time.monotonic() + DEADLINE
    while waiting:
        assert time.monotonic() < end, f"{len(waiting)} of {len(clients)} were not answered"
        waiting.difference_update(fd for fd, _ in poller.poll(1, AT_ONCE))
    poller.close()


class Crowd:
    """Clients of the first listener of an instance; `with` hangs up on all of them."""

    def __init__(
        self, corn: Corn, count: int, first: bytes, *, is_answered: bool = False, receive_buffer: int = 0
    ) -> None:
        """Connects; each client sends `first`, and has something to read if that `is_answered`."""
        self.corn = corn
        self.clients: list[socket.socket] = []
        while len(self.clients) < count:
            new = [self._one(receive_buffer) for _ in range(min(AT_ONCE, count - len(self.clients)))]
            self.clients += new
            for client in new:
                client.sendall(first)
            if is_answered:
                until_answered(new)

    def _one(self, receive_buffer: int) -> socket.socket:
        listener = self.corn.sockets[0]
        client = socket.socket(listener.family)
        # Ends with a reset: nothing of it is left in TIME_WAIT for the next test.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(DEADLINE)
        client.connect(listener.getsockname())
        return client

    def __enter__(self) -> "Crowd":
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.close()

    def send(self, data: bytes) -> None:
        for client in self.clients:
            client.sendall(data)


def seconds_beside(corn: Corn, turn: Callable[[], object], times: int = 20) -> list[float]:
    """How long each of so many requests took, on new connections; before each the crowd has a turn."""
    taken = []
    for _ in range(times):
        turn()
        began = time.monotonic()
        answer = request(corn.sockets[0], "GET", "/")
        taken.append(time.monotonic() - began)
        assert (answer.status, answer.text) == (200, "hello")
    return taken


def assert_quick(seconds: list[float]) -> None:
    """Says what was measured (`pytest -s` shows it)."""
    print(f"median {median(seconds) * 1000:.1f} ms, longest {max(seconds) * 1000:.1f} ms")
    assert max(seconds) < PROMISE * SLACK, [round(one, 3) for one in seconds]


def whole_answer(client: socket.socket) -> bytes:
    """Everything until the server ends the connection."""
    return b"".join(iter(lambda: client.recv(1 << 20), b""))
