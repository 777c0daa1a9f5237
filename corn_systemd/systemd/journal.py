"""The way to journald: one datagram an entry, never a wait.

systemd's native journal protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) over one non-blocking socket; plain
lines on standard error where that is not the journal's. What journald, or whoever reads the lines, does not
take at once is counted, dropped, and told with the next entry that gets through. A traceback is one entry.
"""

import errno
import fcntl
import os
import select
import socket
import struct

from . import messages
from .messages import Message

_STDERR = 2
# A pipe that is ready takes so much whole (PIPE_BUF, pipe(7)).
_PIECE = 4096
SOCKET = "/run/systemd/journal/socket"


def is_journal(fd: int, environment: "os._Environ[str] | dict[str, str]") -> bool:
    """Whether `fd` is the stream that systemd connected to the journal (systemd.exec(5), $JOURNAL_STREAM)."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return device == str(status.st_dev) and inode == str(status.st_ino)


def encode(fields: dict[str, object]) -> bytes:
    """One entry in the native protocol; a value with a newline goes with its length before it."""
    parts = []
    for name, value in fields.items():
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
        if b"\n" in data:
            parts.append(b"%s\n%s%s\n" % (name.encode(), struct.pack("<Q", len(data)), data))
        else:
            parts.append(b"%s=%s\n" % (name.encode(), data))
    return b"".join(parts)


class Journal:
    """One instance's voice. May be used on both sides of a fork: datagrams do not mix."""

    def __init__(self, instance: str, path: str | None = None) -> None:
        """`path`: journald's socket, or None for plain lines on standard error."""
        self._identifier = f"corn@{instance}"
        self._instance = instance
        self._path = path
        self._socket: socket.socket | None = None
        self._stderr = _STDERR
        self._dropped = 0
        self._is_cut = False  # whether the last line on standard error has no end
        if path is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            # As large as sd_journal_send(3) makes it: long tracebacks fit without a memfd.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * 1024 * 1024)

    @classmethod
    def of_environment(cls, instance: str) -> "Journal":
        """The journal where standard error leads to it (or a test says so), else plain lines."""
        path = os.environ.get("CORN_JOURNAL_SOCKET")
        if path is None and is_journal(2, os.environ):
            path = SOCKET
        return cls(instance, path)

    @property
    def path(self) -> str | None:
        return self._path

    def fileno(self) -> int:
        """Its socket, -1 where it has none."""
        return self._socket.fileno() if self._socket is not None else -1

    def emit(self, message: Message, detail: str = "", **values: object) -> None:
        """Writes one row of the table; `detail` (a traceback, a list of errors) follows in the same entry."""
        text = message.text.format(**values)
        if detail:
            text = f"{text}\n{detail.rstrip()}"
        self._send(message.priority, text, message.id, values)

    def write(self, priority: int, text: str, **values: object) -> None:
        """Writes text that is no row of the table."""
        self._send(priority, text, "", values)

    def keep_stderr(self) -> None:
        """Standard error is about to lead elsewhere: lines go on to where it leads now."""
        if self._socket is None and self._stderr == _STDERR:
            self._stderr = os.dup(_STDERR)

    def _send(self, priority: int, text: str, message_id: str, values: dict[str, object]) -> None:
        if self._dropped and self._entry(
            messages.JOURNAL_DROPPED.priority,
            messages.JOURNAL_DROPPED.text.format(count=self._dropped),
            messages.JOURNAL_DROPPED.id,
            {"count": self._dropped},
        ):
            self._dropped = 0
        if not self._entry(priority, text, message_id, values):
            self._dropped += 1

    def _entry(self, priority: int, text: str, message_id: str, values: dict[str, object]) -> bool:
        if self._socket is None:
            return self._print(text)
        fields: dict[str, object] = {"MESSAGE": text, "PRIORITY": priority}
        if message_id:
            fields["MESSAGE_ID"] = message_id
        fields["SYSLOG_IDENTIFIER"] = self._identifier
        fields["CORN_INSTANCE"] = self._instance
        for name, value in values.items():
            fields[f"CORN_{name.upper()}"] = value
        return self._deliver(encode(fields))

    def _deliver(self, data: bytes) -> bool:
        assert self._socket is not None and self._path is not None
        try:
            self._socket.sendto(data, self._path)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                # EAGAIN: journald is stalled. ENOENT, ECONNREFUSED: it is being restarted.
                return False
            return self._deliver_by_file(data)
        return True

    def _deliver_by_file(self, data: bytes) -> bool:
        assert self._socket is not None and self._path is not None
        try:
            fd = os.memfd_create("corn-journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            return False
        try:
            os.write(fd, data)
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", fd))]
            self._socket.sendmsg([], rights, 0, self._path)
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _print(self, text: str) -> bool:
        """A line on standard error: False when it, or the rest of it, is not taken at once."""
        line = f"{self._identifier}[{os.getpid()}]: {text}\n".encode("utf-8", "backslashreplace")
        if self._is_cut:
            line = b"\n" + line
        for start in range(0, len(line), _PIECE):
            if not _write_now(self._stderr, line[start : start + _PIECE]):
                self._is_cut = self._is_cut or start > 0
                return False
            self._is_cut = False
        return True


def _write_now(fd: int, piece: bytes) -> bool:
    """Writes to standard error without a wait: its other end may be a pipe that nobody reads."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    try:
        return poll.poll(0) == [(fd, select.POLLOUT)] and os.write(fd, piece) == len(piece)
    except OSError:
        return False
