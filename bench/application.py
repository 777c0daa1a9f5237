"""The application that every server serves: one path for each load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import process_time
from typing import Any

HELLO = b"Hello, world!\n"
MEBIBYTE = bytes(1 << 20)
CHUNK = bytes(8 << 10)


def _chunks() -> Iterator[bytes]:
    for _ in range(64):
        yield CHUNK


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """PEP 3333. The branch for hello comes first: it is the one that counts nanoseconds."""
    path = environ["PATH_INFO"]
    if path == "/":
        body = HELLO
    elif path == "/mebibyte":
        body = MEBIBYTE
    elif path == "/chunks":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return _chunks()
    elif path == "/work":
        end = process_time() + 0.001
        while process_time() < end:
            pass
        body = HELLO
    elif path == "/post":
        got = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        body = b"%d\n" % len(got)
    else:
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return []
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
