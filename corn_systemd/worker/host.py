"""What a connection needs of its worker, and what of whoever calls the application."""

from typing import IO, TYPE_CHECKING, Protocol

from ..http.lines import Limits
from ..http.request import RequestHead
from ..wsgi.environ import Environ
from .outlet import Outlets
from .pace import Pace

if TYPE_CHECKING:
    from .connection import Connection
    from .front import Front


class Entrance(Protocol):
    """The door by which a connection came in."""

    @property
    def number(self) -> int: ...
    @property
    def base(self) -> Environ: ...


class Callers(Protocol):
    """Whoever calls the application."""

    keeps: bool
    streams: bool
    """Whether the application is called before the body has come."""

    def stream(self, connection: "Connection", head: RequestHead) -> None: ...
    def answer(self, connection: "Connection", head: RequestHead, body: IO[bytes]) -> None: ...
    def resume(self, connection: "Connection") -> None: ...
    def abandon(self, connection: "Connection") -> None: ...


class Host(Outlets, Protocol):
    """A worker, for its connections. A timeout that is off is infinite."""

    limits: Limits
    keepalive: float
    head_timeout: float
    head_pace: Pace
    body_pace: Pace
    body_memory: int
    now: float
    """Since when what is read now is known to have been here."""

    caller: Callers
    front: "Front"

    def queue(self, connection: "Connection") -> None:
        """Gives it a turn without waiting for its socket."""

    def forget(self, connection: "Connection") -> None: ...
