"""Sockets that the service manager passes (sd_listen_fds(3)): taken once, named, and matched by address.

Passed descriptors come from the socket unit or, over a restart, from the service's fd store; what tells
them apart is their address, never their order. This module binds nothing.
"""

import os
import socket
from collections.abc import MutableMapping

FIRST_FD = 3


def take(environment: MutableMapping[str, str]) -> list[tuple[str, int]]:
    """(name, descriptor) of everything passed to this very process; the variables are removed.

    Descriptors are made close-on-exec, as sd_listen_fds(3) does. What LISTEN_PID gives to another
    process is not ours.
    """
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "0")
    names = environment.pop("LISTEN_FDNAMES", "")
    environment.pop("LISTEN_PIDFDID", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return []
    fds = range(FIRST_FD, FIRST_FD + int(count))
    labels = names.split(":") if names else []
    for fd in fds:
        os.set_inheritable(fd, False)
    return [(labels[i] if i < len(labels) else "unknown", fd) for i, fd in enumerate(fds)]


def listening(fd: int) -> socket.socket | None:
    """The socket on `fd` if it is a listening stream socket, else None (`fd` stays open)."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        if sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return sock
    except OSError:
        pass
    sock.detach()
    return None
