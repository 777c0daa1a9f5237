"""The parser, by the corpus and by whatever hypothesis thinks of: bytes mean the same however they come."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corn_systemd.errors import BadRequest
from corn_systemd.http.lines import limits
from corn_systemd.http.request import FieldLines, RequestHead, examine, parse

from .feeding import LIMITS, read

CORPUS = Path(__file__).parents[2] / "corpus" / "http"
REFUSED = sorted((CORPUS / "refused").iterdir())
ACCEPTED = sorted((CORPUS / "accepted").iterdir())


def test_the_corpus_is_there() -> None:
    assert len(REFUSED) > 100
    assert len(ACCEPTED) > 30


SIZES = (1, 2, 3, 7, 100000)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_what_is_refused(path: Path) -> None:
    for size in SIZES:
        for trailing in (b"", b"GET / HTTP/1.1\r\n", b"\x00\xff\r\n\r\n"):
            assert read(path.read_bytes() + trailing, size) == ([], int(path.name[:3]))


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_is_accepted(path: Path) -> None:
    data = path.read_bytes()
    for size in SIZES:
        requests, status = read(data, size)
        assert status == 0
        assert len(requests) == int(path.name.partition("-")[0])
        assert requests == read(data, len(data))[0]


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_an_accepted_request_is_not_changed_by_what_follows(path: Path) -> None:
    data = path.read_bytes()
    requests, _ = read(data, len(data))
    assert read(data + b"\x00\n\n", len(data) + 3)[0] == requests


def accepted(name: str) -> tuple[RequestHead, bytes]:
    (path,) = [path for path in ACCEPTED if path.stem.partition("-")[2] == name]
    requests, status = read(path.read_bytes(), 100000)
    assert status == 0
    return requests[0]


def test_names_with_underscores_are_dropped() -> None:
    head, body = accepted("underscored-names")
    assert head.fields == {"HTTP_HOST": "a.example", "HTTP_X_Y": "yes", "CONTENT_LENGTH": "5"}
    assert body == b"hello"
    assert accepted("one-underscored-name")[0].fields == {"HTTP_HOST": "a.example"}


def test_repeated_fields_are_joined() -> None:
    head, _ = accepted("repeated-field")
    assert head.fields["HTTP_ACCEPT"] == "a, b"
    assert head.fields["HTTP_COOKIE"] == "c; d"


def test_blanks_around_a_value_are_no_part_of_it() -> None:
    head, _ = accepted("blanks-around-value")
    assert head.fields == {"HTTP_HOST": "a.example", "HTTP_X": "y  z"}
    for name in ("blank-behind-value", "two-blanks-before-value", "tab-behind-value"):
        assert accepted(name)[0].fields["HTTP_X"] == "y"
    assert accepted("colons-in-value")[0].fields["HTTP_X"] == "a: b:  c"
    assert accepted("colons-in-value")[0].fields["HTTP_Y"] == ": z"


def test_the_host_of_an_absolute_target_replaces_the_field() -> None:
    head, _ = accepted("absolute")
    assert (head.path, head.query, head.fields["HTTP_HOST"]) == ("/a", "c", "b.example:8080")
    assert accepted("absolute-without-path")[0].path == "/"
    assert accepted("options-absolute")[0].path == "*"


def test_a_path_is_decoded_and_a_query_is_not() -> None:
    assert accepted("escaped-path")[0].path == "/Ã©/ %"
    assert accepted("query")[0].query == "b=c&d=%zz?/[]{}|^`\\"


def test_chunks_are_joined_and_trailers_dropped() -> None:
    assert accepted("chunked")[1] == b"hello world"
    head, body = accepted("trailers")
    assert body == b"hello"
    assert "CONTENT_LENGTH" not in head.fields


@pytest.mark.parametrize(
    ("version", "connection", "keep"),
    [
        ("1.1", None, True),
        ("1.1", "close", False),
        ("1.1", "Keep-Alive, CLOSE", False),
        ("1.1", "upgrade", True),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
        ("1.0", "Foo, Keep-alive", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_who_may_ask_again(version: str, connection: str | None, keep: bool) -> None:
    field = f"Connection: {connection}\r\n" if connection else ""
    requests, _ = read(f"GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n".encode(), 1000)
    assert requests[0][0].keep is keep


def test_expectations_are_for_those_with_a_body() -> None:
    assert accepted("expect")[0].expects
    assert not accepted("expect-in-1-0")[0].expects
    requests, _ = read(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", 1000)
    assert not requests[0][0].expects


def test_limits_of_zero_are_off() -> None:
    data = b"GET /" + b"a" * 50000 + b" HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 500 + b"\r\n"
    assert read(data, 1000)[1] == 414
    assert read(data, 1000, limits(0, 0, 0, 0))[1] == 0


def test_the_longest_head_is_taken_and_one_byte_more_is_not() -> None:
    def head(size: int) -> bytes:
        filler = size - len(b"GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n")
        return b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * filler + b"\r\n\r\n"

    small = limits(1000, 8192, 100, 1)
    for size in (1, 1001):
        assert read(head(1000), size, small)[1] == 0
        assert read(head(1001), size, small)[1] == 431


# What attackers write with: fragments that are nearly right.
FRAGMENTS = st.sampled_from(
    [
        b"GET ", b"POST ", b"/", b"/a?b", b"*", b"http://a", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n",
        b" HTTP/2.0\r\n", b"Host: a\r\n", b"Host: b\r\n", b"Content-Length: 3\r\n", b"X: ", b"X-Y:",
        b"Content-Length: 0\r\n", b"X_Y: 1\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
        b"Expect: 100-continue\r\n", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b" ", b"\t", b":", b"\x00", b"\xe9",
        b"abc", b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b";a=b", b"a" * 40,
    ]
)  # fmt: skip
REQUESTS = st.one_of(
    st.lists(FRAGMENTS, max_size=14).map(b"".join),
    st.lists(FRAGMENTS, max_size=8).map(lambda parts: b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(parts)),
    st.lists(FRAGMENTS, max_size=8).map(
        lambda parts: b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(parts)
    ),
    st.binary(max_size=60),
)
# So tight that hypothesis can reach them.
TIGHT = limits(head_max=90, line_max=45, fields_max=4, body_max=5)


@settings(max_examples=400, deadline=None)
@given(REQUESTS, st.lists(st.integers(1, 30), max_size=20), st.sampled_from([LIMITS, TIGHT]))
def test_bytes_mean_the_same_in_whatever_parts_they_come(
    data: bytes, sizes: list[int], limits: object
) -> None:
    whole = read(data, max(1, len(data)), limits)
    assert read(data, 1, limits) == whole
    assert read(data, sizes, limits) == whole


@settings(max_examples=400, deadline=None)
@given(REQUESTS, REQUESTS, st.sampled_from([LIMITS, TIGHT]))
def test_trailing_bytes_change_nothing_before_them(data: bytes, trailing: bytes, limits: object) -> None:
    requests, status = read(data, max(1, len(data)), limits)
    longer, longer_status = read(data + trailing, len(data) + len(trailing) or 1, limits)
    assert longer[: len(requests)] == requests
    if status:
        assert (longer, longer_status) == (requests, status)


@settings(max_examples=400, deadline=None)
@given(REQUESTS)
def test_both_ways_to_read_a_head_agree(data: bytes) -> None:
    end = data.find(b"\r\n\r\n") + 4
    if end < 4:
        return
    outcomes = []
    # The second time its lines are known.
    for way in (parse, parse, examine):
        try:
            outcomes.append(way(data[:end], LIMITS))
        except BadRequest as error:
            outcomes.append((error.status, error.reason))  # type: ignore[arg-type]
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_both_ways_agree_on_the_corpus(path: Path) -> None:
    data = path.read_bytes().removeprefix(b"\r\n")
    head = data[: data.find(b"\r\n\r\n") + 4]
    assert parse(head, LIMITS) == parse(head, LIMITS) == examine(head, LIMITS)


def test_two_heads_are_not_taken_for_one() -> None:
    one, two = (f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for number in (1, 2))
    assert [head.path for head, _ in read(one + two, 1000)[0]] == ["/1", "/2"]
    body = b"\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
    assert [got for _, got in read(post + body, 1000)[0]] == [body]


def test_lines_that_are_held_are_bounded_and_no_secrets() -> None:
    known = FieldLines()
    for number in range(known.BOUND + 10):
        assert known[f"X-A: {number}"] == ("HTTP_X_A", str(number))
        assert known[f"Cookie: {number}"] == ("HTTP_COOKIE", str(number))
        assert known[f"Authorization: {number}"] == ("HTTP_AUTHORIZATION", str(number))
    long = "X-A: " + "a" * known.LINE_MAX
    assert known[long] == ("HTTP_X_A", "a" * known.LINE_MAX)
    assert known.keys() == {f"X-A: {known.BOUND + number}" for number in range(10)}
