import json
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.errors import AppError
from corn_systemd.http import pages, response


@given(st.integers(0, 253402300799))
def test_dates_are_those_of_the_standard_library(seconds: int) -> None:
    assert response.http_date(seconds) == formatdate(seconds, usegmt=True)


def test_fields_become_lines() -> None:
    fields = response.fields([("Content-Type", "text/plain"), ("X-A", "b\tc é")])
    assert fields.text == "Content-Type: text/plain\r\nX-A: b\tc é\r\n"
    assert (fields.length, fields.is_dated) == (None, False)


def test_what_matters_for_framing_is_noticed() -> None:
    fields = response.fields([("content-length", "12"), ("DATE", "today")])
    assert (fields.length, fields.is_dated) == (12, True)


@pytest.mark.parametrize(
    "header",
    [
        ("X", "a\r\nSet-Cookie: b"),
        ("X", "a\nb"),
        ("X", "a\r"),
        ("X", "a\r\n"),
        ("X", "\n"),
        ("X", "a\0b"),
        ("X", "a\x7f"),
        ("X", "€"),
        ("X", "a\u2028b"),
        ("X\r\n", "a"),
        ("X:", "a"),
        ("X Y", "a"),
        ("", "a"),
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        ("upgrade", "h2c"),
        ("Content-Length", "-1"),
        ("Content-Length", "1 "),
        ("Content-Length", "²"),
        (b"X", "a"),
        ("X", b"a"),
        ("X", 1),
        ("X", None),
        ("X",),
    ],
)
def test_a_header_that_may_not_be_sent_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises((AppError, TypeError, ValueError)):
        response.fields([header])
    with pytest.raises((AppError, TypeError, ValueError)):
        response.fields([("Content-Type", "text/plain"), header, ("X-B", "c")])


def test_two_lengths_are_refused() -> None:
    with pytest.raises(AppError, match="more than one"):
        response.fields([("Content-Length", "1"), ("content-length", "1")])


@given(st.lists(st.tuples(st.sampled_from(["A", "B-c"]), st.text(max_size=8)), max_size=4))
def test_what_leaves_has_as_many_lines_as_headers(headers: list[tuple[str, str]]) -> None:
    try:
        text = response.fields(headers).text
    except AppError:
        return
    assert len(text.encode("latin-1").splitlines()) == len(headers) == text.count("\n") == text.count("\r")


@pytest.mark.parametrize(
    "status", ["200", "200 ", "OK", "99 OK", "0200 OK", "200 OK\r\n", "200 O\nK", "100 Continue", "200OK", ""]
)
def test_a_status_that_is_none_is_refused(status: str) -> None:
    with pytest.raises(AppError):
        response.STATUS_LINES[status]


def test_a_status_in_bytes_is_refused() -> None:
    with pytest.raises(AppError, match="bytes"):
        response.STATUS_LINES[b"200 OK"]  # type: ignore[index]


def test_statuses_without_a_body_are_known() -> None:
    assert response.STATUS_LINES["200 OK"] == ("HTTP/1.1 200 OK\r\n", True)
    assert not response.STATUS_LINES["204 No Content"].has_body
    assert not response.STATUS_LINES["304 Not Modified"].has_body


def test_the_memory_of_names_is_bounded() -> None:
    for number in range(3000):
        response.fields([(f"X-{number}", "a")])
    assert len(response._NAMES) <= response.AnswerNames.BOUND


@pytest.mark.parametrize("status", pages.REASONS)
def test_a_page_comes_in_the_form_that_is_asked_for(status: int) -> None:
    head, _, body = pages.page(status, accept="application/problem+json").partition(b"\r\n\r\n")
    assert json.loads(body)["status"] == status
    assert f"HTTP/1.1 {status} ".encode() in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"Connection: close" in head
    assert b"<h1>" in pages.page(status, accept="text/html,*/*;q=0.8")
    assert b"text/plain" in pages.page(status)


def test_a_page_for_head_has_the_length_and_no_body() -> None:
    assert pages.page(500, is_head=True) == pages.page(500).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
