"""Requests whose body comes while the application reads it (`http.body_streaming`).

Here alone a worker waits for a client: in the application's own call of read(), and no longer than the
client keeps pace. Where bodies are buffered nothing of this is in use.
"""

import io
import select
import time
from typing import Any

from ..errors import BadRequest
from ..http.request import RequestHead
from ..http.response import CONTINUE
from ..slot import Slot
from ..systemd.journal import Journal
from ..wsgi.environ import Application, Environ
from ..wsgi.gateway import Exchange
from .caller import Caller
from .connection import READ_BYTES, Connection
from .front import Front
from .handover import Handover
from .outbox import FLAGS

# What the application leaves of a body is read for it up to here, as far as it has come; a new connection
# is cheaper than more.
DRAIN_BYTES = 64 * 1024
# An application that reads in lines or small pieces has the socket asked for so many bytes at once.
BUFFER_BYTES = 64 * 1024
# poll(2) counts milliseconds in an int; a longer wait is several.
WAIT_MAX = 3600.0


class BodyLost(OSError):
    """What read() raises where the rest of a body will not come: that is the client's fault.

    `status` is what the client is told if the application does not catch it; 0: nobody is there.
    """

    def __init__(self, reason: str, status: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class BodyStream(io.RawIOBase):
    """The raw end of a `wsgi.input`: reads as much as is there, and waits where nothing is.

    It ends with the body. Whatever has gone wrong once is raised again by each further read.
    """

    def __init__(self, connection: Connection, head: RequestHead) -> None:
        super().__init__()
        self._connection = connection
        self._parser = connection.parser
        self._pace = connection.host.body_pace
        self._waited = 0.0
        self._size = 0
        self._piece: bytes | memoryview = b""
        self.is_whole = False
        """Whether all of it has come."""
        self.lost: tuple[str, int] | None = None
        """What went wrong: not the exception, which would keep the application's frames alive."""
        self.awaits_word = head.expects and not self._parser.buffer
        """Whether the client sends nothing before `100 Continue`, and has not been told."""

    # What BufferedReader calls.

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._piece or self._next()
        count = min(len(buffer), len(piece))
        buffer[:count] = piece[:count]
        self._piece = memoryview(piece)[count:]
        return count

    def readall(self) -> bytes:
        first, self._piece = self._piece, b""
        return b"".join((first, *iter(self._next, b"")))

    # Where the bytes come from.

    def _next(self) -> bytes:
        """More of the body, b"" at its end. Raises BodyLost."""
        if self.lost is not None:
            raise BodyLost(*self.lost)
        data = b""
        while not data and not self.is_whole:
            try:
                data = self._feed(b"" if self._parser.buffer else self._receive())
            except BadRequest as error:
                raise self._lose(error.reason, error.status) from None
        return data

    def _feed(self, data: bytes) -> bytes:
        """The body's share of some bytes. Raises BadRequest."""
        pieces, rest = self._parser.body(data)
        self.is_whole = rest is not None
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._size += len(body)
        return body

    def _receive(self) -> bytes:
        connection = self._connection
        while not connection.is_lost:
            try:
                data = connection.sock.recv(READ_BYTES, FLAGS)
            except BlockingIOError:
                self._wait()
                continue
            except OSError:
                break
            if not data:
                break
            # RFC 9110, 10.1.1: who has begun to send need not be told to.
            self.awaits_word = False
            return data
        raise self._lose("the client went away before its request was whole")

    def _wait(self) -> None:
        """Until something has come; what was answered so far goes on leaving meanwhile."""
        connection = self._connection
        if self.awaits_word:
            self.awaits_word = False
            connection.send((CONTINUE,))
        left = self._pace.allowance(self._size) - self._waited
        poller = select.poll()
        is_sending = connection.outbox is not None
        poller.register(connection.fd, select.POLLIN | (select.POLLOUT if is_sending else 0))
        before = time.monotonic()
        events = poller.poll(max(0.0, min(left, WAIT_MAX)) * 1000)
        self._waited += time.monotonic() - before
        if events:
            if events[0][1] & select.POLLOUT:
                connection.flush()
        elif left <= WAIT_MAX:
            raise self._lose("the request took too long to come", 408)

    def _lose(self, reason: str, status: int = 0) -> BodyLost:
        self.lost = (reason, status)
        return BodyLost(reason, status)

    # What becomes of the connection.

    def settle(self) -> bool:
        """The head of the answer is about to leave: no word comes before it any more.

        Whether, by what is known, another request can follow this one.
        """
        may_follow = self.lost is None and not self.awaits_word
        self.awaits_word = False
        return may_follow

    def drain(self) -> bool:
        """Takes the rest of the body as far as it is here, but not too much; whether that was all."""
        room = DRAIN_BYTES
        try:
            while not self.is_whole and room > 0:
                data = b""
                if not self._parser.buffer:
                    data = self._connection.sock.recv(room, FLAGS)
                    if not data:
                        break
                room -= len(data)
                self._feed(data)
        except (OSError, BadRequest):
            return False
        return self.is_whole


class Streamed(Exchange):
    """An exchange whose request may not be whole."""

    def __init__(self, sink: Connection, head: RequestHead, keep: bool) -> None:
        super().__init__(sink, head, keep)
        raw = getattr(sink.body_file, "raw", None)
        self.stream = raw if isinstance(raw, BodyStream) else None

    def begin(self, application: Application, environ: Environ) -> None:
        super().begin(application, environ)
        self._drain()

    def advance(self) -> None:
        super().advance()
        self._drain()

    def _drain(self) -> None:
        if self.is_done and self.keep and self.stream is not None:
            self.keep = self.stream.drain()

    def _settle(self) -> None:
        if self.stream is not None and not self.stream.settle():
            self.keep = False

    def _head(self, size: int | None) -> bytes:
        self._settle()
        return super()._head(size)

    def _fail(self, error: BaseException) -> None:
        self._settle()
        lost = _lost_by(error)
        if lost is None:
            super()._fail(error)
            return
        self.keep = False
        if lost.status:
            self.excuse(lost.status, lost.reason)
        self._close()


def _lost_by(error: BaseException) -> BodyLost | None:
    """What made the application fail, where that was the client: raised as it is, or as a cause."""
    for one in (error, error.__cause__):
        if isinstance(one, BodyLost):
            return one
    return None


class StreamingCaller(Caller):
    """Calls the application as soon as the head of a request is there."""

    streams = True

    def __init__(
        self, application: Application, slot: Slot, journal: Journal, front: Front, handover: Handover
    ) -> None:
        super().__init__(application, slot, journal, front, handover)
        self._exchange = type("Streamed", (Streamed, self._exchange), {})

    def stream(self, connection: Connection, head: RequestHead) -> None:
        body = io.BufferedReader(BodyStream(connection, head), BUFFER_BYTES)
        connection.body_file = body
        self.answer(connection, head, body)
