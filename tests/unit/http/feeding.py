"""Feeds bytes to the parser as a connection would."""

from corn_systemd.errors import BadRequest
from corn_systemd.http.connection import RequestParser
from corn_systemd.http.lines import Limits, limits
from corn_systemd.http.request import RequestHead

LIMITS = limits(head_max=32 * 1024, line_max=8 * 1024, fields_max=100, body_max=128 * 1024 * 1024)
Requests = list[tuple[RequestHead, bytes]]


def read(data: bytes, sizes: int | list[int], limits: Limits = LIMITS) -> tuple[Requests, int]:
    """The requests in `data`, fed in parts of so many bytes, and the status that ended it (0: none)."""
    parser = RequestParser(limits)
    requests: Requests = []
    body: list[bytes] | None = None
    head: RequestHead | None = None
    at = 0
    try:
        while at < len(data):
            size = sizes if isinstance(sizes, int) else (sizes.pop(0) if sizes else len(data))
            part, at = data[at : at + size], at + size
            while True:
                if body is None:
                    head = parser.head(part)
                    if head is None:
                        break
                    if head.length == 0:
                        requests.append((head, b""))
                    else:
                        body = []
                else:
                    piece = parser.body(part)
                    body += piece.body
                    if piece.rest is None:
                        break
                    assert head is not None
                    requests.append((head, b"".join(body)))
                    body = None
                part = b""
    except BadRequest as error:
        return requests, error.status
    return requests, 0
