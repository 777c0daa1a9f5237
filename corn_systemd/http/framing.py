"""Where the body of a request ends: lengths and chunks (RFC 9112, 6 and 7).

Takes bytes as they come, gives back the body's bytes and, at the end, what is behind them. Never reads and
never gathers: it holds at most one unfinished line.
"""

from typing import NamedTuple

from ..errors import BadRequest
from . import grammar
from .lines import Limits, field_line

# A chunk's size and its extensions. Nobody is known to send extensions; the longest sizes have 15 digits.
CHUNK_LINE_MAX = 256


class Piece(NamedTuple):
    """What some bytes meant: the body's share of them, and, when the body is over, what lies behind."""

    body: list[bytes]
    rest: bytes | None


class Length:
    """A body of so many bytes."""

    __slots__ = ("remaining",)

    def __init__(self, remaining: int) -> None:
        self.remaining = remaining

    def feed(self, data: bytes) -> Piece:
        size = len(data)
        if size < self.remaining:
            self.remaining -= size
            return Piece([data] if data else [], None)
        end, self.remaining = self.remaining, 0
        if size == end:
            return Piece([data], b"")
        return Piece([data[:end]], data[end:])


# What a chunked body waits for.
SIZE, DATA, DATA_END, TRAILER = range(4)


class Chunks:
    """A body in chunks; extensions and trailers are checked and dropped."""

    __slots__ = ("held", "limits", "remaining", "state", "total", "trailer_count", "trailer_size")

    def __init__(self, limits: Limits, state: int = SIZE, held: str = "", *numbers: int) -> None:
        """At the first chunk, or where the values() of another have come to."""
        self.limits = limits
        self.state = state
        self.held = held.encode("latin-1")
        self.remaining, self.total, self.trailer_size, self.trailer_count = numbers or (0, 0, 0, 0)

    def values(self) -> list[int | str]:
        """What the next one needs besides the limits."""
        numbers = (self.remaining, self.total, self.trailer_size, self.trailer_count)
        return [self.state, self.held.decode("latin-1"), *numbers]

    def feed(self, data: bytes) -> Piece:
        """Raises BadRequest; 413 as soon as a chunk is announced that is too much."""
        body: list[bytes] = []
        if self.held:
            data, self.held = self.held + data, b""
        at, size = 0, len(data)
        while True:
            if self.state == DATA:
                end = at + self.remaining
                if end > size:
                    if at < size:
                        body.append(data[at:])
                        self.remaining = end - size
                    return Piece(body, None)
                body.append(data[at:end])
                at, self.state = end, DATA_END
            if self.state == DATA_END:
                seen = data[at : at + 2]
                if seen != b"\r\n":
                    if seen and seen != b"\r":
                        raise BadRequest(400, "a chunk is longer than its size")
                    self.held = seen
                    return Piece(body, None)
                at, self.state = at + 2, SIZE
            end = data.find(b"\n", at)
            if end < 0:
                self.held = data[at:]
                self._bound(len(self.held))
                return Piece(body, None)
            line = data[at : end + 1]
            self._bound(len(line) - 1)
            at = end + 1
            if line[-2:] != b"\r\n":
                raise BadRequest(400, "bare LF")
            if self.state == SIZE:
                self._size(line[:-2].decode("latin-1"))
            elif line == b"\r\n":
                return Piece(body, data[at:])
            else:
                self._trailer(line)

    def _bound(self, seen: int) -> None:
        """`seen` bytes of a line without its LF."""
        if self.state == SIZE:
            if seen > CHUNK_LINE_MAX + 1:
                raise BadRequest(400, "a chunk's size line is too long")
            return
        line, room = self.limits.line_max + 1, self.limits.head_max - self.trailer_size
        # The bound that is met first, byte by byte: a line that comes at once is refused for the same reason.
        if seen > min(line, room):
            what = "a trailer field is" if line <= room else "the trailers are"
            raise BadRequest(431, f"{what} too long")

    def _size(self, line: str) -> None:
        match = grammar.chunk_line(line)
        if match is None:
            raise BadRequest(400, "bad chunk size")
        size = int(match[1], 16)
        if size == 0:
            self.state = TRAILER
            return
        self.total += size
        if self.total > self.limits.body_max:
            raise BadRequest(413, "the body is too long")
        self.remaining, self.state = size, DATA

    def _trailer(self, line: bytes) -> None:
        self.trailer_size += len(line)
        self.trailer_count += 1
        field_line(line[:-2].decode("latin-1"))
        if self.trailer_count > self.limits.fields_max:
            raise BadRequest(431, "too many trailer fields")
