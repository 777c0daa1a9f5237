import time

import pytest

from corn_systemd.errors import BadRequest
from corn_systemd.http.framing import Chunks, Length
from corn_systemd.http.lines import limits

from .feeding import read

LIMITS = limits(32768, 8192, 100, 10)


def test_a_length_ends_where_it_says() -> None:
    body = Length(5)
    assert body.feed(b"hel") == ([b"hel"], None)
    assert body.feed(b"lo!") == ([b"lo"], b"!")


def test_chunks_beyond_the_limit_are_refused_when_announced() -> None:
    chunks = Chunks(LIMITS)
    assert chunks.feed(b"6\r\nabc")[1] is None
    with pytest.raises(BadRequest) as refusal:
        chunks.feed(b"def\r\n5\r\n")
    assert refusal.value.status == 413


def test_chunks_hold_no_more_than_an_unfinished_line() -> None:
    chunks = Chunks(limits(0, 0, 0, 0))
    chunks.feed(b"fffff\r\n" + b"a" * 100000)
    assert chunks.held == b""


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b" " * 8000 + b"\x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b" \t" * 4000 + b"\x00" * 100 + b"\r\n\r\n",
        b"GET /" + b"%" * 8000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://" + b"a" * 8000 + b"@/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: " + b"a." * 4000 + b"/\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5" + b" \t" * 120 + b"x\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5" + b";a = b" * 40 + b"=\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"" + b"\\\"" * 120 + b"\r\n",
    ],
)  # fmt: skip
def test_no_head_takes_more_than_a_moment(data: bytes) -> None:
    began = time.process_time()
    for size in (len(data), 1):
        assert read(data, size)[1] == 400
    # A line of 8 KiB twice, once byte by byte: quadratic expressions take seconds.
    assert time.process_time() - began < 0.5
