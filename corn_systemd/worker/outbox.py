"""What a socket would not take yet: bytes and stretches of files, in their order.

Sends without copying and without waiting. Knows neither requests nor answers. A connection that has
nothing to wait for has no outbox.
"""

import os
import socket
from collections import deque
from itertools import groupby
from typing import IO

from .spool import file_in_memory, open_spool

FLAGS = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
# One sendmsg takes so many pieces (UIO_MAXIOV is 1024) and one flush so many bytes, then others have a turn.
PIECES_MAX = 64
FLUSH_BYTES = 4 * 1024 * 1024
# Beyond this an answer that comes piece by piece waits in a file.
MEMORY_BYTES = 256 * 1024


class Stretch:
    """A part of a file that is ours to close."""

    __slots__ = ("fd", "is_spooled", "offset", "remaining")

    def __init__(self, fd: int, offset: int, remaining: int, *, is_spooled: bool = False) -> None:
        self.fd = fd
        self.is_spooled = is_spooled
        self.offset = offset
        self.remaining = remaining


class Outbox:
    """The rest of an answer."""

    __slots__ = ("_directory", "_items", "_spool", "_spool_stretch", "held", "waiting")

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._items: deque[memoryview | Stretch] = deque()
        self._spool: IO[bytes] | None = None
        self._spool_stretch: Stretch | None = None
        self.held = 0
        """Bytes in memory."""
        self.waiting = 0
        """Bytes in memory and in the spool."""

    def __bool__(self) -> bool:
        return bool(self._items)

    def add(self, piece: bytes | memoryview) -> None:
        """Takes bytes, in a file if there are many already; OSError when there is no room for it."""
        if not piece:
            return
        self.waiting += len(piece)
        if self.held + len(piece) > MEMORY_BYTES and self.held:
            self._spill(piece)
            return
        self._items.append(memoryview(piece))
        self.held += len(piece)

    def add_file(self, fd: int, offset: int, count: int) -> None:
        """Takes a stretch of a file, whose descriptor it duplicates."""
        self._items.append(Stretch(os.dup(fd), offset, count))

    def _spill(self, piece: bytes | memoryview) -> None:
        last = self._items[-1] if self._items else None
        if self._spool is None:
            self._spool = open_spool(self._directory)
        offset = self._spool.seek(0, os.SEEK_END)
        self._spool.write(piece)
        self._spool.flush()
        if last is not None and last is self._spool_stretch:
            self._spool_stretch.remaining += len(piece)
        else:
            self._spool_stretch = Stretch(os.dup(self._spool.fileno()), offset, len(piece), is_spooled=True)
            self._items.append(self._spool_stretch)

    def flush(self, sock: socket.socket) -> int:
        """Sends what the socket takes now; how much that was.

        OSError when the client has gone, EOFError when a file has become shorter.
        """
        items = self._items
        taken = 0
        try:
            while items and taken < FLUSH_BYTES:
                first = items[0]
                count = self._send_stretch(sock, first) if isinstance(first, Stretch) else self._send(sock)
                if count == 0:
                    break
                taken += count
        except BlockingIOError:
            pass
        return taken

    def _send(self, sock: socket.socket) -> int:
        """Raises BlockingIOError when nothing is taken."""
        items = self._items
        views: list[memoryview] = []
        for item in items:
            if isinstance(item, Stretch) or len(views) == PIECES_MAX:
                break
            views.append(item)
        sent = count = sock.send(views[0], FLAGS) if len(views) == 1 else sock.sendmsg(views, (), FLAGS)
        self.held -= sent
        self.waiting -= sent
        for view in views:
            if count < len(view):
                items[0] = view[count:]
                break
            count -= len(view)
            items.popleft()
        return sent

    def _send_stretch(self, sock: socket.socket, stretch: Stretch) -> int:
        sent = send_file(sock, stretch.fd, stretch.offset, stretch.remaining)
        if sent == 0:
            raise EOFError("a file has become shorter")
        stretch.offset += sent
        stretch.remaining -= sent
        if stretch.is_spooled:
            self.waiting -= sent
        if not stretch.remaining:
            os.close(stretch.fd)
            self._items.popleft()
            if stretch is self._spool_stretch:
                self._spool_stretch = None
        return sent

    def pack(self, spare: list[int]) -> tuple[list[tuple[int, int, bool]], list[int]]:
        """What is held, for unpack() in another process: (offset, count, is spooled) of stretches of files,
        and their descriptors. Bytes in memory become files in memory, which are in `spare` too."""
        stretches: list[tuple[int, int, bool]] = []
        fds: list[int] = []
        for is_file, group in groupby(self._items, lambda item: isinstance(item, Stretch)):
            if is_file:
                for item in group:
                    assert isinstance(item, Stretch)
                    stretches.append((item.offset, item.remaining, item.is_spooled))
                    fds.append(item.fd)
            else:
                views = [item for item in group if isinstance(item, memoryview)]
                fd = file_in_memory(views)
                spare.append(fd)
                stretches.append((0, sum(map(len, views)), False))
                fds.append(fd)
        return stretches, fds

    def unpack(self, stretches: list[tuple[int, int, bool]], fds: list[int]) -> None:
        """Takes the first of `fds` over, one for each stretch."""
        for offset, count, is_spooled in stretches:
            self._items.append(Stretch(fds.pop(0), offset, count, is_spooled=is_spooled))
            self.waiting += count if is_spooled else 0

    def close(self) -> None:
        """Lets go of everything unsent."""
        for item in self._items:
            if isinstance(item, Stretch):
                os.close(item.fd)
        self._items.clear()
        self.held = self.waiting = 0
        if self._spool is not None:
            self._spool.close()
            self._spool = None


def send_file(sock: socket.socket, fd: int, offset: int, count: int) -> int:
    """sendfile(2) to a socket that is set not to block (else BlockingIOError); 0 at the end of the file."""
    count = min(count, FLUSH_BYTES)
    try:
        return os.sendfile(sock.fileno(), fd, offset, count)
    except BlockingIOError:
        raise
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        # A file system without sendfile (EINVAL, ENOSYS): read and send a block.
        block = os.pread(fd, min(count, 256 * 1024), offset)
        return sock.send(block, FLAGS) if block else 0
