"""What of an application does not survive a fork: found, and named."""

import os
import stat
import threading
import time
from collections.abc import Iterator

# A thread ends within microseconds of its last line.
_LAST_BREATH = 1.0


def unfit(known: set[int]) -> list[str]:
    """Sentences about threads and sockets that the application has opened when it was imported; `known` are
    corn's own fds."""
    return [*_threads(), *_sockets(known, is_strict=False)]


def unfit_to_be_mold(known: set[int]) -> list[str]:
    """The same of one that has served requests: what nobody could go on with who is forked from it. That is
    not said of sockets for datagrams, which do not mix; but of processes, which would be the children of
    none of them."""
    deadline = time.monotonic() + _LAST_BREATH
    while (threads := _threads()) and time.monotonic() < deadline:
        # One that has just been told to end is still there for a moment.
        time.sleep(0.001)
    return [*threads, *_sockets(known, is_strict=True), *_children()]


def _threads() -> list[str]:
    tasks = os.listdir("/proc/self/task")
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    # One that was not started by `threading` stays on its list when it has ended.
    found = [f"thread {thread.name!r} is running" for thread in others if str(thread.native_id) in tasks]
    native = len(tasks) - len(found) - 1
    if native > 0:
        found.append(f"{native} thread{'s' if native > 1 else ''} of a library written in C")
    return found


def _sockets(known: set[int], *, is_strict: bool) -> Iterator[str]:
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd <= 2 or fd in known:
            continue
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                if not (is_strict and _is_for_datagrams(fd)):
                    yield f"file descriptor {fd} is a socket ({_peer(fd)})"
            elif is_strict and "[eventpoll]" in os.readlink(f"/proc/self/fd/{fd}"):
                yield f"file descriptor {fd} is an epoll, as of an event loop"
        except OSError:
            continue


def _children() -> Iterator[str]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as children:
            pids = children.read().split()
    except OSError:
        return  # a kernel that does not tell
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                name, _, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if rest.split()[0] != "Z":
            yield f"process {pid} ({name}) is running"


def _is_for_datagrams(fd: int) -> bool:
    import socket

    with socket.socket(fileno=os.dup(fd)) as sock:
        return sock.type == socket.SOCK_DGRAM


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
