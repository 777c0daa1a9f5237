"""The sending half of a connection: what can leave now leaves, what cannot is held for later.

It never waits and never raises: a client that has gone makes it `is_lost`. Knows no requests.
"""

import io
import os
import socket
import stat
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from .outbox import FLAGS, FLAGS_MORE, Outbox, send_file
from .seat import Place, Seat
from .spool import Spools

# Up to here it is cheaper to join pieces than to have the kernel gather them.
JOIN_BYTES = 32 * 1024
# A burst of pieces (sink.BURST) within this time comes quickly. One of 8 KiB pieces takes 0.05 ms.
QUICK = 0.001
# The application's iterable is taken while less than this waits for the client, most of it in files (and
# while there is room in the files of all clients: http.spool_max).
FULL_BYTES = 1024 * 1024 * 1024


class Outlets(Place, Protocol):
    """What an outlet needs of its worker."""

    clock: float
    """Seconds in which someone was listening to clients; deadlines are instants of it."""
    write_timeout: float
    spools: Spools
    head_leaves: Callable[[], None]
    date_line: Callable[[], str]

    def watch(self, outlet: "Outlet", for_room: bool) -> None:
        """Waits for room to send, else for something to read."""

    def spool_failed(self, error: OSError) -> None: ...


class Outlet(Seat):
    """A wsgi.gateway.Sink over one socket.

    The socket may be in blocking mode, as accept(2) made it: each send and recv says that it does not wait.
    """

    __slots__ = (
        "date_line",
        "gathers",
        "head_leaves",
        "is_full",
        "is_lost",
        "outbox",
        "outlets",
        "paced_at",
        "waits_for_room",
    )

    def __init__(self, outlets: Outlets, sock: socket.socket, door: int, deadline: float) -> None:
        super().__init__(outlets, sock, door, deadline)
        self.outlets = outlets
        self.is_full = self.is_lost = self.waits_for_room = self.gathers = False
        self.paced_at = 0.0
        self.outbox: Outbox | None = None
        self.head_leaves = outlets.head_leaves
        self.date_line = outlets.date_line

    def send(self, pieces: Sequence[bytes], more: bool = False) -> None:
        """Sends; `more`: something or the end follows at once, and the kernel may wait for it."""
        size = 0
        for piece in pieces:
            size += len(piece)
        if size <= JOIN_BYTES:
            pieces = (b"".join(pieces),)
        if self.outbox is not None:
            self._add(pieces)
            return
        flags = FLAGS_MORE if more else FLAGS
        try:
            if len(pieces) == 1:
                sent = self.sock.send(pieces[0], flags)
            else:
                sent = self.sock.sendmsg(pieces, (), flags)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.gone()
            return
        if sent < size:
            self._keep(pieces, sent)

    def _keep(self, pieces: Sequence[bytes], sent: int) -> None:
        """Holds what the socket did not take, and waits for room."""
        rest: list[bytes | memoryview] = []
        for piece in pieces:
            if sent < len(piece):
                rest.append(memoryview(piece)[sent:] if sent else piece)
            sent = max(0, sent - len(piece))
        self._hold()
        self._add(rest)

    def _hold(self) -> Outbox:
        if self.outbox is None:
            self.hold()
            self._unblock()
            self.outbox = Outbox(self.outlets.spools)
            self.deadline = self.outlets.clock + self.outlets.write_timeout
            if not self.waits_for_room:
                self.waits_for_room = True
                self.outlets.watch(self, True)
        return self.outbox

    def _unblock(self) -> None:
        """sendfile(2) has no flag for it."""
        os.set_blocking(self.fd, False)

    def _add(self, pieces: Sequence[bytes | memoryview]) -> None:
        outbox = self.outbox
        if outbox is None or self.is_lost:
            return
        try:
            for piece in pieces:
                outbox.add(piece)
        except OSError as error:
            self.outlets.spool_failed(error)
            self.gone()
            return
        self.is_full = outbox.waiting >= FULL_BYTES or outbox.is_beyond

    def pace(self) -> None:
        """A burst of pieces has been sent since the last time, or the first one.

        Where the next comes quickly too, a packet for each would cost more than all the rest, the client's
        side included: the kernel may hold what does not fill one, while an earlier one is on its way. It
        sends on by itself when that has arrived, whatever the application does (PEP 3333, "Buffering and
        Streaming"; Nagle's algorithm, RFC 9293, 3.7.4): after a round trip, and 40 ms more where the client
        is slow to say so. That meets the last piece before an unforeseen pause; pieces that come slowly are
        never held.
        """
        now = monotonic()
        is_quick = now - self.paced_at < QUICK
        self.paced_at = now
        if is_quick != self.gathers:
            self._gather(is_quick)

    def hurry(self) -> None:
        """The last piece has been sent."""
        self.paced_at = 0.0
        if self.gathers:
            self._gather(False)

    def _gather(self, yes: bool) -> None:
        self.gathers = yes
        try:
            # Setting it also sends what is held (tcp(7), TCP_NODELAY).
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not yes)
        except OSError:
            # A unix socket, which has no packets, or one that is gone.
            return

    def measure(self, file: io.FileIO) -> int | None:
        """How many bytes a regular file has."""
        status = os.fstat(file.fileno())
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def send_file(self, before: bytes, file: io.FileIO, position: int, count: int) -> int:
        """Sends `count` bytes of a file behind `before`; how many there were."""
        self.send((before,), True)
        fd, sent = file.fileno(), 0
        if self.outbox is None and not self.is_lost:
            self._unblock()
            try:
                while sent < count:
                    taken = send_file(self.sock, fd, position + sent, count - sent)
                    if taken == 0:
                        return sent
                    sent += taken
                return count
            except BlockingIOError:
                pass
            except OSError:
                self.gone()
        if not self.is_lost:
            try:
                self._hold().add_file(fd, position + sent, count - sent)
            except OSError as error:
                # No descriptor left.
                self.outlets.spool_failed(error)
                self.gone()
        return count

    def flush(self) -> None:
        """Sends more of what is held; afterwards `outbox` is None if that was all."""
        outbox = self.outbox
        if outbox is None:
            return
        try:
            taken = outbox.flush(self.sock)
        except (OSError, EOFError):
            self.gone()
            return
        if taken:
            self.deadline = self.outlets.clock + self.outlets.write_timeout
        self.is_full = outbox.waiting >= FULL_BYTES or outbox.is_beyond
        if not outbox:
            self._drop_outbox()

    def gone(self) -> None:
        """The client takes nothing more. A duplicate of its socket in another process shall not keep it."""
        self.is_lost = self.is_full = True
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._drop_outbox()

    def _drop_outbox(self) -> None:
        if self.outbox is not None:
            self.outbox.close()
            self.outbox = None
