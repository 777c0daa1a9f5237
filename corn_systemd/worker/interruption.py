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
from ..wsgi.failure import OURS
from ..wsgi.files import FileWrapper
from ..wsgi.gateway import Exchange
from .stream import BodyStream

_KINDS: dict[int, type[LimitExceeded]] = {
    REQUEST_TIMEOUT: RequestTimeout,
    CPU_TIME_EXCEEDED: CpuTimeExceeded,
}

# Where corn calls the application, what it wrapped included, and where it waits for a client in the
# application's name.
_CALLS = {
    Exchange.begin.__code__,
    Exchange._take.__code__,
    Exchange._close.__code__,
    FileWrapper.__next__.__code__,
    FileWrapper.close.__code__,
}
_WAITS = BodyStream._wait.__code__


class Interruption:
    """One worker's. `stacks_fd` is a file in memory that the master reads."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self.stacks_fd = os.memfd_create("corn-stacks", os.MFD_CLOEXEC)

    def install(self) -> None:
        """In the main thread, once the application is loaded, which may have taken signals for itself."""
        for number in _KINDS:
            signal.signal(number, self._heed)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (*_KINDS, STACKS))
        # Written by C code, whoever holds the interpreter's lock.
        faulthandler.register(STACKS, self.stacks_fd, all_threads=True)
        if not faulthandler.is_enabled():
            # The last words of a process that crashes.
            faulthandler.enable(self.stacks_fd)

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
    if frame.f_code.co_filename.startswith(OURS):
        return False
    outer = frame.f_back
    while outer is not None and not outer.f_code.co_filename.startswith(OURS):
        outer = outer.f_back
    return outer is not None and outer.f_code in _CALLS
