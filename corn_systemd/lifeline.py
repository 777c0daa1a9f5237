"""The socketpair between the master and each of its children.

The master asks over it, a child reports over it; the end of file means that the other side is gone.
A message is one packet (AF_UNIX, SOCK_SEQPACKET): JSON, and file descriptors beside it where needed. What is
too long for a packet goes as a file. Nothing here waits: a full or empty socket is told, never slept on.
"""

import array
import json
import os
import socket
import struct
from dataclasses import dataclass
from typing import Any

from .errors import CornError, Unavailable

# A longer message goes as a file. The kernel's default send buffer (212,992) takes twice this.
PACKET_MAX = 64 * 1024
# What a file may hold: nobody's settings or traceback is longer, and the master reads it.
FILE_MAX = 16 * 1024 * 1024
# SCM_MAX_FD of the kernel is 253.
FDS_MAX = 253

_IN_A_FILE = "in a file"
_FD_SIZE = array.array("i").itemsize
_CREDENTIALS = struct.Struct("=iII")
_ANCILLARY = socket.CMSG_SPACE(FDS_MAX * _FD_SIZE) + socket.CMSG_SPACE(_CREDENTIALS.size)


class Nonsense(CornError):
    """The other side has sent what is no message: its descriptor has fallen into other hands."""


@dataclass(frozen=True)
class Message:
    """One packet: what is asked or told, its fields, the file descriptors that came with it, and the pid of
    its sender as the kernel tells it to the master (0 to a child)."""

    kind: str
    fields: dict[str, Any]
    fds: tuple[int, ...] = ()
    sender: int = 0


def packets(what: str) -> tuple[socket.socket, socket.socket]:
    """A pair of sockets that keep messages apart; raises Unavailable with the name of what it was for."""
    try:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    except OSError as error:
        raise Unavailable(f"no {what}: {error.strerror}") from error


class Lifeline:
    """One end of the pair. Whoever holds it may `receive` without waiting."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock

    @classmethod
    def pair(cls) -> "tuple[Lifeline, socket.socket]":
        """(the master's end, the child's end still as a socket, to be handed over); raises Unavailable."""
        mine, theirs = packets("lifeline")
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        return cls(mine), theirs

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, kind: str, fds: tuple[int, ...] = (), **fields: Any) -> bool:
        """Sends one message; False when the other side is gone or does not read."""
        payload = json.dumps([kind, fields]).encode()
        try:
            if len(payload) <= PACKET_MAX:
                self._send(payload, fds)
            else:
                file = os.memfd_create("corn-message", os.MFD_CLOEXEC)
                try:
                    with open(file, "wb", closefd=False) as stream:
                        stream.write(payload)
                    self._send(json.dumps([_IN_A_FILE, {}]).encode(), (*fds, file))
                finally:
                    os.close(file)
        except OSError:
            return False
        return True

    def _send(self, payload: bytes, fds: tuple[int, ...]) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self._socket.sendmsg([payload], rights, socket.MSG_NOSIGNAL)

    def receive(self) -> Message | None:
        """The next message, or None when there is none now.

        Raises EOFError when the other side is gone, Nonsense when what came is no message.
        """
        try:
            payload, ancillary, flags, _address = self._socket.recvmsg(
                PACKET_MAX + 1, _ANCILLARY, socket.MSG_CMSG_CLOEXEC
            )
        except BlockingIOError:
            return None
        except ConnectionResetError:
            raise EOFError from None
        fds, sender = _beside(ancillary)
        if not payload and not fds:
            raise EOFError
        try:
            if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
                raise Nonsense("it was cut off")
            kind, fields = _read(payload)
            if kind == _IN_A_FILE and fds:
                *rest, file = fds
                kind, fields = _read(os.pread(file, FILE_MAX, 0))
                os.close(file)
                fds = tuple(rest)
        except (Nonsense, OSError):
            for fd in fds:
                os.close(fd)
            raise Nonsense("what came over the lifeline is no message") from None
        return Message(kind, fields, fds, sender)

    def is_over(self) -> bool:
        """Whether the other side is gone, and all that it had to say has been received."""
        try:
            return not self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def close(self) -> None:
        self._socket.close()


def _read(payload: bytes) -> tuple[str, dict[str, Any]]:
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        raise Nonsense("no JSON") from None
    match message:
        case [str(kind), dict(fields)]:
            return kind, fields
    raise Nonsense("no message")


def _beside(ancillary: list[tuple[int, int, bytes]]) -> tuple[tuple[int, ...], int]:
    """(descriptors, the sender's pid) of what came beside a packet (unix(7))."""
    fds = array.array("i")
    sender = 0
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % _FD_SIZE])
        elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) >= _CREDENTIALS.size:
            sender = _CREDENTIALS.unpack_from(data)[0]
    return tuple(fds), sender
