"""Clients who ask at a steady rate, some on a connection that they keep and some on a new one each time.

Every client is a thread that asks when its time has come, whatever the others' answers take. What went wrong
is kept as a sentence for the test to look at.
"""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType

from .harness import DEADLINE, Corn, connect


class _Connection(http.client.HTTPConnection):
    """Never connects again by itself: where a connection ends is for the test to know."""

    auto_open = 0


class Load:
    """`with Load(corn, rate):` asks so many times a second, half of it on connections that are kept."""

    def __init__(self, corn: Corn, rate: float = 200.0, clients: int = 16) -> None:
        self._listener = corn.sockets[0]
        self._every = clients / rate
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        """How often each text was answered."""
        self.failures: list[str] = []
        self.slowest = 0.0
        started_at = time.monotonic()
        self._threads = [
            threading.Thread(target=self._ask, args=(started_at + number / rate, number % 2 == 0))
            for number in range(clients)
        ]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    @property
    def count(self) -> int:
        return self.answers.total()

    def _ask(self, due: float, keeps: bool) -> None:
        connection: _Connection | None = None
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            due += self._every
            began_at = time.monotonic()
            try:
                if connection is None:
                    connection = _Connection("corn.test", timeout=DEADLINE)
                    connection.sock = connect(self._listener)
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
