"""A client's place in its worker: the socket, how long it may keep silent, and what others may know of it.

Neither reads nor sends.
"""

import socket
from typing import Protocol

from ..roster import Roster


class Place(Protocol):
    """What a seat needs of its worker."""

    roster: Roster


class Seat:
    """One socket. `deadline` is an instant of the worker's clock."""

    __slots__ = ("deadline", "door", "fd", "is_held", "is_plain", "is_watched", "roster", "sock")

    def __init__(self, place: Place, sock: socket.socket, door: int, deadline: float) -> None:
        self.roster = place.roster
        self.sock = sock
        self.fd = sock.fileno()
        self.door = door
        """The number of the door by which it came in."""
        self.deadline = deadline
        self.is_watched = False
        """Whether the worker has it in its epoll."""
        self.is_held = False
        self.is_plain = True
        """Whether a part of it is in this process; whether its socket and its door tell all else of it."""

    def enlist(self) -> None:
        """Puts it on the roster as what it is."""
        self.roster.enter(self.fd, self.door, self.is_held)

    def hold(self) -> None:
        """A part of it is here from now on, so that nobody could go on with the socket alone."""
        if not self.is_held:
            self.is_held = True
            self.roster.hold(self.fd)

    def release(self) -> None:
        """It is as it was when it came."""
        if self.is_plain:
            self.is_held = False
            self.roster.release(self.fd, self.door)
