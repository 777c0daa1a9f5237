"""One request after the other: the slot, the application, the account of what went wrong.

The only place that calls the application, and that tells the scoreboard so. Waits for nobody.
"""

import time
from typing import IO

from ..http.request import RequestHead
from ..http.response import http_date
from ..scoreboard import Slot
from ..systemd import messages
from ..systemd.journal import Journal
from ..wsgi.environ import environ
from ..wsgi.gateway import Exchange, describe
from ..wsgi.target import Application
from .connection import Connection


class Caller:
    """Calls the application for a connection that has a whole request."""

    def __init__(self, application: Application, slot: Slot, journal: Journal) -> None:
        self._application = application
        self._slot = slot
        self._journal = journal
        self.keeps = True
        """Whether clients may ask again on the same connection; not while the worker leaves."""

    def answer(self, connection: Connection, head: RequestHead, body: IO[bytes]) -> None:
        """Has a request answered, or its answer begun."""
        exchange = Exchange(connection, head, head.keep and self.keeps)
        if head.path == "*":
            # RFC 9110, 9.3.7: a question about the server, not about a resource of the application's.
            exchange.begin(_about_the_server, {})
            self._settle(connection, exchange)
            return
        made = environ(connection.base, connection.peer, head, body)
        slot = self._slot
        slot.begin(connection.fd, head.method, head.target)
        exchange.begin(self._application, made)
        slot.end()
        self._settle(connection, exchange)

    def resume(self, connection: Connection) -> None:
        """Goes on with an answer that had to wait for its client or for others."""
        exchange = connection.exchange
        assert exchange is not None
        head = exchange.head
        self._slot.begin(connection.fd, head.method, head.target)
        if exchange.has_begun:
            self._slot.head_left()
        exchange.advance()
        self._slot.end()
        self._settle(connection, exchange)

    def abandon(self, connection: Connection) -> None:
        """Tells the application that nobody is there any more."""
        exchange = connection.exchange
        assert exchange is not None
        head = exchange.head
        self._slot.begin(connection.fd, head.method, head.target)
        self._slot.head_left()
        exchange.abandon()
        self._slot.end()
        self._report(exchange)

    def _settle(self, connection: Connection, exchange: Exchange) -> None:
        if not exchange.is_done:
            connection.suspended(exchange)
            return
        if exchange.failure is not None or exchange.complaint:
            self._report(exchange)
        connection.answered(exchange)

    def _report(self, exchange: Exchange) -> None:
        request = f"{exchange.head.method} {exchange.head.target}"
        if exchange.failure is not None:
            line, trace = describe(exchange.failure)
            self._journal.emit(
                messages.APP_ERROR,
                trace,
                request=request,
                error=line,
                head_left="no" if exchange.has_page else "yes",
            )
            exchange.failure = None
        if exchange.complaint:
            self._journal.emit(messages.APP_MISCOUNTED, request=request, what=exchange.complaint)


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
