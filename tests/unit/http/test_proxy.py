"""PROXY headers: bad ones first, then whole ones, then in pieces."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.errors import BadRequest
from corn_systemd.http.proxy import BINARY_MAX, LINE_MAX, SIGNATURE, introduction

V4 = struct.pack(">4s4sHH", b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02", 5555, 443)
V6 = struct.pack(">16s16sHH", b"\x20\x01" + bytes(13) + b"\x01", b"\x20\x01" + bytes(13) + b"\x02", 5555, 443)


def binary(payload: bytes, family: int = 0x11, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes((command, family)) + len(payload).to_bytes(2, "big") + payload


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"\r\n\r\n\x00\r\nQUIX",
        b"POST / HTTP/1.1\r\n",
        b"PROXY\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
        b"PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
        b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        b"PROXY TCP4 shop.example 192.0.2.2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2 3\r\n",
        b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY UNKNOWN" + b" " * LINE_MAX,
        b"PROXY UNKNOWN " + b"x" * (LINE_MAX - 14) + b"\r\n",
        binary(V4, command=0x11),
        binary(V4, command=0x22),
        SIGNATURE + b"\x31",
        binary(V4, family=0x12),
        binary(V4, family=0x13),
        binary(V4, family=0x21),
        binary(V4, family=0x41),
        binary(V4[:11]),
        binary(V6[:35], family=0x21),
        binary(bytes(215), family=0x31),
        SIGNATURE + b"\x21\x11" + (BINARY_MAX - 15).to_bytes(2, "big"),
    ],
)
def test_what_is_no_header_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        introduction(data)


WHOLE = [
    (b"PROXY UNKNOWN\r\n", None, None),
    (b"PROXY UNKNOWN ffff:f...f:ffff whatever\r\n", None, None),
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 5555 443\r\n", ("192.0.2.1", 5555), ("192.0.2.2", 443)),
    (b"PROXY TCP6 2001:db8::1 ::1 5555 443\r\n", ("2001:db8::1", 5555), ("::1", 443)),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
     ("255.255.255.255", 65535), ("255.255.255.255", 65535)),
    (binary(V4), (V4[:4], 5555), (V4[4:8], 443)),
    (binary(V4 + b"\x04\x00\x01x"), (V4[:4], 5555), (V4[4:8], 443)),
    (binary(V6, family=0x21), (V6[:16], 5555), (V6[16:32], 443)),
    (binary(bytes(216), family=0x31), ("", 0), None),
    (binary(V4, command=0x20), None, None),
    (binary(b"", family=0, command=0x20), None, None),
    (binary(b"\x01\x02", family=0), None, None),
]  # fmt: skip


@pytest.mark.parametrize(("data", "client", "server"), WHOLE)
def test_a_header_tells_of_the_client_and_ends_where_it_says(
    data: bytes, client: object, server: object
) -> None:
    for following in (b"", b"GET / HTTP/1.1\r\n", b"\r\n"):
        assert introduction(data + following) == (len(data), client, server)


@pytest.mark.parametrize("data", [data for data, _, _ in WHOLE])
def test_a_header_may_come_in_pieces(data: bytes) -> None:
    for size in range(len(data)):
        assert introduction(data[:size]) is None


@given(st.binary(max_size=300) | st.binary(max_size=40).map(lambda data: SIGNATURE + data)
       | st.binary(max_size=120).map(lambda data: b"PROXY " + data))  # fmt: skip
def test_no_bytes_are_met_with_another_exception(data: bytes) -> None:
    try:
        found = introduction(data)
    except BadRequest:
        return
    assert found is None or found.size <= len(data)


@given(st.binary(min_size=LINE_MAX, max_size=LINE_MAX))
def test_nobody_is_waited_for_beyond_the_longest_header(data: bytes) -> None:
    for start in (b"P", b"PROXY ", b"PROXY TCP4 "):
        try:
            assert introduction((start + data)[:LINE_MAX]) is not None
        except BadRequest:
            pass
