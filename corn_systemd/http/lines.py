"""The lines of a head, one at a time, and how long they may be.

The same bytes are refused for the same reason however they arrive: each line is judged when its end is
there, in the order of the bytes. Knows nothing of what fields mean together.
"""

import sys
from typing import NamedTuple

from ..errors import BadRequest
from . import grammar


class Limits(NamedTuple):
    """What a client may send. There is no zero that means off here: see `limits`."""

    head_max: int
    line_max: int
    fields_max: int
    body_max: int
    quick_max: int
    """A head this long can break neither of the first two."""


def limits(head_max: int, line_max: int, fields_max: int, body_max: int) -> Limits:
    """Limits from settings, where 0 is off."""
    head, line, count, body = (value or sys.maxsize for value in (head_max, line_max, fields_max, body_max))
    return Limits(head, line, count, body, min(head, line))


def request_line(line: str) -> tuple[str, str, str, str, int, str | None]:
    """(method, target, path, query, minor version, host of an absolute target)."""
    parts = line.split(" ")
    if len(parts) != 3 or grammar.has_control(line):
        raise BadRequest(400, "bad request line")
    method, target, version = parts
    if not grammar.http_version(version):
        raise BadRequest(400, "bad HTTP version")
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        # Also the preface of HTTP/2 (RFC 9113, 3.4).
        raise BadRequest(505, "this server speaks HTTP/1.1 and HTTP/1.0")
    if not grammar.is_token(method):
        raise BadRequest(400, "bad method")
    if method == "CONNECT":
        raise BadRequest(501, "this server is no proxy")
    minor = 1 if version == "HTTP/1.1" else 0
    if match := grammar.origin_form(target):
        return method, target, unescaped(match[1]), match[2] or "", minor, None
    if match := grammar.absolute_form(target):
        if not is_host(match[1]):
            raise BadRequest(400, "bad host in the target")
        path = unescaped(match[2] or "")
        if not path:
            # RFC 9112, 3.2.4: OPTIONS for the server as a whole, as a proxy's last hop would send it.
            path = "*" if method == "OPTIONS" and match[3] is None else "/"
        return method, target, path, match[3] or "", minor, match[1]
    if target == "*" and method == "OPTIONS":
        return method, target, "*", "", minor, None
    raise BadRequest(400, "bad target")


def field_line(line: str) -> tuple[str, str]:
    """(name, value without the blanks around it) of one line."""
    name, colon, value = line.partition(":")
    if not colon or not grammar.is_token(name):
        # Also a blank before the colon, and a line folded from the one before (RFC 9112, 5.1 and 5.2).
        raise BadRequest(400, "bad header field")
    if grammar.has_control(value):
        raise BadRequest(400, "bad character in a header field")
    return name, value.strip(" \t")


def unescaped(path: str) -> str:
    if grammar.has_bad_escape(path):
        raise BadRequest(400, "bad escape in the target")
    return grammar.unescape(path)


HOSTS: set[str] = set()


def is_host(text: str) -> bool:
    if text in HOSTS:
        return True
    match = grammar.host(text)
    if match is None or int(match[1] or 0) > 65535:
        return False
    if len(HOSTS) >= 256:
        HOSTS.clear()
    HOSTS.add(text)
    return True


class HeadWalk:
    """Goes over a head as far as it has come, checking each line when its end is there, each byte once.

    It finds what no further byte can mend, at the first byte where that is so.
    """

    __slots__ = ("count", "limits", "line_start", "searched")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.line_start = self.searched = self.count = 0

    def advance(self, head: bytes | bytearray) -> bool:
        """Whether the head is whole: it ends at `line_start`. `head` begins as it did at the last call.

        Raises BadRequest.
        """
        while True:
            end = head.find(b"\n", self.searched)
            self._bound(len(head) if end < 0 else end)
            if end < 0:
                self.searched = len(head)
                return False
            line = head[self.line_start : end].decode("latin-1")
            self._check(line)
            self.searched = self.line_start = end + 1
            if line == "\r":
                return True
            self.count += 1

    def _bound(self, seen: int) -> None:
        limits = self.limits
        line_at = self.line_start + limits.line_max + len("\r") + 1
        if seen >= line_at and line_at <= limits.head_max + 1:
            if self.count:
                raise BadRequest(431, "a header field is too long")
            raise BadRequest(414, "the target is too long")
        if seen > limits.head_max:
            raise BadRequest(431, "the head is too long")

    def _check(self, line: str) -> None:
        if line[-1:] != "\r":
            raise BadRequest(400, "bare LF")
        if self.count == 0:
            request_line(line[:-1])
        elif line != "\r":
            field_line(line[:-1])
            if self.count > self.limits.fields_max:
                raise BadRequest(431, "too many header fields")
