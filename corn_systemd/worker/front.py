"""What is decided before the application is called: whom to believe, and whether to begin at all.

A worker has one. What is off costs nothing: whether there is anything to look at is decided once, at the
start of the worker or of the connection. Calls no application, sends nothing.
"""

import os
import re
import select
import time
from itertools import count
from math import inf

from ..errors import BadRequest
from ..http import forwarded
from ..http.forwarded import PROXY_FIELDS
from ..http.hosts import Hosts
from ..http.request import RequestHead
from ..settings.sections import Http
from .connection import Connection
from .trust import Trust

# A client that has waited so long may have given up; for others it is not worth a system call.
DOUBT = 0.02
# Beyond it (and in the future) the time at which a proxy saw a request is a wrong clock.
WAIT_MAX = 3600.0

is_request_id = re.compile(r"[\x21-\x7e]{1,128}").fullmatch
# nginx: t=${msec} (seconds with a fraction); Heroku: milliseconds; others: microseconds.
_start = re.compile(r"(?:t=)?([0-9]{9,16}(?:\.[0-9]{1,6})?)").fullmatch


def environ_key(name: str) -> str:
    """Where the field `name` stands in an environ."""
    return "HTTP_" + name.upper().replace("-", "_")


class Front:
    """The settings of a worker about proxies, hosts, ids and waiting, ready to be asked."""

    def __init__(self, settings: Http) -> None:
        self.trust = Trust(settings.trusted_proxies)
        self.has_trust = bool(settings.trusted_proxies)
        self._dropped = PROXY_FIELDS.intersection(forwarded.HONOURED).difference(
            map(environ_key, settings.forwarded_fields)
        )
        self._hosts = Hosts(settings.hosts) if settings.hosts else None
        self.has_hosts = self._hosts is not None
        self._id_key = environ_key(settings.request_id_header)
        self.id_field = settings.request_id_header if settings.request_id_answer else ""
        # One draw of random bytes a worker: its requests are told apart by their number. As one call of C it
        # costs 0.1 µs.
        self.next_id = map(f"{os.urandom(8).hex()}-".__add__, map(str, count(1))).__next__
        self.log_slow = settings.log_slow
        self.max_wait = settings.max_wait or inf
        self.patience = min(self.max_wait, DOUBT)
        """A request that has waited longer deserves a look."""
        self._gone = select.POLLERR | select.POLLHUP
        if settings.abort_on_eof:
            self._gone |= select.POLLRDHUP

    # With the connection.

    def examine(self, connection: Connection) -> None:
        """Finds out whether the peer is a proxy that is believed, and what its requests must pass."""
        connection.is_trusted = self.trust.trusts(connection.peer[0])
        connection.is_examined = connection.is_trusted or self.has_hosts

    # With the head.

    def admit(self, connection: Connection, head: RequestHead) -> None:
        """Makes of the fields what the application may see. Raises BadRequest for what it may not."""
        fields = head.fields
        if not connection.is_trusted:
            for name in PROXY_FIELDS.intersection(fields):
                del fields[name]
        else:
            self._believe(connection, fields)
        if self._hosts is not None:
            host = fields.get("HTTP_HOST")
            if host is None:
                raise BadRequest(400, "no Host")
            if not self._hosts[host]:
                raise BadRequest(421, "this server does not answer for that host")

    def _believe(self, connection: Connection, fields: dict[str, str]) -> None:
        for name in self._dropped:
            fields.pop(name, None)
        connection.client = connection.peer
        if not PROXY_FIELDS.isdisjoint(fields):
            told = forwarded.told(fields, self.trust)
            forwarded.apply(told, fields)
            connection.client = told.client or connection.peer

    # With the whole request.

    def request_id(self, fields: dict[str, str]) -> str:
        """What a trusted proxy calls the request; ours if it has no name for it that could be printed."""
        given = fields.get(self._id_key, "")
        return given if is_request_id(given) else self.next_id()

    def waited(self, fields: dict[str, str], wait: float) -> float:
        """Seconds from when a trusted proxy saw the request, or `wait`."""
        match = _start(fields.get("HTTP_X_REQUEST_START", ""))
        if match is None:
            return wait
        at = float(match[1])
        at /= 1.0 if at < 1e11 else 1e3 if at < 1e14 else 1e6
        told = time.time() - at
        return told if wait < told < WAIT_MAX else wait

    def is_gone(self, connection: Connection) -> bool:
        """Whether nobody is there to take an answer: one system call, nothing is read."""
        poller = select.poll()
        poller.register(connection.fd, self._gone)
        return bool(poller.poll(0))
