"""What the scoreboard says of runs whose master has died before it could say it.

A worker marks there that the function of its run has returned, or left by sys.exit(0), in the moment after;
its own death, which follows the master's, can not take that back. It only reads.
"""

import os
import select
import time

from ..scoreboard import Scoreboard
from ..slot import SlotView

# The kernel kills workers with their master; a worker may be some milliseconds late.
_PATIENCE = 0.5


def ended_well(scoreboard: Scoreboard) -> set[str]:
    """The names of the last runs of all cron workers, of those that have come to a good end. Waits until none
    of these workers lives any more."""
    deadline = time.monotonic() + _PATIENCE
    for view in _cron(scoreboard):
        _await_end(view.pid, deadline)
    return {view.request_id for view in _cron(scoreboard) if view.is_well}


def _cron(scoreboard: Scoreboard) -> list[SlotView]:
    views = (scoreboard.slot(number).view() for number in range(scoreboard.used))
    return [view for view in views if view.pid and view.role == "cron"]


def _await_end(pid: int, deadline: float) -> None:
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return  # it has been reaped
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        poller.poll(max(deadline - time.monotonic(), 0.0) * 1000)
    finally:
        os.close(fd)
