"""One client's connection: reading requests, having them answered, and what it waits for meanwhile.

It never waits itself. Its state is values (bytes, numbers, a phase) beside one socket, so that it can be
given to another worker between two requests, in the middle of one, or with an answer unsent. It calls no
application: a whole request goes to its Host.
"""

import io
import socket
from typing import IO

from ..errors import BadRequest
from ..http import pages, response
from ..http.connection import RequestParser
from ..http.forwarded import PROXY_FIELDS
from ..http.request import RequestHead
from ..wsgi.environ import Environ, unchunk
from ..wsgi.gateway import Exchange
from .host import Entrance, Host
from .outbox import FLAGS
from .outlet import Outlet
from .pace import is_too_slow
from .spool import Body

# One read takes a browser's head with room to spare, and 64 KiB of a body behind it. Not more: buffers of
# 128 KiB and above are mapped and unmapped each time (mallopt(3), M_MMAP_THRESHOLD): 83 µs instead of 32.
READ_BYTES = 80 * 1024
# How long a client may go on sending what nobody will read, so that it finds our answer (RFC 9112, 9.6).
LINGER = 2.0

# What a connection waits for: a head (or for nothing: it is idle), a body, its turn to go on with an answer,
# room for the rest of an answer, the client's end of a connection that we have ended.
HEAD, BODY, ANSWERING, SENDING, LINGERING, CLOSED = range(6)

_has_none = PROXY_FIELDS.isdisjoint


class Connection(Outlet):
    """One client. `readable`, `writable`, `turn` and `overdue` are what happens to it."""

    __slots__ = (
        "arrived_at",
        "base",
        "body",
        "body_file",
        "client",
        "exchange",
        "has_begun",
        "head",
        "host",
        "is_examined",
        "is_queued",
        "is_trusted",
        "keep",
        "parser",
        "peer",
        "phase",
        "since",
    )

    def __init__(
        self, host: Host, sock: socket.socket, door: Entrance, peer: tuple[str, str], deadline: float
    ) -> None:
        super().__init__(host, sock, door.number, deadline)
        self.host = host
        self.base: Environ = door.base
        self.peer = self.client = peer
        """Who is at the other end, and for whom he speaks, where he is trusted to."""
        self.is_trusted = self.is_examined = False
        """Whether the peer is a proxy that is believed; whether each of its requests must be looked at."""
        self.arrived_at = host.now
        self.parser = RequestParser(host.limits)
        self.phase = HEAD
        self.has_begun = self.is_queued = False
        self.keep = True
        self.since = 0.0
        self.exchange: Exchange | None = None
        self.head: RequestHead | None = None
        self.body: Body | None = None
        self.body_file: IO[bytes] | None = None

    # A request comes.

    def readable(self) -> None:
        """One read, and at most one request."""
        phase = self.phase
        if self.is_queued or (phase > BODY and phase != LINGERING):
            return
        try:
            data = self.sock.recv(READ_BYTES, FLAGS)
        except BlockingIOError:
            return
        except OSError:
            self.lose()
            return
        self.arrived_at = self.host.now
        if phase == LINGERING:
            if not data:
                self.close()
        elif not data:
            # Half-closed before its request was whole, or simply done.
            self._shut(False)
        elif phase == HEAD:
            self.take(data)
        else:
            self._take_body(data)

    def take(self, data: bytes) -> None:
        """Looks for a request in what was read."""
        try:
            head = self.parser.head(data)
        except BadRequest as error:
            self.refuse(error)
            return
        if head is None:
            if not self.has_begun and self.parser.buffer:
                self.has_begun = True
                self.hold()
                self.host.head_pace.start(self)
            return
        self.has_begun = False
        if self.is_examined or not _has_none(head.fields):
            try:
                self.host.front.admit(self, head)
            except BadRequest as error:
                self.head = head
                self.refuse(error)
                return
        if head.length == 0:
            self.host.caller.answer(self, head, io.BytesIO())
            return
        if self.host.caller.streams:
            self.host.caller.stream(self, head)
            return
        self.head = head
        self.phase = BODY
        self.hold()
        self.host.body_pace.start(self)
        self.body = Body(self.host.body_memory, self.host.spools)
        if head.expects and not self.parser.buffer:
            self.send((response.CONTINUE,))
        self._take_body(b"")

    def _take_body(self, data: bytes) -> None:
        body, head = self.body, self.head
        assert body is not None and head is not None
        try:
            piece = self.parser.body(data)
            body.add(piece.body)
            if piece.rest is None:
                return
            self.body_file = body.finish()
        except BadRequest as error:
            self.refuse(error)
            return
        except OSError as error:
            self.host.spool_failed(error)
            self.refuse(BadRequest(503, "there is no room for the body"))
            return
        self.body = self.head = None
        if head.length is None:
            unchunk(head.fields, body.size)
        self.host.caller.answer(self, head, self.body_file)

    def refuse(self, error: BadRequest, lines: str = "") -> None:
        """Answers without the application, for the last time on this connection."""
        accept = self.head.fields.get("HTTP_ACCEPT", "") if self.head else ""
        is_head = self.head is not None and self.head.method == "HEAD"
        self._drop_body()
        self.keep = False
        self.phase = LINGERING
        self.hold()
        lines += "Connection: close\r\n"
        self.send((pages.page(error.status, error.reason, accept, self.date_line(), lines, is_head=is_head),))
        self._sent()

    # An answer goes.

    def answered(self, exchange: Exchange) -> None:
        """The application has said all of its answer, or as much as it will."""
        self.exchange = None
        if self.body_file is not None:
            self._drop_body()
        self.keep = exchange.keep
        self.phase = SENDING
        if self.outbox is None:
            self._sent()
        else:
            self.outbox.relieve()

    def suspended(self, exchange: Exchange) -> None:
        """The application has more to say, later."""
        self.exchange = exchange
        self.phase = ANSWERING
        if self.is_lost:
            self.lose()
        elif self.outbox is None:
            self.deadline = float("inf")
            self.host.queue(self)

    def writable(self) -> None:
        """The socket has room again."""
        self.flush()
        if self.is_lost:
            self.lose()
        elif self.exchange is not None:
            if not self.is_full:
                self.host.caller.resume(self)
        elif self.outbox is None:
            self._sent()

    def turn(self) -> None:
        """Its turn has come: a request that was read with another, or more of an answer."""
        self.is_queued = False
        if self.phase == ANSWERING:
            self.host.caller.resume(self)
        elif self.phase == HEAD:
            self.take(b"")

    def _sent(self) -> None:
        """Goes on, once nothing is held."""
        if self.outbox is not None:
            return
        if self.waits_for_room:
            self.waits_for_room = False
            self.host.watch(self, False)
        if self.is_lost:
            self.close()
        elif self.phase == BODY:
            # It was `100 Continue`.
            self.host.body_pace.start(self)
        elif self.keep:
            self.phase = HEAD
            self.deadline = self.host.clock + self.host.keepalive
            if self.parser.buffer:
                self.hold()
                self.host.queue(self)
            elif self.is_held:
                self.release()
        else:
            self._shut(self.phase == LINGERING or not self.parser.is_idle)

    # The end.

    def overdue(self) -> None:
        """The deadline has passed."""
        if self.outbox is not None or self.phase >= ANSWERING:
            self.lose()
        elif self.phase != BODY and not self.has_begun:
            self.leave()
        elif is_too_slow(self):
            self.refuse(BadRequest(408, "the request took too long to come"))

    def leave(self) -> None:
        """Ends a connection on which nothing is going on."""
        self._shut(False)

    def _shut(self, linger: bool) -> None:
        """Says that nothing more will come, and closes; where the client may be sending, after a while.

        Without shutdown(2) a duplicate of the socket in another process would keep the client waiting; with
        unread bytes close(2) sends a reset, which may overtake our answer.
        """
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            linger = False
        if linger:
            self.hold()
            self.phase = LINGERING
            self.parser.buffer = b""
            self.deadline = self.host.clock + LINGER
        else:
            self.close()

    def lose(self) -> None:
        """The client has gone, or is given up."""
        self.gone()
        if self.exchange is not None:
            self.host.caller.abandon(self)
            self.exchange = None
        self.close()

    def close(self) -> None:
        """Lets go of the socket and of all that was held for it."""
        if self.phase == CLOSED:
            return
        self.phase = CLOSED
        self._drop_body()
        self._drop_outbox()
        self.host.forget(self)
        self.sock.close()

    def _drop_body(self) -> None:
        for held in (self.body, self.body_file):
            if held is not None:
                held.close()
        self.head = self.body = self.body_file = None
