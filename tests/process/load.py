"""Clients who ask at a steady rate, some on a connection that they keep and some on a new one each time.

Every client is a thread that asks when its time has come, whatever the others' answers take. What went wrong
is kept as a sentence for the test to look at.
"""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from .harness import DEADLINE, Corn, connect


class _Connection(http.client.HTTPConnection):
    """Never connects again by itself: where a connection ends is for the test to know."""

    auto_open = 0


def open_connection(corn: Corn, timeout: float = DEADLINE) -> http.client.HTTPConnection:
    connection = _Connection("corn.test", timeout=timeout)
    connection.sock = connect(corn.sockets[0])
    connection.sock.settimeout(timeout)
    return connection


C = TypeVar("C", bound="Clients")


class Clients:
    """So many threads, which begin with `with` and end behind it; together they ask `rate` times a second."""

    def __init__(self, corn: Corn, rate: float, clients: int) -> None:
        self._corn = corn
        self._every = clients / rate
        self._is_over = threading.Event()
        started_at = time.monotonic()
        self._threads = [
            threading.Thread(target=self._live, args=(number, started_at + number / rate))
            for number in range(clients)
        ]

    def _live(self, number: int, due: float) -> None:
        """What one of them does until it is over; it asks for the first time when it is due."""
        raise NotImplementedError

    def __enter__(self: C) -> C:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


class Load(Clients):
    """`with Load(corn, rate):` asks so many times a second, half of it on connections that are kept."""

    def __init__(self, corn: Corn, rate: float = 200.0, clients: int = 16) -> None:
        super().__init__(corn, rate, clients)
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        """How often each text was answered."""
        self.failures: list[str] = []
        self.slowest = 0.0

    @property
    def count(self) -> int:
        return self.answers.total()

    def _live(self, number: int, due: float) -> None:
        connection: http.client.HTTPConnection | None = None
        keeps = number % 2 == 0
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            due += self._every
            began_at = time.monotonic()
            try:
                connection = connection or open_connection(self._corn)
                connection.request("GET", "/", headers={} if keeps else {"Connection": "close"})
                response = connection.getresponse()
                text = response.read().decode()
                if response.status != 200:
                    self.failures.append(f"{response.status}: {text}")
                with self._lock:
                    self.answers[text] += 1
                    self.slowest = max(self.slowest, time.monotonic() - began_at)
                if response.will_close:
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{'kept' if keeps else 'new'}: {type(error).__name__}: {error}")
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()


class Lookout:
    """Asks over and over, and keeps the lowest number that it was told, until `with` ends."""

    def __init__(self, question: Callable[[], int]) -> None:
        self._question = question
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.lowest = question()

    def __enter__(self) -> "Lookout":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.01):
            self.lowest = min(self.lowest, self._question())
            self.looks += 1
