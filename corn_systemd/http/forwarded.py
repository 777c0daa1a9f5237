"""What proxies in front say of a request: Forwarded (RFC 7239) and the X-Forwarded fields.

A proxy adds to the right of what it was sent, so a chain is read from the right, as far as its addresses
are trusted: what lies left of the first other one is that client's own tale, and is not looked at. Knows
addresses only through the `Readers` it is given; never decides whose peer is trusted.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from ..errors import BadRequest
from . import grammar
from .lines import is_host

FORWARDED = "HTTP_FORWARDED"
FOR, PROTO, HOST, PORT = (f"HTTP_X_FORWARDED_{name}" for name in ("FOR", "PROTO", "HOST", "PORT"))
HONOURED = (FORWARDED, FOR, PROTO, HOST, PORT)

# What only a proxy may say: some applications believe these, so a stranger's are dropped.
PROXY_FIELDS = frozenset(
    (
        *HONOURED,
        *(f"HTTP_X_FORWARDED_{name}" for name in ("BY", "PREFIX", "PROTOCOL", "SCHEME", "SERVER", "SSL")),
        "HTTP_X_REAL_IP",
        "HTTP_X_REQUEST_START",
    )
)

DEFAULT_PORTS = {"http": "80", "https": "443"}


class Readers(Protocol):
    """Whoever knows addresses."""

    def read(self, text: str) -> str | None:
        """The canonical spelling of an IP address; None if it is none."""

    def trusts(self, address: str) -> bool:
        """Whether a proxy at that (canonical) address is believed; "" is a unix socket."""


class Told(NamedTuple):
    """What was said; "" and None stand for what was not."""

    client: tuple[str, str] | None = None
    """(address, port); both are empty for a client whose address a proxy does not know, or hides."""
    scheme: str = ""
    host: str = ""
    port: str = ""


# Both kinds of nodes: RFC 7239, 6 has brackets around IPv6; in X-Forwarded-For they come with a port alone.
_node = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)|([0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*))"
    r"(?::([0-9]{1,5}|_[A-Za-z0-9._\-]+))?"
).fullmatch
_hidden = re.compile(
    r"(?:[Uu][Nn][Kk][Nn][Oo][Ww][Nn]|_[A-Za-z0-9._\-]+)(?::(?:[0-9]{1,5}|_[A-Za-z0-9._\-]+))?"
).fullmatch
_pair = re.compile(
    rf'[ \t]*([{grammar.TCHAR}]+)=(?:([{grammar.TCHAR}]+)|"((?:[^"\\]|\\.)*)")[ \t]*([;,]|$)'
).match
_port = re.compile(r"[1-9][0-9]{0,4}").fullmatch
_escape = re.compile(r"\\(.)").sub


def told(fields: Mapping[str, str], readers: Readers) -> Told:
    """What the fields of a trusted peer's request say. Raises BadRequest for what has no clear meaning.

    A proxy as a rule maintains one of the two kinds and lets the other pass, as the client wrote it: where
    both are there, what both tell must be the same.
    """
    new = _rfc7239(fields[FORWARDED], readers) if FORWARDED in fields else Told()
    old = _unofficial(fields, readers)
    mine, theirs = new.client, old.client
    is_one = not mine or not theirs or mine[0] == theirs[0]
    for said, other in zip(new[1:], old[1:], strict=True):
        is_one = is_one and (not said or not other or said == other)
    if not is_one:
        raise BadRequest(400, "Forwarded and X-Forwarded fields disagree")
    return Told(mine or theirs, new.scheme or old.scheme, new.host or old.host, new.port or old.port)


def _walk(nodes: Sequence[str | None], readers: Readers) -> tuple[int, tuple[str, str] | None]:
    """(how many proxies lie behind the client, the client) of nodes from left to right."""
    client: tuple[str, str] | None = None
    behind = -1
    for text in reversed(nodes):
        behind += 1
        if text is None:
            # An element without `for`: who it speaks of is the client as far as we know it.
            break
        address, port = _address(text, readers)
        client = address or "", port
        if address is None or not readers.trusts(address):
            break
    return max(behind, 0), client


def _address(text: str, readers: Readers) -> tuple[str | None, str]:
    """(address or None where it is hidden, port) of one node."""
    if text == "unix:":
        # What nginx calls a client at a unix socket.
        return "", ""
    match = _node(text)
    if match is None:
        if _hidden(text):
            return None, ""
        raise BadRequest(400, "bad address in a Forwarded or X-Forwarded-For field")
    address = readers.read(match[1] or match[2] or match[3])
    port = match[4] or ""
    if address is None or (port.isdecimal() and int(port) > 65535):
        raise BadRequest(400, "bad address in a Forwarded or X-Forwarded-For field")
    return address, "" if port.startswith("_") else port


def _rfc7239(value: str, readers: Readers) -> Told:
    elements = _elements(value)
    if not elements:
        return Told()
    hop, client = _walk([element.get("for") for element in elements], readers)
    element = elements[-1 - hop]
    host, port = _host(element.get("host", ""))
    return Told(client, _scheme(element.get("proto", "")), host, port)


def _elements(value: str) -> list[dict[str, str]]:
    """The list as a whole: an open quote anywhere would hide what follows it."""
    elements: list[dict[str, str]] = [{}]
    at = 0
    while at < len(value):
        match = _pair(value, at)
        if match is None:
            raise BadRequest(400, "bad Forwarded field")
        name = match[1].lower()
        if name in elements[-1]:
            raise BadRequest(400, "bad Forwarded field")
        elements[-1][name] = match[2] or _escape(r"\1", match[3] or "")
        at = match.end()
        if match[4] == ",":
            elements.append({})
        elif match[4] == ";" and at == len(value):
            raise BadRequest(400, "bad Forwarded field")
    if not elements[-1] and value:
        raise BadRequest(400, "bad Forwarded field")
    return elements if value else []


def _unofficial(fields: Mapping[str, str], readers: Readers) -> Told:
    hop, client = _walk(_list(fields.get(FOR, "")), readers)
    host, port = _host(_at(fields.get(HOST, ""), hop))
    told_port = _at(fields.get(PORT, ""), hop)
    if told_port and (not _port(told_port) or int(told_port) > 65535):
        raise BadRequest(400, "bad X-Forwarded-Port")
    return Told(client, _scheme(_at(fields.get(PROTO, ""), hop)), host, told_port or port)


def _list(value: str) -> list[str]:
    return [part for part in (part.strip(" \t") for part in value.split(",")) if part]


def _at(value: str, hop: int) -> str:
    """What the proxy said who stands `hop` places from the right in X-Forwarded-For.

    Some add to these fields and some replace them: in a shorter list it is the first.
    """
    parts = _list(value)
    return parts[max(-len(parts), -1 - hop)] if parts else ""


def _scheme(text: str) -> str:
    scheme = text.lower()
    if scheme not in ("", "http", "https"):
        raise BadRequest(400, "a proxy speaks of a scheme that is neither http nor https")
    return scheme


def _host(text: str) -> tuple[str, str]:
    """(host as told, its port)."""
    if not text:
        return "", ""
    if not is_host(text):
        raise BadRequest(400, "bad host in a Forwarded or X-Forwarded-Host field")
    return text, split_port(text)[1]


def split_port(host: str) -> tuple[str, str]:
    """(name, port) of a Host field's value; IPv6 keeps its brackets."""
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):
        return host, ""
    return name, port


def apply(said: Told, fields: dict[str, str]) -> None:
    """Writes into a request's fields what was told, over what the environ would say of the connection.

    The scheme and the host are the client's; SERVER_PORT is the port told, else the host's, else the
    scheme's own.
    """
    if not (said.scheme or said.host or said.port):
        return
    if said.scheme:
        fields["wsgi.url_scheme"] = said.scheme
    if said.host:
        fields["HTTP_HOST"] = said.host
        fields["SERVER_NAME"] = split_port(said.host)[0]
    port = said.port or split_port(fields.get("HTTP_HOST", ""))[1]
    fields["SERVER_PORT"] = port or DEFAULT_PORTS[said.scheme or "http"]
