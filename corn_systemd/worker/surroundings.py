"""What a job finds in its process, and the next one shall find there, too: the current directory, the umask,
and who handles which signal.

After a run it is put back as far as that goes, which raises nothing: no run has failed because of it. What
Python can not be asked for (handlers that were set in C) stays as the job has left it, and so does the
environment: what a framework sets up once in a process (Django its TZ) goes together with what is in memory.
"""

import os
import signal
from collections.abc import Callable

_SIGNALS = tuple(signal.valid_signals())
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
# What it may meet: a directory that has gone, no descriptor to be had, another thread than the main one.
_TROUBLES = (LookupError, OSError, ValueError)


class Surroundings:
    """As they were when this was made; about 0.1 ms, and as much again to see that nothing has changed."""

    def __init__(self) -> None:
        self._directory = _directory()
        self._umask = _umask()
        self._handlers = [signal.getsignal(number) for number in _SIGNALS]
        self._armed = _armed()

    def put_back(self, renew: Callable[[], None]) -> None:
        """`renew` is called where a signal was taken: it brings back the handlers of which Python does not
        know."""
        for deed in (self._disarm, lambda: self._give_back(renew), self._go_back):
            try:
                deed()
            except _TROUBLES:
                pass

    def _disarm(self) -> None:
        # Before its handler: without one SIGALRM would be the end of the worker.
        for timer in _armed() - self._armed:
            signal.setitimer(timer, 0)

    def _give_back(self, renew: Callable[[], None]) -> None:
        pairs = zip(_SIGNALS, self._handlers, strict=True)
        taken = {number: before for number, before in pairs if signal.getsignal(number) is not before}
        if not taken:
            return
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, taken)
        try:
            for number, before in taken.items():
                if before is not None:  # else it was set in C
                    signal.signal(number, before)
            renew()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _go_back(self) -> None:
        if self._umask is not None:
            os.umask(self._umask)
        if self._directory is not None and _directory() != self._directory:
            os.chdir(self._directory)


def _directory() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None  # it has been removed


def _umask() -> int | None:
    """proc_pid_status(5). umask(2) tells the old one only to who sets a new one, which other threads would
    meet for a moment."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:
            _, _, rest = file.read().partition(b"\nUmask:")
            return int(rest.split(maxsplit=1)[0], 8)
    except _TROUBLES:
        return None


def _armed() -> set[int]:
    return {timer for timer in _TIMERS if signal.getitimer(timer)[0]}
