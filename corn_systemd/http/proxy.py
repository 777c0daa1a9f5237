"""The PROXY protocol, versions 1 and 2: what a load balancer says of a connection before its first request.

Clauses are those of https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt. Bytes in, addresses out;
whether to believe them, and what an IPv6 address may look like, is for others to say.
"""

import re
from typing import NamedTuple

from ..errors import BadRequest

# 2.1: the longest line that version 1 can make, CR LF included.
LINE_MAX = 107
# Version 2 counts up to 64 KiB. A sender uses some hundred bytes, with a client's certificate some thousand.
BINARY_MAX = 4096

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_WORD = b"PROXY "
_PORT = rb"(0|[1-9][0-9]{0,4})"
_QUAD = rb"([0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})"
_COLONS = rb"([0-9A-Fa-f:.]{2,45})"
_tcp4 = re.compile(rb"TCP4 " + _QUAD + b" " + _QUAD + b" " + _PORT + b" " + _PORT).fullmatch
_tcp6 = re.compile(rb"TCP6 " + _COLONS + b" " + _COLONS + b" " + _PORT + b" " + _PORT).fullmatch

Endpoint = tuple[bytes | str, int]
"""(address, port): the address as text (version 1) or packed as in the kernel's structures (version 2)."""


class Introduction(NamedTuple):
    """A whole header: how many bytes it has, and the connection it speaks of.

    `client` None: the connection is the proxy's own (LOCAL, UNKNOWN); an empty address is a unix socket.
    """

    size: int
    client: Endpoint | None
    server: Endpoint | None


def introduction(data: bytes) -> Introduction | None:
    """What `data` begins with; None as long as it may become a header. Raises BadRequest when it cannot."""
    if data[:1] == b"P":
        return _line(data)
    if data[:12] != SIGNATURE[: len(data)]:
        raise BadRequest(400, "no PROXY header")
    return _binary(data)


def _line(data: bytes) -> Introduction | None:
    end = data.find(b"\r\n", 0, LINE_MAX)
    if end < 0:
        is_begun = data.startswith(_WORD) or _WORD.startswith(data)
        if not is_begun or len(data) >= LINE_MAX or b"\n" in data:
            raise BadRequest(400, "bad PROXY header")
        return None
    line = data[len(_WORD) : end]
    # A lone LF is refused above if it comes before the end does, so here too.
    if not data.startswith(_WORD) or b"\n" in line:
        raise BadRequest(400, "bad PROXY header")
    if line == b"UNKNOWN" or line.startswith(b"UNKNOWN "):
        # 2.1: whatever follows must be ignored.
        return Introduction(end + 2, None, None)
    match = _tcp4(line) or _tcp6(line)
    if match is None:
        raise BadRequest(400, "bad PROXY header")
    source, destination, port, server_port = match.groups()
    if int(port) > 65535 or int(server_port) > 65535:
        raise BadRequest(400, "bad port in a PROXY header")
    return Introduction(
        end + 2, (source.decode("ascii"), int(port)), (destination.decode("ascii"), int(server_port))
    )


# 2.2: the families that stand for a stream, with the length of an address.
_STREAMS = {0x11: 4, 0x21: 16}
_UNIX_STREAM = 0x31
_UNIX_BYTES = 108
_LOCAL, _PROXY = 0x20, 0x21


def _binary(data: bytes) -> Introduction | None:
    if len(data) < 16:
        if len(data) > 12 and data[12] not in (_LOCAL, _PROXY):
            raise BadRequest(400, "bad version or command in a PROXY header")
        return None
    command, family = data[12], data[13]
    length = int.from_bytes(data[14:16], "big")
    end = 16 + length
    if command not in (_LOCAL, _PROXY):
        raise BadRequest(400, "bad version or command in a PROXY header")
    if end > BINARY_MAX:
        raise BadRequest(400, "the PROXY header is too long")
    if len(data) < end:
        return None
    if command == _LOCAL or family == 0:
        # 2.2: the proxy's own connection, or one of a kind it has no word for: the real addresses count.
        return Introduction(end, None, None)
    if family == _UNIX_STREAM and length >= 2 * _UNIX_BYTES:
        return Introduction(end, ("", 0), None)
    size = _STREAMS.get(family)
    if size is None or length < 2 * size + 4:
        raise BadRequest(400, "bad addresses in a PROXY header")
    # What follows the addresses (TLVs) is skipped.
    ports = 16 + 2 * size
    source, destination = data[16 : 16 + size], data[16 + size : ports]
    return Introduction(
        end,
        (source, int.from_bytes(data[ports : ports + 2], "big")),
        (destination, int.from_bytes(data[ports + 2 : ports + 4], "big")),
    )
