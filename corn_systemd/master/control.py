"""The control socket: HTTP/1.1 with JSON over a unix socket, for the verbs of the command line.

    curl --unix-socket /run/corn/shop/control http://corn/status

A request each connection, no bodies, never a wait: a slow asker is dropped. Whoever may connect may ask;
the socket's mode says who.
"""

import json
import os
import select
import socket
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import BadRequest
from ..http.lines import limits
from ..http.request import parse

_LIMITS = limits(head_max=8192, line_max=2048, fields_max=32, body_max=0)
# More askers at once than this are turned away: they are people and monitors.
_MOST = 64


class Instance(Protocol):
    """What can be asked of the master."""

    def report(self) -> dict[str, Any]: ...

    def reload(self) -> str: ...


@dataclass(eq=False)
class _Asker:
    socket: socket.socket
    heard: bytes = b""
    unsent: bytes = b""
    waits_for_reload: bool = False


@dataclass(eq=False)
class Control:
    """The socket at `path` and whoever is connected to it."""

    path: str
    listener: socket.socket
    _epoll: select.epoll | None = None
    _askers: dict[int, _Asker] = field(default_factory=dict)

    def register(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        epoll.register(self.listener.fileno(), select.EPOLLIN)

    def owns(self, fd: int) -> bool:
        return fd == self.listener.fileno() or fd in self._askers

    def heed(self, fd: int, instance: Instance) -> None:
        """Something has happened at `fd`."""
        if fd == self.listener.fileno():
            self._accept()
            return
        asker = self._askers[fd]
        if asker.unsent:
            self._send(asker)
            return
        try:
            data = asker.socket.recv(8192)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or len(asker.heard) > _LIMITS.head_max:
            # Gone: a reload that was asked for goes on all the same.
            self._drop(asker)
            return
        asker.heard += data
        if b"\r\n\r\n" in asker.heard and not asker.waits_for_reload:
            self._answer(asker, instance)

    def reloaded(self, outcome: dict[str, Any]) -> None:
        """Tells all who wait for the end of a reload."""
        for asker in list(self._askers.values()):
            if asker.waits_for_reload:
                self._say(asker, 200 if outcome["ok"] else 500, outcome)

    def close(self) -> None:
        for asker in list(self._askers.values()):
            self._drop(asker)
        self.listener.close()
        try:
            os.unlink(self.path)
        except OSError:
            pass

    def _accept(self) -> None:
        try:
            client, _address = self.listener.accept()
        except OSError:
            return
        client.setblocking(False)
        if len(self._askers) >= _MOST or self._epoll is None:
            client.close()
            return
        self._askers[client.fileno()] = _Asker(client)
        self._epoll.register(client.fileno(), select.EPOLLIN)

    def _answer(self, asker: _Asker, instance: Instance) -> None:
        try:
            request = parse(asker.heard.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", _LIMITS)
        except BadRequest as error:
            self._say(asker, error.status, {"ok": False, "error": error.reason})
            return
        match request.method, request.path:
            case "GET", "/status":
                self._say(asker, 200, instance.report())
            case "POST", "/reload":
                asker.waits_for_reload = True
                refusal = instance.reload()
                if refusal:
                    self._say(asker, 503, {"ok": False, "error": refusal})
            case _, "/status" | "/reload":
                self._say(asker, 405, {"ok": False, "error": "GET /status, POST /reload"})
            case _:
                self._say(asker, 404, {"ok": False, "error": f"no {request.path} here"})

    def _say(self, asker: _Asker, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        asker.waits_for_reload = False
        asker.unsent = head.encode() + body
        self._send(asker)

    def _send(self, asker: _Asker) -> None:
        assert self._epoll is not None
        try:
            sent = asker.socket.send(asker.unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(asker)
            return
        asker.unsent = asker.unsent[sent:]
        if asker.unsent:
            self._epoll.modify(asker.socket.fileno(), select.EPOLLOUT)
        else:
            self._drop(asker)

    def _drop(self, asker: _Asker) -> None:
        assert self._epoll is not None
        self._epoll.unregister(asker.socket.fileno())
        del self._askers[asker.socket.fileno()]
        asker.socket.close()
