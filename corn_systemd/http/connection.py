"""One connection's requests: bytes in, heads and bodies out; what comes too early waits.

The state is plain values (bytes and numbers), so that a connection with a half-read request can be given
to another process. Never reads, never answers, knows no clock.
"""

from typing import Any

from .framing import Chunks, Length, Piece
from .lines import HeadWalk, Limits
from .request import RequestHead, parse, skim


class RequestParser:
    """Turns the bytes of one connection into requests, one after the other.

    `head(data)` until it gives a head; if that has a body, `body(data)` until its piece has a `rest`; then
    again `head(b"")`, which looks at what lies behind. After a BadRequest nothing more can be read.
    """

    __slots__ = ("_body", "_walk", "buffer", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.buffer: bytes | bytearray = b""
        """Bytes read and not yet understood."""
        self._walk: HeadWalk | None = None
        self._body: Length | Chunks | None = None

    def head(self, data: bytes) -> RequestHead | None:
        """The next head if it is whole with `data`, else None. Raises BadRequest."""
        if self._walk is not None:
            return self._piecemeal(data)
        if self.buffer:
            data = bytes(self.buffer) + data if data else bytes(self.buffer)
            self.buffer = b""
        if data[-4:] == b"\r\n\r\n" and (known := skim(data, self.limits)) is not None:
            if known.length != 0:
                self._begin_body(known)
            return known
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or data[0] == 13:
            return self._piecemeal(data) if data else None
        if end == len(data):
            request = parse(data, self.limits)
        else:
            request = parse(data[:end], self.limits)
            self.buffer = data[end:]
        if request.length != 0:
            self._begin_body(request)
        return request

    def _piecemeal(self, data: bytes) -> RequestHead | None:
        """The same for a head that comes in parts: each line is looked at once."""
        walk = self._walk
        if walk is None:
            # RFC 9112, 2.2: one empty line before a request is forgiven.
            if data == b"\r":
                self.buffer = data
                return None
            self.buffer = buffer = bytearray(data[2:] if data[:2] == b"\r\n" else data)
            walk = self._walk = HeadWalk(self.limits)
        else:
            assert isinstance(self.buffer, bytearray)
            buffer = self.buffer
            buffer += data
        if not walk.advance(buffer):
            return None
        end = walk.line_start
        self._walk = None
        self.buffer = bytes(memoryview(buffer)[end:])
        request = parse(bytes(memoryview(buffer)[:end]), self.limits)
        if request.length != 0:
            self._begin_body(request)
        return request

    @property
    def is_idle(self) -> bool:
        """Whether no byte of a next request has come."""
        return not self.buffer and self._body is None

    def _begin_body(self, request: RequestHead) -> None:
        self._body = Chunks(self.limits) if request.length is None else Length(request.length)

    def body(self, data: bytes) -> Piece:
        """What `data` (and what came with the head) brings of the body. Raises BadRequest."""
        assert self._body is not None
        if self.buffer:
            data = bytes(self.buffer) + data if data else bytes(self.buffer)
            self.buffer = b""
        piece = self._body.feed(data)
        if piece.rest is not None:
            self.buffer = piece.rest
            self._body = None
        return piece

    def framing(self) -> list[Any]:
        """How far the body has come, as values for restore()."""
        body = self._body
        if isinstance(body, Length):
            return [body.remaining]
        assert body is not None
        return body.values()

    def restore(self, framing: list[Any]) -> None:
        """Goes on with a body where another parser of this connection has stopped."""
        self._body = Length(*framing) if len(framing) == 1 else Chunks(self.limits, *framing)
