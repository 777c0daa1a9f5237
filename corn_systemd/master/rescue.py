"""The connections of workers that can not give them: taken while the worker lives, or kept for when it dies.

Only those of which all is in the kernel's hands; what a worker holds of a request or an answer goes with it.
"""

import errno
import json
import os
import resource
from dataclasses import dataclass
from typing import Any

from ..relay import BATCH, Parcel, Relay
from ..scoreboard import Scoreboard
from ..slot import Glance
from . import spawn
from .events import Ended
from .record import Record
from .voice import Voice

# So many connections in one go, in some 20 ms; the rest is left for the next.
_MOST = 1024
# The worker has ended, or there is no descriptor left for a moment.
_PASSING = (errno.ESRCH, errno.EMFILE, errno.ENFILE)

Copies = list[tuple[int, Parcel]]
"""Numbers of descriptors in a worker, and for each what the relay wants, with our own duplicate."""


@dataclass
class _Kept:
    """Duplicates that are good for as long as this request lasts."""

    request: int
    copies: Copies


class Rescue:
    """Where the system refuses pidfd_getfd(2) there is none; that is told once."""

    def __init__(self, scoreboard: Scoreboard, relay: Relay, voice: Voice) -> None:
        self._scoreboard = scoreboard
        self._relay = relay
        self._voice = voice
        self._is_refused = False
        # The master needs descriptors for other things as well.
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._fds_max = limit // 2 if limit > 0 else 1 << 20
        self._kept: dict[int, _Kept] = {}

    def take(self, record: Record, request: int) -> int:
        """Takes connections from a worker that does not give them, and gives them to the others; how many.
        It is stopped meanwhile, so that nobody serves them twice."""
        if self._is_refused or record.roster is None or not self._free(record):
            return 0
        with spawn.stopped(record.pid) as is_stopped:
            if not is_stopped or self._glance(record).request != request:
                return 0
            return self._take(record)

    def take_all(self, record: Record) -> None:
        """The same, all of them, of a worker that has been stopped and is about to end."""
        while not self._is_refused and self._take(record):
            pass

    def _take(self, record: Record) -> int:
        if record.roster is None:
            return 0
        copies = self._copy(record)
        given = self._give(copies)
        record.roster.take([fd for fd, _ in copies[:given]])
        return given

    def keep(self, record: Record, request: int) -> bool:
        """Keeps duplicates of the connections of a worker that is kept by a request, until it has given them
        away, or for as long as nobody else has a moment for them; whether they were not kept before."""
        kept = self._kept.get(record.key)
        if kept is not None and kept.request == request:
            return False
        self.let_go(record.key)
        copies = self._copy(record) if not self._is_refused and record.roster is not None else []
        self._kept[record.key] = _Kept(request, copies)
        if self._glance(record).request != request:
            # The numbers may be others' by now.
            self.let_go(record.key)
        return True

    def let_go(self, key: int, request: int = 0) -> None:
        """Closes the duplicates that were kept, unless it is during this request."""
        kept = self._kept.get(key)
        if kept is not None and kept.request != request:
            _close(kept.copies)
            del self._kept[key]

    def save(self, death: Ended) -> int:
        """A worker has died: what was kept of its connections goes to the others; how many."""
        kept = self._kept.pop(death.record.key, None)
        if kept is None:
            return 0
        is_same = death.view is not None and death.view.is_busy and death.view.requests == kept.request
        copies = [copy for copy in kept.copies if is_same and copy[0] in death.free]
        _close([copy for copy in kept.copies if copy not in copies])
        return self._give(copies)

    def _glance(self, record: Record) -> Glance:
        assert record.slot is not None
        return self._scoreboard.slot(record.slot).glance()

    def _free(self, record: Record) -> list[tuple[int, int, str]]:
        assert record.roster is not None
        seen = self._glance(record)
        client_fd = seen.client_fd if seen.request else -1
        kept = sum(len(kept.copies) for kept in self._kept.values())
        most = max(0, min(_MOST, self._fds_max - kept))
        return [one for one in record.roster.free() if one[0] != client_fd][:most]

    def _copy(self, record: Record) -> Copies:
        copies: Copies = []
        try:
            pidfd = os.pidfd_open(record.pid)
        except OSError:
            return copies
        try:
            for fd, door, introduction in self._free(record):
                try:
                    copies.append((fd, (_values(door, introduction), (spawn.getfd(pidfd, fd),))))
                except ValueError:
                    # The worker's memory is not what it was.
                    continue
                except OSError as error:
                    if error.errno == errno.EBADF:
                        continue
                    if error.errno not in _PASSING:
                        self._is_refused = True
                        self._voice.rescue_refused(os.strerror(error.errno or 0))
                    break
        finally:
            os.close(pidfd)
        return copies

    def _give(self, copies: Copies) -> int:
        """How many of them the relay takes, from the first on; our duplicates are closed."""
        given = 0
        while given < len(copies):
            some = copies[given : given + BATCH]
            if not self._relay.give([parcel for _, parcel in some]):
                break
            given += len(some)
        _close(copies)
        return given


def _close(copies: Copies) -> None:
    for _, (_, fds) in copies:
        for fd in fds:
            os.close(fd)


def _values(door: int, introduction: str) -> dict[str, Any]:
    """What worker.parcel expects of a connection on which nothing is going on."""
    values: dict[str, Any] = {"door": door}
    if introduction:
        values["introduction"] = json.loads(introduction)
    return values
