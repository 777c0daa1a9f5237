"""Sockets that the service manager passes (sd_listen_fds(3)): taken once, named, and matched by address.

Passed descriptors come from the socket unit or, over a restart, from the service's fd store; what tells
them apart is their address, never their order. This module binds nothing.
"""

import os
import socket
from collections.abc import MutableMapping
from typing import NamedTuple

FIRST_FD = 3
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)


class Passed(NamedTuple):
    """(name, descriptor) of all that was passed, and how many descriptors were promised and are not open."""

    fds: list[tuple[str, int]]
    missing: int = 0


def take(environment: MutableMapping[str, str]) -> Passed:
    """Everything passed to this very process; the variables are removed.

    Descriptors are made close-on-exec, as sd_listen_fds(3) does. What LISTEN_PID gives to another
    process is not ours.
    """
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "0")
    names = environment.pop("LISTEN_FDNAMES", "")
    environment.pop("LISTEN_PIDFDID", None)
    if pid != str(os.getpid()) or not count.isdecimal() or len(count) > 9:
        return Passed([])
    labels = names.split(":") if names else []
    found = []
    # Beyond the limit no descriptor can be open, whatever was promised.
    for index in range(min(int(count), os.sysconf("SC_OPEN_MAX"))):
        try:
            os.set_inheritable(FIRST_FD + index, False)
        except OSError:
            continue
        found.append((labels[index] if index < len(labels) else "unknown", FIRST_FD + index))
    return Passed(found, int(count) - len(found))


def listening(fd: int) -> socket.socket | None:
    """The socket on `fd` if it is a listening stream socket, else None (`fd` stays open)."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        is_stream = sock.family in _FAMILIES and sock.type == socket.SOCK_STREAM
        if is_stream and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return sock
    except OSError:
        pass
    sock.detach()
    return None
