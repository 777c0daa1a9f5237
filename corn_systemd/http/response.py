"""The head of an answer: the application's status and fields -> checked text -> bytes.

What an application may not say (PEP 3333: CR, LF, NUL, hop-by-hop fields, a status without a reason) is an
AppError at the call that said it. Sends nothing, and does not ask for the time: `http_date` is told.
"""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

from ..errors import AppError
from . import grammar

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

# RFC 9110, 7.6.1 and RFC 2616, 13.5.1: fields about this very connection, which is the server's.
HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)

# What a field means to us; most mean nothing.
PLAIN, IS_LENGTH, IS_DATE = range(3)


class StatusLine(NamedTuple):
    """A status as the application gave it, ready to be sent."""

    text: str
    has_body: bool
    """False for 204 and 304, whose answers end with the head (RFC 9112, 6.3)."""


class StatusLines(dict[str, StatusLine]):
    """Status -> StatusLine, checked once each. Bounded, as applications may invent reasons."""

    BOUND = 256

    def __missing__(self, status: str) -> StatusLine:
        if not isinstance(status, str):
            raise AppError(f"the status is {_a(status)}, not a str")
        if not grammar.status_line(status):
            raise AppError(f"the status {status!r} is not three digits from 200 on, a space and a reason")
        line = StatusLine(f"HTTP/1.1 {status}\r\n", status[:3] not in ("204", "304"))
        if len(self) >= self.BOUND:
            self.clear()
        self[str(status)] = line
        return line


class AnswerNames(dict[str, int]):
    """Field name as the application gave it -> what it means to us, checked once each. Bounded."""

    BOUND = 1024

    def __missing__(self, name: str) -> int:
        if not isinstance(name, str):
            raise AppError(f"a header name is {_a(name)}, not a str")
        if not grammar.is_token(name):
            raise AppError(f"the header name {name!r} is not a token")
        lower = name.lower()
        if lower in HOP_BY_HOP:
            raise AppError(f"the header {name} is about the connection, which is not the application's")
        meaning = {"content-length": IS_LENGTH, "date": IS_DATE}.get(lower, PLAIN)
        if len(self) >= self.BOUND:
            self.clear()
        self[str(name)] = meaning
        return meaning


class Fields(NamedTuple):
    """Checked fields: `text` is whole lines; `length` is what Content-Length says, if it is there."""

    text: str
    length: int | None
    is_dated: bool


STATUS_LINES = StatusLines()
_NAMES = AnswerNames()
_new = tuple.__new__


def fields(headers: Sequence[tuple[str, str]]) -> Fields:
    """The application's headers as text. Raises AppError, TypeError or ValueError for what is no header."""
    text = ""
    is_plain = True
    length: int | None = None
    is_dated = False
    meanings = _NAMES
    for name, value in headers:
        meaning = meanings[name]
        text += name + ": " + value + "\r\n"
        if not value.isprintable():
            is_plain = False
        if meaning == IS_LENGTH:
            if length is not None:
                raise AppError("more than one Content-Length")
            if not grammar.content_length(value):
                raise AppError(f"the Content-Length {value!r} is not a number")
            length = int(value)
        elif meaning:
            is_dated = True
    if not is_plain or not text.isascii():
        _look(headers)
    return _new(Fields, (text, length, is_dated))


def _look(headers: Sequence[tuple[str, str]]) -> None:
    """Tabs and obs-text (RFC 9110, 5.5) may be sent, and are seldom."""
    for name, value in headers:
        if grammar.has_control(value):
            raise AppError(f"the value of the header {name} holds what may not be sent: {value!r}")


def without_length(headers: Sequence[tuple[str, str]]) -> str:
    """The lines of checked headers but for Content-Length, which 204 may not have (RFC 9110, 8.6)."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers if _NAMES[name] != IS_LENGTH)


def _a(value: object) -> str:
    return f"a {type(value).__name__}"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(seconds: int) -> str:
    """Seconds since the epoch as IMF-fixdate (RFC 9110, 5.6.7); English, which strftime(3) need not be."""
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year:04} {moment:%H:%M:%S} GMT"
