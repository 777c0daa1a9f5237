"""A sink that remembers, and a way to call an application with it."""

import io
import sys
from collections.abc import Callable, Sequence
from typing import Any

from corn_systemd.http.lines import limits
from corn_systemd.http.request import RequestHead, parse
from corn_systemd.wsgi.environ import base, environ
from corn_systemd.wsgi.gateway import Exchange

BASE = base(("shop", "8080"), sys.stderr, multiprocess=True)
DATE = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


class FakeSink:
    """Takes `room` bytes before it is full."""

    def __init__(self, room: int = 1 << 60) -> None:
        self.room = room
        self.left: list[bytes] = []
        self.ends: list[bool] = []
        self.is_full = self.is_hurried = False
        self.paces = 0
        self.heads = 0
        self.files = 0

    def head_leaves(self) -> None:
        self.heads += 1

    def send(self, pieces: Sequence[bytes], more: bool = False) -> None:
        self.left.append(b"".join(pieces))
        self.ends.append(more)
        self.room -= len(self.left[-1])
        self.is_full = self.room <= 0

    def measure(self, file: io.FileIO) -> int | None:
        return len(file.readall()) if file.name == "real" else None

    def pace(self) -> None:
        self.paces += 1

    def hurry(self) -> None:
        self.is_hurried = True

    def send_file(self, before: bytes, file: io.FileIO, position: int, count: int) -> int:
        raise AssertionError("no file here")

    def date_line(self) -> str:
        return DATE

    @property
    def data(self) -> bytes:
        return b"".join(self.left)


def a_head(line: str = "GET / HTTP/1.1", *fields: str) -> RequestHead:
    text = "\r\n".join((line, "Host: a", *fields, "", ""))
    return parse(text.encode("latin-1"), limits(0, 0, 0, 0))


def call(
    application: Callable[..., Any],
    line: str = "GET / HTTP/1.1",
    *fields: str,
    body: bytes = b"",
    sink: FakeSink | None = None,
) -> tuple[FakeSink, Exchange]:
    """One request, as far as it goes at the first turn."""
    sink = sink or FakeSink()
    head = a_head(line, *fields)
    exchange = Exchange(sink, head, head.keep)
    exchange.begin(application, environ(BASE, ("10.0.0.1", "5555"), head, io.BytesIO(body), "1", 0.0))
    return sink, exchange
