"""What a socket would not take yet: bytes and stretches of files, in their order.

Sends without copying and without waiting. Knows neither requests nor answers. A connection that has
nothing to wait for has no outbox.
"""

import os
import socket
from collections import deque
from itertools import groupby
from sys import getrefcount

from .spool import Spool, Spools, file_in_memory

# Plain numbers: those of the module are enums, whose `|` takes a microsecond.
FLAGS = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
FLAGS_MORE = int(FLAGS | socket.MSG_MORE)
# One sendmsg takes so many pieces (UIO_MAXIOV is 1024) and one flush so many bytes, then others have a turn.
PIECES_MAX = 64
FLUSH_BYTES = 4 * 1024 * 1024
# Beyond this an answer that comes piece by piece waits in a file.
MEMORY_BYTES = 256 * 1024
# Beyond this, in all outboxes of a worker, an answer that came as one piece does not wait in memory either.
MEMORY_ALL = 64 * 1024 * 1024
# What all answers may take of http.spool_max: they can wait, which bodies can not, and gigabytes that a disk
# has not written yet (a tenth of the memory, vm.dirty_background_ratio) would make the writing wait.
SHARE = 0.25
# A spool is closed when all of it has been sent, so an answer of any length leaves only so much behind it
# on the disk.
SPOOL_BYTES = 64 * 1024 * 1024


class Stretch:
    """A part of a file that is ours to close: of another's, whose descriptor is duplicated, or a spool."""

    __slots__ = ("fd", "offset", "remaining", "spool")

    def __init__(self, fd: int, offset: int, remaining: int, spool: Spool | None = None) -> None:
        self.fd = fd
        self.offset = offset
        self.remaining = remaining
        self.spool = spool

    def close(self) -> None:
        if self.spool is not None:
            self.spool.close()
        else:
            os.close(self.fd)


class Outbox:
    """The rest of an answer."""

    __slots__ = ("_items", "_spools", "held", "waiting")

    def __init__(self, spools: Spools) -> None:
        self._spools = spools
        self._items: deque[memoryview | Stretch] = deque()
        self.held = 0
        """Bytes in memory."""
        self.waiting = 0
        """Bytes in memory and in spools."""

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def is_beyond(self) -> bool:
        """Whether it has bytes in spools while those of all clients together have reached their bound."""
        return self.waiting > self.held and self._spools.are_full(SHARE)

    def add(self, piece: bytes | memoryview) -> None:
        """Takes bytes, in a file if there are many already; OSError when there is no room for it."""
        if not piece:
            return
        size = len(piece)
        self.waiting += size
        last = self._items[-1] if self._items else None
        if isinstance(last, Stretch) and last.spool is not None:
            # Behind what is in a file everything goes there, or each small piece between two large ones would
            # cost a file.
            self._spill(piece, last)
        elif self.held + size > MEMORY_BYTES and self.held:
            self._spill(piece, None)
        else:
            self._items.append(memoryview(piece))
            self._hold(size)

    def _hold(self, size: int) -> None:
        """So many bytes more in memory, or fewer."""
        self.held += size
        self._spools.in_memory += size

    @property
    def is_heavy(self) -> bool:
        """Whether it has more in memory than an answer that comes piece by piece may have."""
        return self.held > MEMORY_BYTES

    def relieve(self) -> None:
        """The answer is whole: where many clients are slow, memory gives away what is nobody's but theirs.

        An object that the application keeps for itself would take its memory all the same; it has more
        references than that of our memoryview and that of the question. What finds no room stays.
        """
        if self._spools.in_memory > MEMORY_ALL and self.is_heavy:
            objects = (item.obj for item in self._items if isinstance(item, memoryview))
            if all(getrefcount(one) <= 3 for one in objects):
                try:
                    self.unload()
                except OSError:
                    pass

    def unload(self) -> None:
        """Puts all that is in memory into spools. Raises OSError when there is no room; the rest stays."""
        self._spools.ask(SHARE)
        items, self._items = self._items, deque()
        last: Stretch | None = None
        try:
            while items:
                item = items[0]
                if isinstance(item, Stretch):
                    self._items.append(item)
                    last = None
                else:
                    self._spill(item, last)
                    last = self._items[-1]  # type: ignore[assignment]
                    self._hold(-len(item))
                items.popleft()
        finally:
            self._items.extend(items)

    def add_file(self, fd: int, offset: int, count: int) -> None:
        """Takes a stretch of a file, whose descriptor it duplicates."""
        self._items.append(Stretch(os.dup(fd), offset, count))

    def _spill(self, piece: bytes | memoryview, last: Stretch | None) -> None:
        spool = last.spool if last is not None else None
        if last is None or spool is None or spool.size >= SPOOL_BYTES:
            spool = self._spools.open()
            last = Stretch(spool.fileno(), 0, 0, spool)
            self._items.append(last)
        spool.append(piece)
        last.remaining += len(piece)

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
        self._hold(-sent)
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
        if stretch.spool is not None:
            self.waiting -= sent
        if not stretch.remaining:
            self._items.popleft()
            stretch.close()
        return sent

    def pack(self, spare: list[int]) -> tuple[list[tuple[int, int, int]], list[int]]:
        """What is held, for unpack() in another process: (offset, count, size of the spool or 0) of stretches
        of files, and their descriptors. Bytes in memory become files in memory, which are in `spare` too; so
        many that this would double them go to spools. Raises OSError when there is no room."""
        if self.is_heavy:
            self.unload()
        stretches: list[tuple[int, int, int]] = []
        fds: list[int] = []
        for is_file, group in groupby(self._items, lambda item: isinstance(item, Stretch)):
            items = list(group)
            if not is_file:
                fds.append(file_in_memory([item for item in items if isinstance(item, memoryview)]))
                spare.append(fds[-1])
                stretches.append((0, os.fstat(fds[-1]).st_size, 0))
            for item in items:
                if isinstance(item, Stretch):
                    size = item.spool.size if item.spool is not None else 0
                    stretches.append((item.offset, item.remaining, size))
                    fds.append(item.fd)
        return stretches, fds

    def unpack(self, stretches: list[tuple[int, int, int]], fds: list[int]) -> None:
        """Takes the first of `fds` over, one for each stretch."""
        for offset, count, size in stretches:
            fd = fds.pop(0)
            self._items.append(Stretch(fd, offset, count, Spool(fd, self._spools, size) if size else None))
            self.waiting += count if size else 0

    def close(self) -> None:
        """Lets go of everything unsent."""
        for item in self._items:
            if isinstance(item, Stretch):
                item.close()
        self._items.clear()
        self._hold(-self.held)
        self.waiting = 0


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
