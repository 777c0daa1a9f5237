"""What a job prints goes to the journal, under the job's name: its own prints, and those of what it starts.

Descriptors 1 and 2 lead into a pipe while the job runs; a thread reads it line by line. What a job leaves
behind may hold the pipe open: nobody waits for that.
"""

import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

# A longer line goes in pieces, as with systemd's own reading of standard output (LineMax= of journald.conf).
LINE_MAX = 48 * 1024
# How long to wait for the last lines once the job has ended.
_PATIENCE = 0.5
# Who looks on and does not read for so long is left behind: the job waits for nobody.
_COPY_PATIENCE = 1.0


class Copy:
    """Where somebody looks on: each line goes there as JSON, {"line": …}. The descriptor is ours."""

    def __init__(self, fd: int = -1) -> None:
        self._fd = fd

    def __enter__(self) -> "Copy":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def line(self, text: str) -> None:
        """Tells a line to who looks on, if he still does."""
        if self._fd < 0:
            return
        data = json.dumps({"line": text}).encode() + b"\n"
        poller = select.poll()
        poller.register(self._fd, select.POLLOUT)
        try:
            while data:
                if not poller.poll(_COPY_PATIENCE * 1000):
                    raise TimeoutError
                try:
                    data = data[os.write(self._fd, data) :]
                except BlockingIOError:
                    continue
        except OSError:
            self.close()


def flush() -> None:
    """What is printed and not yet written must neither be lost nor be written by each child again; a stream
    that is closed or full is the application's affair."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass


@contextmanager
def captured(tell: Callable[[str], None], copy: Copy) -> Iterator[None]:
    """`tell` and `copy` get each line, in a thread of its own."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    opened = [reader, writer]
    streams = sys.stdout, sys.stderr
    try:
        kept = [_copy(number, opened) for number in (1, 2)]
        thread = threading.Thread(target=_pump, args=(reader, tell, copy), name="corn-output", daemon=True)
        # No signal of the application's is handled by a thread that it does not know.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    except BaseException:
        # No descriptor, or no thread, to be had.
        for fd in opened:
            os.close(fd)
        raise
    try:
        for number in (1, 2):
            os.dup2(writer, number)
        os.close(writer)
        yield
    finally:
        flush()
        # What one job has put in their place, or closed, is not for the next.
        sys.stdout, sys.stderr = (_open(number, one) for number, one in zip((1, 2), streams, strict=True))
        for number, fd in zip((1, 2), kept, strict=True):
            os.dup2(fd, number)
            os.close(fd)
        thread.join(_PATIENCE)


def _open(number: int, stream: Any) -> Any:
    """A stream as it was before a job; made anew where that has closed it."""
    if not getattr(stream, "closed", False):
        return stream
    return open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _copy(number: int, opened: list[int]) -> int:
    opened.append(os.dup(number))
    return opened[-1]


def _pump(reader: int, tell: Callable[[str], None], copy: Copy) -> None:
    held = b""
    with open(reader, "rb", buffering=0) as pipe:
        while data := pipe.read(65536):
            *lines, held = (held + data).split(b"\n")
            for line in lines:
                _tell(line, tell, copy)
            while len(held) > LINE_MAX:
                _tell(held[:LINE_MAX], tell, copy)
                held = held[LINE_MAX:]
    if held:
        _tell(held, tell, copy)


def _tell(line: bytes, tell: Callable[[str], None], copy: Copy) -> None:
    for start in range(0, max(len(line), 1), LINE_MAX):
        text = line[start : start + LINE_MAX].decode("utf-8", "replace")
        tell(text)
        copy.line(text)
