"""A pipe of signal numbers (nothing runs in a handler, the pipe is the queue), and the numbers that are ours.

CPython's C handler writes each signal's number into it (signal.set_wakeup_fd); the Python handlers do
nothing, so that no exception ever lands between two lines of the master.
"""

import os
import signal
from types import FrameType

HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD)
# One worker more, one fewer. Where there is a terminal it sends them to whoever reads or writes in the
# background, and as long as they are not ignored it lets nobody do so.
STEPS = {signal.SIGTTIN: 1, signal.SIGTTOU: -1}
# Other servers give them a meaning; in a master they must not end or stop everything by accident.
IGNORED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)

# The master to a worker, whose other signals are the application's: a request has exceeded a limit, and the
# stacks of all threads are wanted.
REQUEST_TIMEOUT, CPU_TIME_EXCEEDED, STACKS = (signal.SIGRTMIN + number for number in (1, 2, 3))


def _ignore(number: int, frame: FrameType | None) -> None:
    """The number is in the pipe already."""


class Signals:
    """Takes over the given signals of this process, which must have only its main thread."""

    def __init__(self, *, has_terminal: bool = False) -> None:
        """`has_terminal`: STEPS are no wishes."""
        heeded = HEEDED if has_terminal else (*HEEDED, *STEPS)
        ignored = (*IGNORED, *STEPS) if has_terminal else IGNORED
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in heeded:
            signal.signal(number, _ignore)
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    def fileno(self) -> int:
        return self._reader

    def take(self) -> list[int]:
        """The numbers that have come since the last call, in their order, never waiting."""
        try:
            return list(os.read(self._reader, 4096))
        except BlockingIOError:
            return []
