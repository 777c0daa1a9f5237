"""The head of a request: bytes -> RequestHead, or BadRequest(status, reason).

Two ways lead to the same result. `skim` is for what clients send: lines that are known already, or plain,
and it gives up at the slightest doubt. `examine` is for the rest: line by line, in the order of the
bytes, so that the same bytes are refused for the same reason however they arrive. Never reads, never waits.
"""

from typing import NamedTuple

from ..errors import BadRequest
from . import grammar
from .lines import HOSTS, HeadWalk, Limits, field_line, is_host, request_line, unescaped


class RequestHead(NamedTuple):
    """What was asked. `fields` has the names an environ has: HTTP_ACCEPT, CONTENT_TYPE, CONTENT_LENGTH."""

    method: str
    target: str
    path: str
    query: str
    minor: int
    fields: dict[str, str]
    keep: bool
    """Whether the client allows another request on the connection."""
    length: int | None
    """Bytes of the body, 0 for none, None where it comes in chunks."""
    expects: bool
    """Whether the client waits for `100 Continue` before it sends the body."""


class FieldNames(dict[str, str]):
    """Field name as sent -> environ key; "" for names that are dropped. Bounded: clients choose the names.

    A name with an underscore would shadow the one with a dash in the environ, so it is dropped.
    """

    # Names times the ways to write them: a site sees a few dozen.
    BOUND = 1024

    def __missing__(self, name: str) -> str:
        if not grammar.is_token(name):
            raise KeyError(name)
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        if "_" in name:
            key = ""
        if len(self) >= self.BOUND:
            self.clear()
        self[name] = key
        return key


class FieldLines(dict[str, tuple[str, str]]):
    """Line as sent -> (environ key, value) where there is no doubt, checked once each. Bounded.

    Clients repeat themselves: most lines of a browser's head are those of its last one, and of others'.
    Finding one takes 0.1 µs, reading it 0.6. What is a client's own secret is not held.
    """

    BOUND = 1024
    LINE_MAX = 256

    def __missing__(self, line: str) -> tuple[str, str]:
        match = grammar.plain_field(line)
        if match is None:
            raise KeyError(line)
        name, value = match.groups()
        key = KEYS[name]
        if not key:
            raise KeyError(line)
        if len(line) <= self.LINE_MAX and key not in SECRETS:
            if len(self) >= self.BOUND:
                self.clear()
            self[line] = key, value
        return key, value


KEYS = FieldNames()
LINES = FieldLines()
SECRETS = frozenset(("HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION"))
_KEEP = {"keep-alive": True, "Keep-Alive": True, "close": False, "Close": False}
_new = tuple.__new__


def parse(head: bytes, limits: Limits) -> RequestHead:
    """One whole head, with the empty line at its end."""
    return skim(head, limits) or examine(head, limits)


def skim(head: bytes, limits: Limits) -> RequestHead | None:
    """The head that `head` is, None where that is not certain: there may be two of them."""
    if len(head) > limits.quick_max:
        # The head or a line may be too long; only the longer way looks.
        return None
    lines = head.decode("latin-1").split("\r\n")
    count = len(lines) - 3
    match = grammar.origin_line(lines[0])
    if match is None or count > limits.fields_max:
        return None
    fields = {}
    known = LINES
    try:
        for line in lines[1:-2]:
            key, value = known[line]
            fields[key] = value
    except KeyError:
        return None
    if len(fields) != count:
        # Repeated.
        return None
    method, target, path, query, minor = match.groups("")
    if "%" in path:
        path = unescaped(path)
    return _judge(method, target, path, query, 1 if minor == "1" else 0, fields, limits)


def examine(head: bytes, limits: Limits) -> RequestHead:
    """The same by the longer way."""
    walk = HeadWalk(limits)
    walk.advance(head)
    if len(head) > limits.head_max:
        raise BadRequest(431, "the head is too long")
    first, *rest = head[:-4].decode("latin-1").split("\r\n")
    method, target, path, query, minor, authority = request_line(first)
    fields: dict[str, str] = {}
    for line in rest:
        name, value = field_line(line)
        key = KEYS[name]
        if not key:
            continue
        if key not in fields:
            fields[key] = value
        elif key == "HTTP_HOST":
            raise BadRequest(400, "more than one Host")
        elif key == "CONTENT_LENGTH":
            # RFC 9110, 8.6 lets equal ones pass; one who repeats himself here is not to be trusted.
            raise BadRequest(400, "more than one Content-Length")
        else:
            # RFC 9110, 5.3; RFC 6265, 5.4 for cookies split by HTTP/2 gateways.
            fields[key] += ("; " if key == "HTTP_COOKIE" else ", ") + value
    if authority is not None:
        if minor == 1 and "HTTP_HOST" not in fields:
            raise BadRequest(400, "no Host")
        if not is_host(fields.get("HTTP_HOST", authority)):
            raise BadRequest(400, "bad Host")
        # RFC 9112, 3.2.2: the target's host replaces the field.
        fields["HTTP_HOST"] = authority
    return _judge(method, target, path, query, minor, fields, limits)


def _judge(
    method: str,
    target: str,
    path: str,
    query: str,
    minor: int,
    fields: dict[str, str],
    limits: Limits,
) -> RequestHead:
    """What the fields mean together: host, framing, persistence, expectation."""
    host = fields.get("HTTP_HOST")
    if host is None:
        if minor:
            raise BadRequest(400, "no Host")
    elif host not in HOSTS and not is_host(host):
        raise BadRequest(400, "bad Host")
    connection = fields.get("HTTP_CONNECTION")
    if connection is None:
        keep = minor == 1
    elif (known := _KEEP.get(connection)) is not None:
        keep = known
    else:
        keep = _keeps(connection, minor)
    length: int | None = 0
    expects = False
    if "CONTENT_LENGTH" in fields or "HTTP_TRANSFER_ENCODING" in fields:
        length = _framing(fields, minor, limits)
    if "HTTP_EXPECT" in fields and minor:
        # RFC 9110, 10.1.1: HTTP/1.0 has no expectations.
        if fields["HTTP_EXPECT"].lower() != "100-continue":
            raise BadRequest(417, "the only expectation known is 100-continue")
        expects = length != 0
    return _new(RequestHead, (method, target, path, query, minor, fields, keep, length, expects))


def _keeps(connection: str, minor: int) -> bool:
    options = {option.strip(" \t").lower() for option in connection.split(",")}
    return "close" not in options and (minor == 1 or "keep-alive" in options)


def _framing(fields: dict[str, str], minor: int, limits: Limits) -> int | None:
    """How long the body is, None for chunks (RFC 9112, 6)."""
    codings = fields.get("HTTP_TRANSFER_ENCODING")
    if codings is None:
        text = fields["CONTENT_LENGTH"]
        if not grammar.content_length(text):
            raise BadRequest(400, "bad Content-Length")
        length = int(text)
        if length > limits.body_max:
            raise BadRequest(413, "the body is too long")
        return length
    if "CONTENT_LENGTH" in fields:
        raise BadRequest(400, "Content-Length with Transfer-Encoding")
    if not minor:
        raise BadRequest(400, "Transfer-Encoding in HTTP/1.0")
    names = [name.strip(" \t").lower() for name in codings.split(",")]
    if names == ["chunked"]:
        return None
    if names[-1] == "chunked" and "chunked" not in names[:-1]:
        raise BadRequest(501, "the only transfer coding known is chunked")
    raise BadRequest(400, "bad Transfer-Encoding")
