"""What of an imported application does not survive a fork: found, and named."""

import os
import stat
import threading


def unfit(known: set[int]) -> list[str]:
    """Sentences about threads and sockets that the application has opened; `known` are corn's own fds."""
    found = [f"thread {thread.name!r} is running" for thread in threading.enumerate()[1:]]
    native = len(os.listdir("/proc/self/task")) - threading.active_count()
    if native > 0:
        found.append(f"{native} thread{'s' if native > 1 else ''} of a library written in C")
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd <= 2 or fd in known:
            continue
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found.append(f"file descriptor {fd} is a socket ({_peer(fd)})")
        except OSError:
            continue
    return found


def _peer(fd: int) -> str:
    import socket

    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            try:
                return f"connected to {sock.getpeername() or 'a socket pair'}"
            except OSError:
                return f"bound to {sock.getsockname() or 'nothing'}"
    except OSError:
        return "of unknown kind"
