"""A connection as values and descriptors, so that another worker can go on where this one stopped.

Packs what Connection, RequestParser, Body and Outbox hold; opens it again on the other side, which may run
another generation of the application, or another version of Python. Sends nothing itself.
"""

import os
import socket
from collections.abc import Sequence
from typing import Any

from ..http.request import RequestHead
from ..relay import Parcel
from ..wsgi.environ import peer_of
from .connection import ANSWERING, BODY, CLOSED, HEAD, Connection
from .door import Door
from .host import Host
from .outbox import Outbox
from .preface import ProxiedConnection
from .spool import Body


def is_portable(connection: Connection) -> bool:
    """Whether nothing of it is tied to this process, as an answer is that the application still gives."""
    return connection.phase not in (ANSWERING, CLOSED) and connection.exchange is None


def pack(connection: Connection, spare: list[int]) -> Parcel:
    """The connection's values, and its descriptors with the socket first.

    What most connections have in common is left out. Bytes that are not few go as files in memory: their
    descriptors are added to `spare`, to be closed when the parcel has gone. Raises OSError when there is
    none, or no memory.
    """
    parser, fds = connection.parser, [connection.fd]
    values: dict[str, Any] = {"door": connection.door, "left": connection.deadline - connection.host.clock}
    if isinstance(connection, ProxiedConnection):
        values["preface"] = None if connection.is_introduced else connection.header.decode("latin-1")
        values["introduction"] = connection.introduction
    if connection.phase != HEAD:
        values["phase"] = connection.phase
        values["keep"] = connection.keep
    if parser.buffer:
        values["buffer"] = parser.buffer.decode("latin-1")
        values["has_begun"] = connection.has_begun
    if parser.buffer or connection.phase == BODY:
        values["arrived_at"] = connection.arrived_at
        values["age"] = connection.host.clock - connection.since
    if connection.phase == BODY:
        assert connection.head is not None and connection.body is not None
        values["head"] = connection.head
        values["client"] = connection.client
        values["framing"] = parser.framing()
        values["size"] = connection.body.size
        fds += connection.body.pack(spare)
    if connection.outbox is not None:
        outbox, outbox_fds = connection.outbox.pack(spare)
        values["outbox"] = outbox
        fds += outbox_fds
    return values, tuple(fds)


def unpack(host: Host, doors: Sequence[Door], parcel: Parcel) -> Connection | None:
    """The connection, which owns the parcel's descriptors; None where there is nobody at its other end.

    Raises KeyError, TypeError, ValueError, IndexError or OSError for what no worker has packed. The
    descriptors are closed in both cases.
    """
    values, fds = parcel
    left = list(fds)
    connection = None
    try:
        sock = socket.socket(fileno=fds[0])
        del left[0]
        if sock.gettimeout() is not None:
            # The application has called socket.setdefaulttimeout().
            sock.settimeout(None)
        try:
            peer = peer_of(sock.getpeername())
        except OSError:
            sock.close()
            return None
        door = doors[values["door"]]
        connection = door.connection(host, sock, peer, host.clock + values.get("left", host.keepalive))
        _restore(connection, values, left)
    except BaseException:
        if connection is not None:
            connection.gone()
            if connection.body is not None:
                connection.body.close()
            connection.sock.close()
        raise
    finally:
        for fd in left:
            os.close(fd)
    return connection


def _restore(connection: Connection, values: dict[str, Any], fds: list[int]) -> None:
    """Takes from `fds` what the connection owns from now on."""
    parser, host = connection.parser, connection.host
    if isinstance(connection, ProxiedConnection) and "introduction" in values:
        connection.restore(values.get("preface"), values["introduction"])
    connection.phase = values.get("phase", HEAD)
    connection.keep = values.get("keep", True)
    connection.has_begun = values.get("has_begun", False)
    connection.since = host.clock - values.get("age", 0.0)
    connection.arrived_at = values.get("arrived_at", connection.arrived_at)
    parser.buffer = values.get("buffer", "").encode("latin-1")
    if connection.phase == BODY:
        connection.head = RequestHead(*values["head"])
        address, port = values["client"]
        connection.client = address, port
        parser.restore(values["framing"])
        connection.body = Body(host.body_memory, host.spools)
        connection.body.unpack(values["size"], fds)
    if "outbox" in values:
        connection.outbox = Outbox(host.spools)
        connection.outbox.unpack(values["outbox"], fds)
        connection.waits_for_room = True
        os.set_blocking(connection.fd, False)
    is_partly_here = connection.phase != HEAD or bool(parser.buffer) or connection.outbox is not None
    connection.is_held = is_partly_here or not connection.is_plain
