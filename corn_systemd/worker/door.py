"""A listening socket as a worker uses it: what all connections that come in by it have in common."""

import socket
import sys
from collections.abc import Sequence
from typing import NamedTuple

from ..settings.kinds import Address
from ..wsgi import environ as environs
from .connection import Connection
from .host import Host
from .preface import ProxiedConnection


class Door(NamedTuple):
    """`base` is the environ of its requests as far as it is the same for all; `number` is the same for all
    workers of an instance."""

    number: int
    listener: socket.socket
    base: environs.Environ
    is_tcp: bool
    speaks_proxy: bool
    kind: tuple[int, int, int]
    """Family, type and protocol of its connections."""

    def accept(self) -> tuple[socket.socket, object]:
        """Like socket.accept(), which takes 2 µs to make enums of the listener's kind for each connection."""
        fd, address = self.listener._accept()  # type: ignore[attr-defined]
        return socket.socket(*self.kind, fd), address

    def welcome(self, host: Host, sock: socket.socket, address: object, deadline: float) -> Connection | None:
        """The connection that was accepted; None for a stranger where each says on whose behalf he comes."""
        front = host.front
        peer = environs.peer_of(address)
        if self.speaks_proxy and front.has_trust and not front.trust.trusts(peer[0]):
            # He could say that he is anybody.
            sock.close()
            return None
        return self.connection(host, sock, peer, deadline)

    def connection(
        self, host: Host, sock: socket.socket, peer: tuple[str, str], deadline: float
    ) -> Connection:
        """A connection that came in by this door, here or at another worker's."""
        front = host.front
        kind = ProxiedConnection if self.speaks_proxy else Connection
        connection = kind(host, sock, self, peer, deadline)
        if front.has_trust or front.has_hosts:
            front.examine(connection)
        return connection


def doors(
    listeners: Sequence[socket.socket], addresses: Sequence[Address], *, multiprocess: bool
) -> dict[int, Door]:
    """The doors by their file descriptors; `addresses` tell which of them speak the PROXY protocol."""
    found = {}
    for number, listener in enumerate(listeners):
        is_tcp = listener.family != socket.AF_UNIX
        if is_tcp:
            # Inherited by accept(2): an answer in several pieces must not wait for the client's ACK.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = environs.server_of(listener.getsockname())
        base = environs.base(server, sys.stderr, multiprocess=multiprocess)
        is_proxied = speaks_proxy(listener, addresses)
        kind = int(listener.family), int(listener.type), listener.proto
        found[listener.fileno()] = Door(number, listener, base, is_tcp, is_proxied, kind)
    return found


def speaks_proxy(sock: socket.socket, addresses: Sequence[Address]) -> bool:
    """Whether a listening socket is one of the addresses with `proxy_protocol`."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        path = name.decode() if isinstance(name, bytes) else name
        return any(one.proxy_protocol and one.path == path for one in addresses)
    there = [one for one in addresses if one.host == name[0]]
    # Port 0 in the settings is whichever was free.
    found = [one for one in there if one.port == name[1]] or [one for one in there if not one.port]
    return any(one.proxy_protocol for one in found)
