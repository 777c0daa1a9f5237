"""Where an answer goes: what the gateway needs of whoever holds the socket."""

import io
from collections.abc import Sequence
from typing import Protocol

# So many pieces, one behind the other, show how quickly they come.
BURST = 8


class Sink(Protocol):
    """Where an answer goes. It never raises and never waits: what cannot leave now it keeps."""

    is_full: bool
    """Nothing more should be given until it is false; true for good when the client has gone."""

    def head_leaves(self) -> None:
        """The next bytes are the first of this answer."""

    def send(self, pieces: Sequence[bytes], more: bool = False, /) -> None:
        """`more`: something follows at once, be it the end of the connection."""

    def pace(self) -> None:
        """The first piece of an answer has been sent, or BURST more: they need not be a packet each if they
        come quickly."""

    def hurry(self) -> None:
        """No more pieces come; what waits to fill a packet leaves."""

    def measure(self, file: io.FileIO) -> int | None:
        """How many bytes a regular file has; None for what is none."""

    def send_file(self, before: bytes, file: io.FileIO, position: int, count: int) -> int:
        """Sends so much of a file behind `before`, and tells how much there was."""

    def date_line(self) -> str: ...
