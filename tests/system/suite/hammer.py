"""Clients that never pause: every request is a new connection, or all go over one that is kept alive.

A request that goes unanswered is lost. One exception is what every client makes (RFC 9112, section 9.3.1): a
kept connection that turns out closed, without a byte of an answer, is opened anew, and counted as retried.
"""

import http.client
import threading
import time
from types import TracebackType

from machine import Connection

CLOSED = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError)


class Hammer:
    def __init__(self, address: str, fresh: int = 2, kept: int = 2, path: str = "/") -> None:
        self.address, self.path = address, path
        self.answered = self.retried = 0
        self.lost: list[str] = []
        self.worst = 0.0
        self._halt = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._fresh) for _ in range(fresh)]
        self._threads += [threading.Thread(target=self._kept) for _ in range(kept)]

    def __enter__(self) -> "Hammer":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._halt.set()
        for thread in self._threads:
            thread.join(60)
        counts = f"{self.answered} answered, {self.retried} retried, {len(self.lost)} lost"
        print(f"{self.address}: {counts}, the slowest took {self.worst:.2f} s")

    def _fresh(self) -> None:
        while not self._halt.wait(0.005):
            connection = Connection(self.address, timeout=30)
            self._ask(connection, may_retry=False)
            connection.close()

    def _kept(self) -> None:
        connection = Connection(self.address, timeout=30)
        while not self._halt.wait(0.005):
            self._ask(connection, may_retry=connection.sock is not None)
        connection.close()

    def _ask(self, connection: Connection, may_retry: bool) -> None:
        began = time.monotonic()
        try:
            connection.request("GET", self.path)
            answer = connection.getresponse()
            body = answer.read()
            problem = "" if answer.status == 200 else f"{answer.status} {body!r}"
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if may_retry and isinstance(error, CLOSED):
                with self._lock:
                    self.retried += 1
                self._ask(connection, may_retry=False)
                return
            problem = repr(error)
        with self._lock:
            self.worst = max(self.worst, time.monotonic() - began)
            if problem:
                self.lost.append(f"after {time.monotonic() - began:.3f} s: {problem}")
            else:
                self.answered += 1
