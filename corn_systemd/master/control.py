"""The control socket: HTTP/1.1 with JSON over a unix socket, for the verbs of the command line.

    curl --unix-socket /run/corn/shop/control http://corn/status

A request each connection, no bodies, never a wait: a slow asker is dropped. Whoever may connect may ask;
the socket's mode says who.
"""

import json
import os
import select
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from .. import listeners
from ..errors import BadRequest
from ..http.lines import limits
from ..http.request import parse
from ..settings.kinds import COUNT_OR_AUTO, Address
from .course import Course
from .job_desk import JobDesk, NoSuchJob, NothingNow, NotNow
from .status import Overview

_LIMITS = limits(head_max=8192, line_max=2048, fields_max=32, body_max=0)
_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
# They are people and monitors. One more, and the one who has been silent for longest is dropped.
_MOST = 64
# Seconds in which a question must have been asked and its answer taken.
_PATIENCE = 10.0


class Instance(Protocol):
    """What can be asked of the master."""

    overview: Overview
    course: Course
    job_desk: JobDesk


@dataclass(eq=False)
class _Asker:
    socket: socket.socket
    heard: bytes = b""
    unsent: bytes = b""
    reload: int = 0
    """The number of the reload whose outcome it waits for."""
    run: str = ""
    """The run of a job whose end it waits for, while what is printed comes to it from elsewhere."""
    since: float = 0.0

    @property
    def waits(self) -> bool:
        """Whether it waits for us, however long that takes."""
        return bool(self.reload or self.run)


@dataclass(eq=False)
class Control:
    """The socket at `path` and whoever is connected to it."""

    path: str
    listener: socket.socket
    _epoll: select.epoll | None = None
    _askers: dict[int, _Asker] = field(default_factory=dict)
    _is_accepting: bool = True

    @classmethod
    def create(cls, path: str) -> "Control":
        """Listens at `path`; ConfigError names what stands in the way."""
        return cls(path, listeners.bind(Address("unix", path=path, mode=0o660)))

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
        if b"\r\n\r\n" in asker.heard and not asker.waits:
            self._answer(asker, instance)

    def reloaded(self, number: int, outcome: dict[str, Any]) -> None:
        """Tells all who wait for this reload, or an earlier one."""
        for asker in list(self._askers.values()):
            if 0 < asker.reload <= number:
                self._say(asker, 200 if outcome["ok"] else 500, outcome)

    @property
    def has_askers(self) -> bool:
        """Whether anybody asks, or waits for an outcome."""
        return bool(self._askers)

    def look(self, now: float) -> None:
        """Drops who has been silent for too long, and accepts again if that had failed."""
        for asker in list(self._askers.values()):
            asker.since = asker.since or now
            if not asker.waits and now - asker.since > _PATIENCE:
                self._drop(asker)
        if self._epoll is not None and not self._is_accepting:
            self._epoll.register(self.listener.fileno(), select.EPOLLIN)
            self._is_accepting = True

    def close(self) -> None:
        for asker in list(self._askers.values()):
            self._drop(asker)
        self.listener.close()
        try:
            os.unlink(self.path)
        except OSError:
            pass

    def _accept(self) -> None:
        assert self._epoll is not None
        try:
            client, _address = self.listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError:
            # No descriptor left: asking again at once would turn for nothing.
            self._epoll.unregister(self.listener.fileno())
            self._is_accepting = False
            return
        client.setblocking(False)
        if len(self._askers) >= _MOST:
            silent = [one for one in self._askers.values() if not one.waits]
            self._drop(silent[0] if silent else next(iter(self._askers.values())))
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
                waiting = sum(one.reload > 0 for one in self._askers.values())
                self._say(asker, 200, {**instance.overview.report(time.monotonic()), "waiting": waiting})
            case "POST", "/reload":
                asker.reload, refusal = instance.course.reload()
                if refusal:
                    self._say(asker, 503, {"ok": False, "error": refusal})
            case "POST", "/scale":
                self._say(asker, *_scale(request.query, instance))
            case "GET", "/jobs":
                self._say(asker, 200, instance.job_desk.report())
            case "POST", path if path.startswith("/jobs/"):
                self._order(asker, path.removeprefix("/jobs/"), request.query, instance.job_desk)
            case _, "/status" | "/reload" | "/scale" | "/jobs":
                known = "GET /status, POST /reload, POST /scale, GET /jobs"
                self._say(asker, 405, {"ok": False, "error": known})
            case _:
                self._say(asker, 404, {"ok": False, "error": f"no {request.path} here"})

    def _order(self, asker: _Asker, path: str, query: str, desk: JobDesk) -> None:
        """Something is to be done about a job."""
        name, _, deed = path.rpartition("/")
        waits = deed == "run" and "wait=1" in query.split("&")
        try:
            if deed in ("pause", "resume"):
                self._say(asker, 200, {"ok": True, "outlook": desk.switch(name, deed)})
            elif deed == "run":
                # What it prints goes straight from its worker to who asks, behind this head.
                run = desk.run(name, os.dup(asker.socket.fileno()) if waits else -1)
                if waits:
                    asker.run, asker.unsent = run, _STREAM
                    self._send(asker)
                else:
                    self._say(asker, 202, {"ok": True, "run": run})
            else:
                self._say(asker, 404, {"ok": False, "error": f"a job can not {deed}: run, pause or resume"})
        except NoSuchJob as error:
            self._say(asker, 404, {"ok": False, "error": str(error)})
        except NotNow as error:
            status = 503 if isinstance(error, NothingNow) else 409
            self._say(asker, status, {"ok": False, "error": str(error)})
        except OSError as error:
            self._say(asker, 503, {"ok": False, "error": f"no descriptor: {error.strerror}"})

    def ran(self, run: str, outcome: dict[str, Any]) -> None:
        """Tells who has looked on how it has ended."""
        for asker in list(self._askers.values()):
            if asker.run == run:
                asker.run = ""
                # A line of its own, also where its worker has left one without an end.
                asker.unsent += b"\n" + json.dumps(outcome).encode() + b"\n"
                self._send(asker)

    def _say(self, asker: _Asker, status: int, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {'OK' if status == 200 else 'Error'}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        asker.reload = 0
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
        elif asker.run:
            self._epoll.modify(asker.socket.fileno(), select.EPOLLIN)
        else:
            self._drop(asker)

    def _drop(self, asker: _Asker) -> None:
        assert self._epoll is not None
        self._epoll.unregister(asker.socket.fileno())
        del self._askers[asker.socket.fileno()]
        asker.socket.close()


def _scale(query: str, instance: Instance) -> tuple[int, dict[str, Any]]:
    """(status, answer) for `workers=N` or `workers=auto`."""
    name, _, text = query.partition("=")
    try:
        if name != "workers":
            raise ValueError
        workers = COUNT_OR_AUTO.read([text])
    except ValueError:
        return 400, {"ok": False, "error": f"workers= must be {COUNT_OR_AUTO.expects}"}
    refusal = instance.course.scale(workers)
    if refusal:
        return 503, {"ok": False, "error": refusal}
    return 200, {"ok": True, **instance.overview.report(time.monotonic())["scaling"]}
