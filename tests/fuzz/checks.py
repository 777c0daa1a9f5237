"""What must hold for whatever bytes: the properties that the fuzzer tries to break. Needs no fuzzer itself.

Each check takes one input and returns, or raises. The same input is always judged in the same way.
"""

import json
import random
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from corn_systemd.errors import AppError, BadRequest
from corn_systemd.http import pages, proxy, response
from corn_systemd.http.connection import RequestParser
from corn_systemd.http.framing import CHUNK_LINE_MAX, Chunks
from corn_systemd.http.lines import Limits, limits
from corn_systemd.http.request import RequestHead, examine, parse

from .fronts import check_forwarded, check_hosts

USUAL = limits(head_max=32 * 1024, line_max=8 * 1024, fields_max=100, body_max=128 * 1024 * 1024)
# So tight that short inputs reach them, and none at all, so that long ones get far.
TIGHT = limits(head_max=90, line_max=45, fields_max=4, body_max=9)
NONE = limits(0, 0, 0, 0)

# Reading 60 KB takes some milliseconds; an expression that goes over them once for each of them, seconds.
PUMPED_BYTES = 60_000
MOMENT = 0.5


@dataclass(frozen=True)
class Request:
    head: RequestHead
    body: bytes
    start: int
    end: int


@dataclass(frozen=True)
class Story:
    """What a connection's bytes were: requests, and why it ended (status 0: it waits for more)."""

    requests: list[Request]
    status: int
    reason: str


def read(data: bytes, sizes: Iterator[int], limits: Limits) -> Story:
    """The whole story, fed in parts of these sizes; what the parser holds is weighed and counted."""
    parser = RequestParser(limits)
    requests: list[Request] = []
    body: list[bytes] | None = None
    head: RequestHead | None = None
    start = fed = 0
    try:
        while fed < len(data):
            size = next(sizes)
            part = data[fed : fed + size]
            fed += len(part)
            while True:
                if body is None:
                    head = parser.head(part)
                    weigh(parser, limits, size)
                    if head is None:
                        break
                    body = []
                    is_over = head.length == 0
                else:
                    piece = parser.body(part)
                    weigh(parser, limits, size)
                    body += piece.body
                    is_over = piece.rest is not None
                    assert sum(map(len, body)) <= limits.body_max, "more body than allowed"
                    if not is_over:
                        break
                if is_over:
                    end = fed - len(parser.buffer)
                    assert data[end:fed] == parser.buffer, "what is left is not what came"
                    assert head is not None
                    assert head.length in (None, sum(map(len, body))), "not as long as was said"
                    requests.append(Request(head, b"".join(body), start, end))
                    start, body = end, None
                part = b""
    except BadRequest as error:
        return Story(requests, error.status, error.reason)
    return Story(requests, 0, "")


def weigh(parser: RequestParser, limits: Limits, part: int) -> None:
    """What is held between two parts has bounds (but for what came with a head, not yet looked at)."""
    body = parser._body
    held = len(parser.buffer) + (len(body.held) if isinstance(body, Chunks) else 0)
    assert held <= max(limits.head_max, CHUNK_LINE_MAX) + len("\r\n") + part, f"{held} bytes are held"


def check_requests(data: bytes) -> None:
    chance = random.Random(zlib.crc32(data))
    for bounds in (USUAL, TIGHT):
        whole = read(data, every(len(data)), bounds)
        assert read(data, every(1), bounds) == whole, "byte by byte it means something else"
        assert read(data, at_random(chance), bounds) == whole, "in other parts it means something else"
        alone(data, whole, bounds)
    both_ways(data)
    if data and chance.random() < 0.1:
        check_time(pumped(data, chance), chance)


def alone(data: bytes, story: Story, bounds: Limits) -> None:
    """A request is what its own bytes say, whatever stood before it or stands behind."""
    at = 0
    for request in story.requests:
        assert request.start == at < request.end
        at = request.end
        mine = data[request.start : at]
        again = read(mine, every(len(mine)), bounds)
        assert again.status == 0 and len(again.requests) == 1, "alone it is not one request"
        assert (again.requests[0].head, again.requests[0].body) == (request.head, request.body)
        assert again.requests[0].end == len(mine)
    rest = read(data[at:], every(len(data)), bounds)
    assert rest == Story([], story.status, story.reason), "the rest is another one alone"


def both_ways(data: bytes) -> None:
    """The quick way to read a head and the careful one agree."""
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return
    outcomes: list[object] = []
    for way in (parse, examine):
        try:
            outcomes.append(way(data[:end], USUAL))
        except BadRequest as error:
            outcomes.append((error.status, error.reason))
    assert outcomes[0] == outcomes[1], "both ways to read a head differ"


def pumped(data: bytes, chance: random.Random) -> bytes:
    """A piece of it many times over: what is quadratic shows."""
    start = chance.randrange(len(data))
    stop = min(len(data), start + 1 + chance.randrange(12))
    times = PUMPED_BYTES // (stop - start)
    return data[:start] + data[start:stop] * times + data[stop:]


def check_time(data: bytes, chance: random.Random) -> None:
    for bounds in (USUAL, NONE):
        for most in (len(data), 2000):
            # Three times, as the machine may have other things to do.
            taken = (cpu_time(data, chance, most, bounds) for _ in range(3))
            assert any(seconds < MOMENT for seconds in taken), f"{len(data)} bytes take too long"


def cpu_time(data: bytes, chance: random.Random, most: int, bounds: Limits) -> float:
    began = time.process_time()
    read(data, at_random(chance, most), bounds)
    return time.process_time() - began


def every(size: int) -> Iterator[int]:
    while True:
        yield max(size, 1)


def at_random(chance: random.Random, most: int = 30) -> Iterator[int]:
    while True:
        yield chance.randint(1, most)


# A status, then fields, each a name and a value: what no text holds stands between.
BETWEEN_FIELDS, BEHIND_NAME = "\x1e", "\x1f"
HEAD = re.compile(
    rb"HTTP/1\.1 [2-9][0-9]{2} [^\r\n\0]+\r\n(?:[!#-'*+.^_`|~0-9A-Za-z-]+: [^\r\n\0]*\r\n)*\r\n"
)


def check_answer(data: bytes) -> None:
    """A head that an application may send is one head, with its fields and no more; and so are those of our
    own pages, whatever a client would rather have."""
    check_page(data.decode("latin-1"), list(pages.REASONS)[len(data) % len(pages.REASONS)])
    status, *rest = data.decode("utf-8", "surrogateescape").split(BETWEEN_FIELDS)
    headers = []
    for field in rest:
        name, _, value = field.partition(BEHIND_NAME)
        headers.append((name, value))
    try:
        line = response.STATUS_LINES[status]
        fields = response.fields(headers)
    except AppError:
        return
    raw = (line.text + fields.text + "\r\n").encode("latin-1")
    assert HEAD.fullmatch(raw), "this is not one head"
    assert raw.count(b"\r\n") == len(headers) + 2, "there are more lines than fields"
    names = [name.lower() for name, _ in headers]
    assert not response.HOP_BY_HOP.intersection(names)
    assert names.count("content-length") == (fields.length is not None)
    assert line.has_body == (status[:3] not in ("204", "304"))
    without = response.without_length(headers)
    assert without.count("\r\n") == len(headers) - names.count("content-length")


def check_page(accept: str, status: int) -> None:
    whole = pages.page(status, "our words", accept)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert HEAD.fullmatch(head + b"\r\n\r\n"), "this is not one head"
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head, "not as long as it says"
    assert b"our words" in body
    if b"problem+json" in head:
        assert json.loads(body)["status"] == status
    assert pages.page(status, "our words", accept, is_head=True) == head + b"\r\n\r\n"


def check_introduction(data: bytes) -> None:
    """A PROXY header is the same however it comes and whatever comes behind, and what is refused stays so."""
    whole = introduced(data)
    for size in range(len(data) + 1):
        part = introduced(data[:size])
        if part is not None:
            assert part == whole, f"with {size} bytes it means something else"
            assert isinstance(part, str) or part.size == size, "it ends elsewhere"
            break
    else:
        assert whole is None and len(data) < max(proxy.LINE_MAX, proxy.BINARY_MAX), "it never ends"


def introduced(data: bytes) -> proxy.Introduction | str | None:
    try:
        return proxy.introduction(data)
    except BadRequest as error:
        return str(error.status)


CHECKS = {
    "requests": check_requests,
    "answers": check_answer,
    "proxies": check_introduction,
    "forwarded": check_forwarded,
    "hosts": check_hosts,
}
