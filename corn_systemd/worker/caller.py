"""One request after the other: the slot, the application, the account of what went wrong.

The only place that calls the application, and that tells the scoreboard so. Waits for nobody.
"""

import os
import time
from collections.abc import Callable
from typing import IO, Any

from ..errors import BadRequest
from ..http.request import RequestHead
from ..http.response import http_date
from ..roster import HAS_TAKEN
from ..slot import Slot
from ..systemd import messages
from ..systemd.journal import Journal
from ..wsgi.environ import environ
from ..wsgi.failure import describe, exceeded_limit
from ..wsgi.gateway import Exchange
from ..wsgi.target import Application
from .account import Account
from .connection import Connection
from .front import Front
from .handover import Handover

# Requests that came too late are told of at most so often.
STALE_EVERY = 10.0


class Known(Exchange):
    """An exchange that can be found again in the journal."""

    request_id = ""
    wait = 0.0


class Marked(Known):
    """One whose answer tells its client the id."""

    field = ""

    def start_response(self, status: Any, headers: Any, exc_info: Any = None) -> Callable[[bytes], None]:
        write = super().start_response(status, headers, exc_info)
        lower = self.field.lower()
        if not any(name.lower() == lower for name, _ in headers):
            self.text += self.own_fields()
        return write

    def own_fields(self) -> str:
        return f"{self.field}: {self.request_id}\r\n"


class Caller:
    """Calls the application for a connection that has a whole request."""

    streams = False

    def __init__(
        self, application: Application, slot: Slot, journal: Journal, front: Front, handover: Handover
    ) -> None:
        self._application = application
        self._handover = handover
        self._guard = handover.guard
        self._slot = slot
        self._journal = journal
        self._front = front
        self._patience = front.patience
        self._next_id = front.next_id
        self._exchange: type[Known] = Known
        if front.id_field:
            self._exchange = type("Marked", (Marked,), {"field": front.id_field})
        self._account = Account(front.log_slow, slot, journal) if front.log_slow else None
        self._stale = 0
        self._stale_told_at = -STALE_EVERY
        self.keeps = True
        """Whether clients may ask again on the same connection; not while the worker leaves."""

    def answer(self, connection: Connection, head: RequestHead, body: IO[bytes]) -> None:
        """Has a request answered, or its answer begun; or not, where nobody waits for it any more."""
        now = time.monotonic()
        wait = now - connection.arrived_at
        if connection.is_trusted:
            request_id = self._front.request_id(head.fields)
            wait = self._front.waited(head.fields, wait)
        else:
            request_id = self._next_id()
        if wait > self._patience and self._is_in_vain(connection, head, request_id, wait):
            return
        exchange = self._exchange(connection, head, head.keep and self.keeps)
        exchange.request_id = request_id
        exchange.wait = wait
        if head.path == "*":
            # RFC 9110, 9.3.7: a question about the server, not about a resource of the application's.
            exchange.begin(_about_the_server, {})
            self._settle(connection, exchange)
            return
        made = environ(connection.base, connection.client, head, body, request_id, wait)
        slot, guard, account = self._slot, self._guard, self._account
        if account is not None:
            account.begin()
        guard.out_fd = connection.fd
        slot.begin(connection.fd, request_id, head.method, head.target, now, wait)
        exchange.begin(self._application, made)
        slot.end(time.monotonic(), exchange.sent)
        if account is not None:
            account.end(exchange, connection.client[0], request_id, wait)
        guard.out_fd = -1
        if guard.is_contested or guard.marks[HAS_TAKEN]:
            self._handover.come_back()
        self._settle(connection, exchange)

    def _is_in_vain(self, connection: Connection, head: RequestHead, request_id: str, wait: float) -> bool:
        """Ends a request whose client has gone, or that has waited for too long."""
        if self._front.is_gone(connection):
            connection.lose()
            return True
        if wait <= self._front.max_wait:
            return False
        connection.head = head
        lines = "Retry-After: 1\r\n"
        if self._front.id_field:
            lines += f"{self._front.id_field}: {request_id}\r\n"
        connection.refuse(BadRequest(503, "the server is busy"), lines)
        self._stale += 1
        now = time.monotonic()
        if now - self._stale_told_at >= STALE_EVERY:
            self._journal.emit(
                messages.REQUESTS_STALE,
                count=self._stale,
                request=f"{head.method} {head.target}",
                request_id=request_id,
                wait_us=int(wait * 1e6),
            )
            self._stale, self._stale_told_at = 0, now
        return True

    def stream(self, connection: Connection, head: RequestHead) -> None:
        raise NotImplementedError

    def resume(self, connection: Connection) -> None:
        """Goes on with an answer that had to wait for its client or for others."""
        exchange = connection.exchange
        assert isinstance(exchange, Known)
        self._go_on(connection, exchange, exchange.advance)
        self._settle(connection, exchange)

    def abandon(self, connection: Connection) -> None:
        """Tells the application that nobody is there any more."""
        exchange = connection.exchange
        assert isinstance(exchange, Known)
        self._go_on(connection, exchange, exchange.abandon)
        self._report(exchange)

    def _go_on(self, connection: Connection, exchange: Known, call: Callable[[], None]) -> None:
        """Calls the application again for an answer that it has begun."""
        head = exchange.head
        self._guard.out_fd = connection.fd
        now = time.monotonic()
        self._slot.begin(connection.fd, exchange.request_id, head.method, head.target, now)
        if exchange.has_begun:
            self._slot.head_left()
        sent = exchange.sent
        call()
        self._slot.end(time.monotonic(), exchange.sent - sent)
        self._guard.out_fd = -1
        self._handover.come_back()

    def _settle(self, connection: Connection, exchange: Known) -> None:
        if not exchange.is_done:
            connection.suspended(exchange)
            return
        if exchange.failure is not None or exchange.complaint:
            self._report(exchange)
        connection.answered(exchange)

    def _report(self, exchange: Known) -> None:
        about: dict[str, Any] = {
            "request": f"{exchange.head.method} {exchange.head.target}",
            "request_id": exchange.request_id,
            "wait_us": int(exchange.wait * 1e6),
        }
        if exchange.failure is not None:
            failure, exchange.failure = exchange.failure, None
            line, trace = describe(failure)
            head_left = "no" if exchange.page else "yes"
            exceeded = exceeded_limit(failure)
            if exceeded is None:
                self._journal.emit(messages.APP_ERROR, trace, error=line, head_left=head_left, **about)
            else:
                self._journal.emit(
                    messages.REQUEST_INTERRUPTED,
                    trace,
                    limit=exceeded.limit,
                    allowed=f"{exceeded.allowed:g}",
                    spent=f"{exceeded.spent:.1f}",
                    slot=self._slot.number + 1,
                    pid=os.getpid(),
                    head_left=head_left,
                    answer="504" if exchange.page else "a part of its answer",
                    **about,
                )
        if exchange.complaint:
            self._journal.emit(messages.APP_MISCOUNTED, what=exchange.complaint, **about)


def _about_the_server(_environ: object, start_response: object) -> list[bytes]:
    assert callable(start_response)
    start_response("204 No Content", [])
    return []


class DateLine:
    """The line that says when an answer was made, written once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = ""

    def text(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._line = f"Date: {http_date(second)}\r\n"
        return self._line
