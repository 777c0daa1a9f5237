"""The socketpair between the master and each of its children.

The master asks over it, a child reports over it; the end of file means that the other side is gone.
A message is one packet (AF_UNIX, SOCK_SEQPACKET): JSON, and file descriptors beside it where needed.
Nothing here waits: a full or empty socket is told, never slept on.
"""

import array
import json
import socket
from dataclasses import dataclass
from typing import Any

from .errors import Unavailable

# A packet holds settings or a traceback; the kernel's default send buffer (212,992) takes twice this.
PACKET_MAX = 96 * 1024
# SCM_MAX_FD of the kernel is 253.
FDS_MAX = 253


@dataclass(frozen=True)
class Message:
    """One packet: what is asked or told, its fields, and the file descriptors that came with it."""

    kind: str
    fields: dict[str, Any]
    fds: tuple[int, ...] = ()


class Lifeline:
    """One end of the pair. Whoever holds it may `receive` without waiting."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock

    @classmethod
    def pair(cls) -> "tuple[Lifeline, socket.socket]":
        """(the master's end, the child's end still as a socket, to be handed over); raises Unavailable."""
        try:
            mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise Unavailable(f"no lifeline: {error.strerror}") from error
        return cls(mine), theirs

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, kind: str, fds: tuple[int, ...] = (), **fields: Any) -> bool:
        """Sends one message; False when the other side is gone or does not read.

        Text too long for a packet is cut in its middle: the ends of a traceback say the most.
        """
        payload = json.dumps([kind, fields]).encode()
        if len(payload) > PACKET_MAX:
            payload = json.dumps([kind, {name: _shorten(value) for name, value in fields.items()}]).encode()
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._socket.sendmsg([payload], ancillary, socket.MSG_NOSIGNAL)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self) -> Message | None:
        """The next message, or None when there is none now; EOFError when the other side is gone."""
        size = socket.CMSG_SPACE(FDS_MAX * array.array("i").itemsize)
        try:
            payload, ancillary, _flags, _address = self._socket.recvmsg(
                PACKET_MAX + 4096, size, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None
        except ConnectionResetError:
            raise EOFError from None
        fds = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        if not payload:
            raise EOFError
        name, fields = json.loads(payload)
        return Message(name, fields, tuple(fds))

    def close(self) -> None:
        self._socket.close()


def _shorten(value: Any, limit: int = 24 * 1024) -> Any:
    if not isinstance(value, str) or len(value) <= limit:
        return value
    half = limit // 2
    return f"{value[:half]}\n[… {len(value) - 2 * half} characters cut …]\n{value[-half:]}"
