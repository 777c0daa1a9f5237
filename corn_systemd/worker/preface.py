"""A connection that begins with a PROXY header: who the client is, before its first request.

It is under the deadline of a head, and without a header, or with a bad one, it ends without a word: whoever
is there speaks no HTTP with us.
"""

import json
import socket

from ..errors import BadRequest
from ..http.proxy import Endpoint, introduction
from ..wsgi import environ as environs
from .connection import Connection
from .host import Entrance, Host
from .trust import Trust, unpacked

Peer = tuple[str, str]


class ProxiedConnection(Connection):
    """A connection until and after its header; the peer's own address counts where that says so."""

    __slots__ = ("header", "introduction", "is_introduced")

    def __init__(self, host: Host, sock: socket.socket, door: Entrance, peer: Peer, deadline: float) -> None:
        super().__init__(host, sock, door, peer, deadline)
        self.header = b""
        self.is_introduced = self.is_plain = False
        self.is_held = True
        self.introduction: tuple[Peer, Peer | None] | None = None
        """(client, server) of a header that names them."""

    def take(self, data: bytes) -> None:
        if self.is_introduced:
            super().take(data)
            return
        self.header += data
        try:
            header = introduction(self.header)
            if header is None:
                return
            if header.client is not None:
                self.introduction = _introduction(header.client, header.server)
        except (BadRequest, OSError, ValueError):
            self.leave()
            return
        self._enter()
        self.enlist()
        rest, self.header = self.header[header.size :], b""
        if rest:
            super().take(rest)
        else:
            self.release()

    def enlist(self) -> None:
        if self.is_introduced:
            self.is_plain = self.roster.introduce(self.fd, json.dumps(self.introduction))
            self.is_held = self.is_held or not self.is_plain
        super().enlist()

    def _enter(self) -> None:
        self.is_introduced = self.is_plain = True
        if self.introduction is None:
            return
        self.peer = self.client = self.introduction[0]
        server = self.introduction[1]
        if server is not None:
            self.base = {**self.base, "SERVER_NAME": server[0], "SERVER_PORT": server[1]}
        self.host.front.examine(self)

    def restore(self, header: str | None, introduction: list[list[str]] | None) -> None:
        """Goes on where another worker has stopped: behind the header, or before its end."""
        if header is not None:
            self.header = header.encode("latin-1")
            return
        if introduction is not None:
            client, server = introduction
            self.introduction = (client[0], client[1]), ((server[0], server[1]) if server else None)
        self._enter()


def _introduction(client: Endpoint, server: Endpoint | None) -> tuple[Peer, Peer | None]:
    """Raises OSError or ValueError for what is no address."""
    return (
        environs.peer_of(_named(client)) if client[0] else ("", ""),
        environs.server_of(_named(server)) if server is not None else None,
    )


def _named(endpoint: Endpoint) -> tuple[str, int]:
    address, port = endpoint
    if isinstance(address, bytes):
        return unpacked(address), port
    read = Trust(()).read(address)
    if read is None:
        raise ValueError(f"{address!r} is no address")
    return read, port
