"""One queue of connections for all workers: whoever is kept from serving them gives, whoever is idle takes.

A socketpair that the master and all workers of all generations share. What lies in it is in the hands of the
kernel: it outlives the worker that gave it, and waits when nobody is idle, like clients in a backlog. Nothing
here waits, and nothing knows what a connection is.
"""

import os
import resource
import select
import socket
from collections.abc import Sequence
from typing import Any

from .lifeline import FDS_MAX, Lifeline, Nonsense, packets

# So many connections go in one message: to one worker, and for one charge of the kernel's for a message. (One
# descriptor is left for a message that is too long and goes as a file.)
BATCH = 64
FDS_PER_MESSAGE = FDS_MAX - 1
# What the master writes to a worker's eventfd: that it give away all its other connections, or only those of
# which it holds a part itself.
NUDGE, NUDGE_HELD = 1, 1 << 32
# As much as the kernel allows (net.core.wmem_max): some 5,000 connections.
_QUEUE_BYTES = 1024 * 1024
# A worker near its limit of descriptors takes nothing: what recvmsg(2) finds no number for is lost.
_SPARE_FDS = 512

Parcel = tuple[dict[str, Any], tuple[int, ...]]
"""A connection's values, and its descriptors: the socket first."""


class Relay:
    """Both ends of the queue."""

    def __init__(self, giving: socket.socket, taking: socket.socket) -> None:
        self._sockets = (giving, taking)
        self._giving, self._taking = Lifeline(giving), Lifeline(taking)
        self._poller = select.poll()
        self._poller.register(taking, select.POLLIN)

    @classmethod
    def create(cls) -> "Relay":
        """An empty queue; raises Unavailable."""
        giving, taking = packets("relay")
        giving.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _QUEUE_BYTES)
        return cls(giving, taking)

    @property
    def fds(self) -> tuple[int, int]:
        """Both ends, to be handed to another process."""
        giving, taking = self._sockets
        return giving.fileno(), taking.fileno()

    def fileno(self) -> int:
        """The end that is readable when there is something to take."""
        return self._taking.fileno()

    def give(self, parcels: Sequence[Parcel]) -> bool:
        """Queues connections as one message; False when there is no room, or more than FDS_PER_MESSAGE
        descriptors. The caller's descriptors stay open."""
        fds = tuple(fd for _, parcel_fds in parcels for fd in parcel_fds)
        values = [[values, len(parcel_fds)] for values, parcel_fds in parcels]
        return len(fds) <= FDS_PER_MESSAGE and self._giving.send("connections", fds, parcels=values)

    def is_waiting(self) -> bool:
        """Whether something lies in the queue."""
        return bool(self._poller.poll(0))

    def has_room(self) -> bool:
        """Whether this process has numbers left for the descriptors of a message: by its lowest free one."""
        try:
            lowest = os.dup(self.fileno())
        except OSError:
            return False
        os.close(lowest)
        # Asked each time: the application, or prlimit(1), may have set another.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return limit <= 0 or lowest < limit - min(_SPARE_FDS, limit // 2)

    def take(self) -> list[Parcel]:
        """The connections of one message, none if there is none now.

        Raises Nonsense for what is no such message; its descriptors are closed.
        """
        message = self._taking.receive()
        if message is None:
            return []
        fds = iter(message.fds)
        try:
            return [
                (dict(values), tuple(next(fds) for _ in range(count)))
                for values, count in message.fields["parcels"]
            ]
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            for fd in message.fds:
                os.close(fd)
            raise Nonsense("what came over the relay are no connections") from error

    def close(self) -> None:
        for end in self._sockets:
            end.close()
