"""The last deed of a master that can not start: whoever waits in the backlog is told so.

A connection that nobody accepts would wait for ever, and would make systemd start the instance again at
once (systemd.socket(5)): one answer each, then the sockets are quiet.
"""

import socket
from collections.abc import Sequence

# As many as any backlog holds; a client that comes later is not our concern any more.
_MOST = 4096
_MOST_READS = 16
_BODY = b"The application can not be started. The journal of the service says why.\n"
_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nRetry-After: 30\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


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
                _answer(client)
    return count


def _answer(client: socket.socket) -> None:
    client.setblocking(False)
    try:
        # What was sent is read first: closing over unread bytes would reset the answer away.
        # Not for ever: one that sends faster than this reads would hold up all the others.
        for _ in range(_MOST_READS):
            if not client.recv(65536):
                break
    except OSError:
        pass
    try:
        client.send(_ANSWER)
        client.shutdown(socket.SHUT_WR)
    except OSError:
        pass
