"""How slowly a client may send: a total time, and a minimum rate once it has had time to begin.

Nothing is measured while bytes come: when the time for the bytes known so far is over, those that have come
since are looked at, and they buy more time or not. Times are those in which somebody listened to the client.
"""

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .connection import Connection

# A client may be silent for so long before the rate counts: a few lost packets in a row (1 + 2 + 4 + 8 s of
# retransmission, RFC 6298) are nobody's fault. It is also what Apache's mod_reqtimeout begins with.
GRACE = 20.0


class Pace:
    """One rule; `timeout` and `rate` (bytes a second) are off when they are 0."""

    __slots__ = ("_first", "_grace", "_seconds_per_byte", "timeout")

    def __init__(self, timeout: float, rate: int) -> None:
        self.timeout = timeout or inf
        self._grace = GRACE if rate else inf
        self._seconds_per_byte = 1 / rate if rate else 0.0
        self._first = self.allowance(0)

    def allowance(self, size: int) -> float:
        """How many seconds a client may have taken for `size` bytes."""
        return min(self.timeout, self._grace + size * self._seconds_per_byte)

    def start(self, connection: "Connection") -> None:
        """From now on its client is expected to send."""
        connection.since = connection.host.clock
        connection.deadline = connection.since + self._first


def is_too_slow(connection: "Connection") -> bool:
    """Whether a client has lost its time for a head or a body; else its deadline is put off."""
    host, body = connection.host, connection.body
    if body is None:
        allowance = host.head_pace.allowance(len(connection.parser.buffer))
    else:
        allowance = host.body_pace.allowance(body.size)
    connection.deadline = connection.since + allowance
    return connection.deadline <= host.clock
