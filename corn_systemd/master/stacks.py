"""The Python stacks of a child: it writes them into a file that the master has, when a signal asks it to.

faulthandler writes them, by C code and without the interpreter's lock, in some milliseconds. Ends nobody.
"""

import os
import time

from ..signals import STACKS
from . import spawn

# For who is asked again at the next turn, and for who is asked once, in a fault that is over with it.
_GLANCE, _PATIENCE = 0.02, 0.1
_MOST = 256 * 1024


def ask_for_stacks(pid: int, fd: int) -> int:
    """Has a child write the Python stacks of all its threads into the file; returns where they will begin."""
    try:
        before = os.fstat(fd).st_size
        spawn.interrupt(pid, STACKS)
        return before
    except OSError:
        return 0


def stacks(fd: int, before: int, patience: float = _GLANCE) -> str:
    """What it has written there by now, or does in a moment. It writes in parts: what ends within a line goes
    on."""
    text = ""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        time.sleep(0.002)
        last, text = text, last_words(fd, before)
        if text == last and text.endswith("\n"):
            break
    return text


def stacks_of(pid: int, fd: int) -> str:
    """The Python stacks of all threads of a child, as far as it writes them within a tenth of a second;
    nothing from one that has not said where it would."""
    return stacks(fd, ask_for_stacks(pid, fd), _PATIENCE) if pid and fd >= 0 else ""


def last_words(fd: int, since: int = 0) -> str:
    """What has been written into such a file, by a process that crashed for example."""
    try:
        return os.pread(fd, _MOST, since).decode("utf-8", "replace")
    except OSError:
        return ""
