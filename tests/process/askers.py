"""Clients whose every request has an id of its own, and who write down what became of each.

None asks twice. Half of them keep their connections; each asks at its time, or when it has been answered.
"""

import http.client
import random
import time
from dataclasses import dataclass

from .harness import Corn
from .load import Clients, open_connection

# The path tells the application what to do; the body is more than it takes in memory.
BODY = b"b" * 300_000
KINDS = {"quick": 14, "slow": 2, "body": 4}


@dataclass(frozen=True)
class Asked:
    """One request: its id, its kind, when it was sent and answered or given up (monotonic), the status, 0 for
    none, and what went wrong."""

    id: str
    kind: str
    at: float
    ended_at: float
    status: int
    problem: str = ""

    @property
    def took(self) -> float:
        return self.ended_at - self.at


def ask(connection: http.client.HTTPConnection, kind: str, name: str) -> tuple[int, str, bool]:
    """(status, what is wrong with the answer, whether the connection ends). Raises OSError and
    HTTPException."""
    method, body = ("POST", BODY) if kind == "body" else ("GET", None)
    connection.request(method, f"/{kind}/{name}", body)
    response = connection.getresponse()
    text = response.read().decode()
    is_own = response.status != 200 or text == name
    return response.status, "" if is_own else f"another's answer: {text!r}", response.will_close


class Askers(Clients):
    """`with Askers(corn, seed) as askers:` so many ask, so often in all. `asked` is what became of it."""

    def __init__(self, corn: Corn, seed: int, prefix: str, rate: float = 60.0, clients: int = 12) -> None:
        """`prefix`: of all their ids."""
        super().__init__(corn, rate, clients)
        self._seed = seed
        self._prefix = prefix
        self.asked: list[Asked] = []

    def _live(self, number: int, due: float) -> None:
        connection: http.client.HTTPConnection | None = None
        chance = random.Random(f"{self._seed} {number}")
        count, keeps = 0, number % 2 == 0
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._every, time.monotonic())
            count += 1
            kind = chance.choices([*KINDS], [*KINDS.values()])[0]
            name, at = f"{self._prefix}-{number}-{count}", time.monotonic()
            status, problem, ends = 0, "", True
            try:
                connection = connection or open_connection(self._corn)
                status, problem, ends = ask(connection, kind, name)
            except (OSError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
            self.asked.append(Asked(name, kind, at, time.monotonic(), status, problem))
            if connection is not None and (ends or not keeps):
                connection.close()
                connection = None
        if connection is not None:
            connection.close()
