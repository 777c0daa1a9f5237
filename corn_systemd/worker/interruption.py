"""The first stage of a limit, within the worker: an exception in the application, at the line that runs.

The master decides, and says by a signal which limit; the slot says which request is meant. No exception ever
lands in corn's own code or in the next request.
"""

import faulthandler
import os
import signal
from types import FrameType

from ..errors import CpuTimeExceeded, LimitExceeded, RequestTimeout
from ..signals import CPU_TIME_EXCEEDED, REQUEST_TIMEOUT, STACKS
from ..slot import Slot
from ..wsgi.failure import is_ours
from ..wsgi.files import FileWrapper
from ..wsgi.gateway import Exchange
from . import cron
from .stream import BodyStream

_KINDS: dict[int, type[LimitExceeded]] = {
    REQUEST_TIMEOUT: RequestTimeout,
    CPU_TIME_EXCEEDED: CpuTimeExceeded,
}

# Where corn calls the application, what it wrapped and its jobs included, and where it waits for a client in
# the application's name.
_CALLS = {
    Exchange.begin.__code__,
    Exchange._take.__code__,
    Exchange._close.__code__,
    FileWrapper.__next__.__code__,
    FileWrapper.close.__code__,
    cron.call.__code__,
}
_WAITS = BodyStream._wait.__code__


class Interruption:
    """One worker's. `stacks_fd` is a file in memory that the master reads."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.stacks_fd = os.memfd_create("corn-stacks", os.MFD_CLOEXEC)
        self._show_stacks()
        self._has_last_words = False

    def install(self) -> None:
        """In the main thread, once the application is loaded, which may have taken signals for itself."""
        for number in _KINDS:
            signal.signal(number, self._heed)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_KINDS, STACKS))
        self._show_stacks()
        if not faulthandler.is_enabled():
            self._have_last_words()

    def renew(self) -> None:
        """Somebody has taken signals and given them back, which he could not with what faulthandler has set:
        Python does not know of that."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (STACKS,))
        faulthandler.unregister(STACKS)
        self._show_stacks()
        if self._has_last_words:
            faulthandler.disable()
            self._have_last_words()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def uninstall(self) -> None:
        """This process has no requests any more. What the master has sent for the last of them may still
        come, and does nothing."""
        ours = (*_KINDS, STACKS)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ours)
        faulthandler.unregister(STACKS)
        for number in ours:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if self._has_last_words:
            faulthandler.disable()
        os.close(self.stacks_fd)

    def _have_last_words(self) -> None:
        """Of a process that crashes."""
        faulthandler.enable(self.stacks_fd)
        self._has_last_words = True

    def _show_stacks(self) -> None:
        # Written by C code, whoever holds the interpreter's lock.
        faulthandler.register(STACKS, self.stacks_fd, all_threads=True)

    def _heed(self, number: int, frame: FrameType | None) -> None:
        struck = self._slot.struck()
        # Otherwise it is over already, or in our hands for a moment: the master asks again.
        if struck is not None and is_application(frame):
            raise _KINDS[number](*struck)


def is_application(frame: FrameType | None) -> bool:
    """Whether the application is at work: the innermost frame is not ours, and the first of ours below it is
    one that calls the application, so that nothing of ours is left half done."""
    if frame is None:
        return False
    if frame.f_code is _WAITS:
        return True
    if is_ours(frame.f_code.co_filename):
        return False
    outer = frame.f_back
    while outer is not None and not is_ours(outer.f_code.co_filename):
        outer = outer.f_back
    return outer is not None and outer.f_code in _CALLS
