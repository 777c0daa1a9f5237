"""A connection that begins with a PROXY header: who the client is, before its first request.

It is under the deadline of a head, and without a header, or with a bad one, it ends without a word: whoever
is there speaks no HTTP with us.
"""

import socket

from ..errors import BadRequest
from ..http.proxy import Endpoint, introduction
from ..wsgi import environ as environs
from .connection import Connection
from .host import Host
from .trust import Trust, unpacked


class ProxiedConnection(Connection):
    """A connection until and after its header; the peer's own address counts where that says so."""

    __slots__ = ("header", "is_introduced")

    def __init__(
        self, host: Host, sock: socket.socket, base: environs.Environ, peer: tuple[str, str], deadline: float
    ) -> None:
        super().__init__(host, sock, base, peer, deadline)
        self.header = b""
        self.is_introduced = False

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
                self._introduce(header.client, header.server)
        except (BadRequest, OSError, ValueError):
            self.leave()
            return
        self.is_introduced = True
        rest, self.header = self.header[header.size :], b""
        if rest:
            super().take(rest)

    def _introduce(self, client: Endpoint, server: Endpoint | None) -> None:
        """Raises OSError or ValueError for what is no address."""
        self.peer = self.client = environs.peer_of(_named(client)) if client[0] else ("", "")
        if server is not None:
            name, port = environs.server_of(_named(server))
            self.base = {**self.base, "SERVER_NAME": name, "SERVER_PORT": port}
        self.examine()


def _named(endpoint: Endpoint) -> tuple[str, int]:
    address, port = endpoint
    if isinstance(address, bytes):
        return unpacked(address), port
    read = Trust(()).read(address)
    if read is None:
        raise ValueError(f"{address!r} is no address")
    return read, port
