"""The request that the first worker of a reload must answer (reload.check) before anybody leaves for it.

The master is its client: it keeps one end of a socketpair, and the worker, which takes in nobody else yet,
gets the other over its lifeline. So it reaches that very worker, by the way of all requests. Nothing here
waits, and what becomes of the reload is for others to decide.
"""

import errno
import re
import select
import socket
from dataclasses import dataclass
from math import inf

from ..errors import AppError, CornError, Unavailable
from ..settings.sections import Settings
from .deeds import Deeds
from .record import Record
from .stacks import stacks_of
from .voice import TOLD

# So much of an answer is kept; the rest is read and forgotten.
_KEPT = 16 * 1024
# So much of its body is told.
_TOLD = 2000
# A connection may end because its worker does: whoever reaps it has the better cause.
_REAPED = 0.5

_status = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ([^\r\n]*)\r\n").match


@dataclass
class _Check:
    record: Record
    socket: socket.socket
    deadline: float
    refusal: str
    """What it means when the deadline has passed."""
    heard: bytes = b""
    is_over: bool = False


class Checks:
    """Those that are under way: most of the time none."""

    def __init__(self, epoll: select.epoll, deeds: Deeds) -> None:
        self._epoll = epoll
        self._deeds = deeds
        self._checks: dict[int, _Check] = {}
        self._failures: list[tuple[Record, CornError]] = []

    @property
    def look_at(self) -> float:
        """When the next of them is overdue."""
        return min((check.deadline for check in self._checks.values()), default=inf)

    def ask(self, record: Record, settings: Settings, now: float) -> None:
        """Asks a worker that has loaded the application."""
        timeout = settings.reload.check_timeout
        name = f"GET {settings.reload.check} (reload.check)"
        record.task = f"it answered {name}"
        try:
            mine = _send(record, _question(settings))
        except OSError as error:
            self._failures.append((record, Unavailable(f"{name} could not be asked: {error.strerror}")))
            return
        refusal = f"{name} was not answered within reload.check_timeout ({timeout:g} s)"
        self._checks[mine.fileno()] = _Check(record, mine, now + (timeout or inf), refusal)
        self._epoll.register(mine.fileno(), select.EPOLLIN)

    def heed(self, fd: int, now: float) -> bool:
        """Whether `fd` is one of ours, where something of an answer is here, or all of it."""
        check = self._checks.get(fd)
        if check is None:
            return False
        try:
            data = check.socket.recv(65536)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if data:
            check.heard += data[: _KEPT - len(check.heard)]
        else:
            self._conclude(check, now)
        return True

    def _conclude(self, check: _Check, now: float) -> None:
        status = _status(check.heard)
        if status is None:
            self._epoll.unregister(check.socket.fileno())
            check.is_over = True
            check.deadline = min(check.deadline, now + _REAPED)
            check.refusal = f"the connection ended while {check.record.task}, without an answer"
            return
        self._end(check)
        if int(status[1]) < 500:
            check.record.lifeline.send("open")
            return
        reason = f"{status[1].decode()} {status[2].decode('latin-1')}".rstrip()
        body = check.heard.partition(b"\r\n\r\n")[2][:_TOLD].decode("utf-8", "replace")
        self._failures.append((check.record, AppError(f"{reason} when {check.record.task}", body)))

    def failures(self, now: float) -> list[CornError]:
        """Why some have failed since the last call; they are ended."""
        for check in [check for check in self._checks.values() if now >= check.deadline]:
            self._end(check)
            stacks = stacks_of(check.record.pid, check.record.stacks_fd)
            self._failures.append((check.record, AppError(check.refusal, stacks)))
        failures, self._failures = self._failures, []
        for record, _ in failures:
            self._deeds.kill(record, TOLD, now)
        return [error for _, error in failures]

    def forget(self, record: Record) -> None:
        """That worker has ended."""
        for check in [check for check in self._checks.values() if check.record is record]:
            self._end(check)

    def end(self, now: float) -> None:
        """Nobody is to pass any more: all who are at it are ended."""
        for check in list(self._checks.values()):
            self._end(check)
            self._deeds.kill(check.record, TOLD, now)

    def _end(self, check: _Check) -> None:
        del self._checks[check.socket.fileno()]
        if not check.is_over:
            self._epoll.unregister(check.socket.fileno())
        check.socket.close()


def _send(record: Record, question: bytes) -> socket.socket:
    """The master's end of a connection on which the question waits for the worker; raises OSError."""
    mine, theirs = socket.socketpair()
    mine.setblocking(False)
    with theirs:
        if mine.send(question) == len(question) and record.lifeline.send("check", (theirs.fileno(),)):
            return mine
    mine.close()
    raise OSError(errno.EPIPE, "the worker does not listen")


def _question(settings: Settings) -> bytes:
    given = settings.reload.check_headers
    names = {line.partition(":")[0].lower() for line in given}
    lines = [f"GET {settings.reload.check} HTTP/1.1", *given]
    if "host" not in names:
        hosts = settings.http.hosts
        lines.append(f"Host: {hosts[0].replace('*', 'www') if hosts else 'localhost'}")
    if "user-agent" not in names:
        lines.append("User-Agent: corn (reload.check)")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
