"""Answers in the place of a worker that can not give them any more.

A connection ends with such an answer. What its client still sends is read for a moment, as close(2) with
unread bytes sends a reset, which may overtake the answer. Nothing here waits.
"""

import select
import socket
import time
from collections import deque
from math import inf

from ..http import pages
from ..http.response import http_date

LINGER = 1.0
# So many at most; the oldest goes when one more comes.
_MOST = 256
_PART = 64 * 1024
# The master waits for nobody, but at its own end a moment: what is unread then would be a reset, by which
# Linux loses nothing, but the clients of other systems do.
_AT_THE_END = 0.2


class Farewells:
    """The connections that end here."""

    def __init__(self) -> None:
        self._ending: deque[tuple[float, socket.socket]] = deque()

    def say(self, client: int, status: int, detail: str, now: float, *, lines: str = "", method: str) -> str:
        """Answers on a duplicate of a worker's socket, which is ours from now on, and ends the connection.
        `lines` are more lines of the head. In words, what the client got."""
        sock = socket.socket(fileno=client)
        date = f"Date: {http_date(int(time.time()))}\r\n"
        page = pages.page(status, detail, "", date, f"{lines}Connection: close\r\n", is_head=method == "HEAD")
        try:
            sent = sock.send(page, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except OSError:
            sent = 0
        self._end(sock, now)
        return str(status) if sent == len(page) else "nothing: it had gone"

    def cut(self, client: int, now: float) -> str:
        """Ends a connection within an answer whose beginning has left."""
        self._end(socket.socket(fileno=client), now)
        return "a part of its answer"

    def _end(self, sock: socket.socket, now: float) -> None:
        sock.setblocking(False)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            sock.close()
            return
        if len(self._ending) == _MOST:
            self._ending.popleft()[1].close()
        self._ending.append((now + LINGER, sock))

    def look(self, now: float) -> float:
        """Reads on, and closes those whose time has come or who have closed; when to look again."""
        for entry in list(self._ending):
            close_at, sock = entry
            if now >= close_at or _is_over(sock):
                sock.close()
                self._ending.remove(entry)
        return self._ending[0][0] if self._ending else inf

    def finish(self) -> None:
        """Waits until all have taken their answer and closed, or for a moment."""
        until = time.monotonic() + _AT_THE_END
        while self._ending and (now := time.monotonic()) < until:
            # Not select(2), for which a number beyond 1023 is too high.
            poller = select.poll()
            for _, sock in self._ending:
                poller.register(sock, select.POLLIN)
            poller.poll((until - now) * 1000)
            self.look(now)


def is_client(fd: int) -> bool:
    """Whether a descriptor is a connection: an application may have put anything at the number of one."""
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        return False
    try:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return False
        return sock.type == socket.SOCK_STREAM
    finally:
        sock.detach()


def _is_over(sock: socket.socket) -> bool:
    try:
        return not sock.recv(_PART)
    except BlockingIOError:
        return False
    except OSError:
        return True
