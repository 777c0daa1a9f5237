"""One request, read by corn, by h11 and by httptools (llhttp), each told in the same words.

Every reader gets the bytes from where a request begins, and says where it ends. Judges nothing.
"""

from dataclasses import dataclass
from typing import Any

import h11
import httptools

from corn_systemd.errors import BadRequest
from corn_systemd.http.connection import RequestParser
from corn_systemd.http.lines import Limits, limits

LIMITS = limits(head_max=32 * 1024, line_max=8 * 1024, fields_max=100, body_max=128 * 1024 * 1024)

ACCEPTED, REFUSED, OPEN = "accepted", "refused", "open"


@dataclass(frozen=True)
class Head:
    method: str
    target: str
    minor: int
    fields: dict[str, str]
    """As an environ would have them."""
    framing: int | str
    """Bytes of the body, or "chunked"."""


@dataclass(frozen=True)
class Reading:
    """What a reader made of some bytes. OPEN: it waits for more of them."""

    outcome: str
    head: Head | None = None
    body: bytes = b""
    end: int = -1
    """Where the next request would begin."""
    keeps: bool | None = None
    """Whether there may be a next request; None where the reader has no say."""
    reason: str = ""
    switched: bool = False
    """Whether it gave up reading HTTP behind this head, for another protocol."""


def by_corn(data: bytes, limits: Limits = LIMITS) -> Reading:
    parser = RequestParser(limits)
    head: Head | None = None
    try:
        found = parser.head(data)
        if found is None:
            return Reading(OPEN)
        framing = "chunked" if found.length is None else found.length
        head = Head(found.method, found.target, found.minor, told(found.fields), framing)
        body = b""
        if framing:
            piece = parser.body(b"")
            body = b"".join(piece.body)
            if piece.rest is None:
                return Reading(OPEN, head, body)
    except BadRequest as error:
        return Reading(REFUSED, head, reason=error.reason)
    return Reading(ACCEPTED, head, body, len(data) - len(parser.buffer), found.keep)


def by_h11(data: bytes) -> Reading:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    head: Head | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return Reading(OPEN, head, body)
            if isinstance(event, h11.Request):
                head = head_of(event.method, event.target, event.http_version.decode(), list(event.headers))
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
    except h11.RemoteProtocolError as error:
        return Reading(REFUSED, head, reason=str(error))
    assert head is not None
    # It knows no keep-alive in HTTP/1.0, and no close where another protocol was asked for.
    has_a_say = head.minor and connection.their_state is not h11.MIGHT_SWITCH_PROTOCOL
    keeps = connection.their_state is not h11.MUST_CLOSE if has_a_say else None
    return Reading(ACCEPTED, head, body, len(data) - len(connection.trailing_data[0]), keeps)


class Callbacks:
    """What llhttp tells while it reads one request."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.target = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.head: Head | None = None
        self.is_over = self.keeps = False

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is None:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self.head = head_of(method, self.target, version, self.fields)

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.is_over = True
        self.keeps = self.parser.should_keep_alive()


def by_httptools(data: bytes) -> Reading:
    seen = Callbacks()
    # Byte by byte, as it does not say where a request ends.
    for end in range(1, len(data) + 1):
        try:
            seen.parser.feed_data(data[end - 1 : end])
        except httptools.HttpParserUpgrade:
            return Reading(ACCEPTED, seen.head, seen.body, end, switched=True)
        except httptools.HttpParserError as error:
            return Reading(REFUSED, seen.head, reason=str(error))
        if seen.is_over:
            return Reading(ACCEPTED, seen.head, seen.body, end, seen.keeps)
    return Reading(OPEN, seen.head, seen.body)


OPPONENTS = {"h11": by_h11, "httptools": by_httptools}


def head_of(method: bytes, target: bytes, version: str, pairs: list[tuple[bytes, bytes]]) -> Head:
    """An opponent's head, its fields as corn's rules for an environ have them."""
    fields: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip(" \t")
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        joint = "; " if key == "HTTP_COOKIE" else ", "
        fields[key] = fields[key] + joint + value if key in fields else value
    framing: Any = "chunked" if "HTTP_TRANSFER_ENCODING" in fields else fields.get("CONTENT_LENGTH", "0")
    if framing.isdigit():
        framing = int(framing)
    text = target.decode("latin-1")
    if text[:1] not in ("/", "*") and "://" in text:
        # RFC 9112, 3.2.2.
        fields["HTTP_HOST"] = text.partition("://")[2].partition("/")[0].partition("?")[0]
    return Head(method.decode("latin-1"), text, int(version[2:]), told(fields), framing)


def told(fields: dict[str, str]) -> dict[str, str]:
    """The names of codings in one case (RFC 9112, 7), as h11 has them."""
    if "HTTP_TRANSFER_ENCODING" in fields:
        return fields | {"HTTP_TRANSFER_ENCODING": fields["HTTP_TRANSFER_ENCODING"].lower()}
    return fields
