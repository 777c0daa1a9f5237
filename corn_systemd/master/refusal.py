"""The last deed of a master: whoever still waits is told that nobody will serve him.

A connection that nobody accepts would wait for ever, and would make systemd start an instance that can not
start again at once (systemd.socket(5)): one answer each, then the sockets are quiet. A connection in the
relay would be reset.
"""

import os
import socket
from collections.abc import Sequence

from ..lifeline import Nonsense
from ..relay import Relay

# As many as any backlog holds; a client that comes later is not our concern any more.
_MOST = 4096
_MOST_READS = 16


def _answer(body: bytes, retry_after: int) -> bytes:
    return (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: %d\r\nRetry-After: %d\r\nConnection: close\r\n\r\n%s"
        % (len(body), retry_after, body)
    )


_CAN_NOT_START = _answer(b"The application can not be started. The journal of the service says why.\n", 30)
_STOPS = _answer(b"The server is being restarted.\n", 1)


def answer_waiting(listeners: Sequence[socket.socket]) -> int:
    """Answers 503 to all connections that wait now, without waiting for any; returns how many."""
    count = 0
    for listener in listeners:
        listener.setblocking(False)
        while count < _MOST:
            try:
                client, _address = listener.accept()
            except OSError:
                break
            count += 1
            with client:
                _read(client)
                _end(client, _CAN_NOT_START)
    return count


def answer_relayed(relay: Relay) -> int:
    """The same for those whom no worker has taken before the last one left; who has asked for nothing, or
    has got a part of his answer, is only let go. Returns how many there were."""
    count = 0
    while count < _MOST:
        try:
            parcels = relay.take()
        except (EOFError, Nonsense):
            continue
        if not parcels:
            break
        for values, (fd, *others) in parcels:
            count += 1
            for other in others:
                os.close(other)
            with socket.socket(fileno=fd) as client:
                has_asked = _read(client) or "buffer" in values or "framing" in values
                _end(client, _STOPS if has_asked and "outbox" not in values else b"")
    return count


def _read(client: socket.socket) -> bool:
    """Whether there was something. What was sent is read first: closing over unread bytes would reset the
    answer away. Not for ever: one that sends faster than this reads would hold up all the others."""
    client.setblocking(False)
    count = 0
    try:
        while count < _MOST_READS and client.recv(65536):
            count += 1
    except OSError:
        pass
    return count > 0


def _end(client: socket.socket, answer: bytes) -> None:
    try:
        if answer:
            client.send(answer)
        client.shutdown(socket.SHUT_WR)
    except OSError:
        pass
