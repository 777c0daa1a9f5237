"""PEP 3333, clause by clause."""

import contextvars
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from corn_systemd.errors import AppError
from corn_systemd.wsgi.failure import describe
from corn_systemd.wsgi.files import FileWrapper, plain_file
from corn_systemd.wsgi.gateway import Exchange
from corn_systemd.wsgi.sink import BURST

from .calling import DATE, FakeSink, call

OK = "HTTP/1.1 200 OK\r\n"


def answers(
    body: object, *headers: tuple[str, str], status: str = "200 OK", before: object = None
) -> Callable[..., Any]:
    """An application that returns `body`."""

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> object:
        start_response(status, list(headers))
        return body() if callable(body) else body

    return application


def sent(application: Callable[..., Any], *request: str) -> bytes:
    sink, exchange = call(application, *request)
    assert exchange.is_done
    return sink.data


def text(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def test_a_list_of_one_gets_its_length() -> None:
    sink, exchange = call(answers([b"hello"], ("X-A", "b")))
    assert sink.left == [(OK + "X-A: b\r\n" + DATE + "Content-Length: 5\r\n\r\nhello").encode()]
    assert (exchange.is_done, exchange.keep, sink.heads) == (True, True, 1)


@pytest.mark.parametrize("body", [[b"hel", b"lo"], (b"hello",), [b"", b"hello"]])
def test_what_is_all_there_gets_its_length(body: object) -> None:
    assert sent(answers(body)).endswith(b"Content-Length: 5\r\n\r\nhello")


def test_nothing_is_an_answer_too() -> None:
    for body in ([], [b""], iter([]), iter([b"", b""])):
        assert sent(answers(body)).endswith(b"Content-Length: 0\r\n\r\n")


def test_a_sized_iterable_of_one_gets_its_length() -> None:
    class One:
        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Iterator[bytes]:
            yield b"hello"

    assert sent(answers(One())).endswith(b"Content-Length: 5\r\n\r\nhello")


def test_an_iterable_of_unknown_length_goes_in_chunks() -> None:
    sink, exchange = call(answers(lambda: iter([b"", b"hel", b"", b"lo"])))
    head = (OK + DATE + "Transfer-Encoding: chunked\r\n\r\n").encode()
    assert sink.left == [head + b"3\r\nhel\r\n", b"2\r\nlo\r\n", b"0\r\n\r\n"]
    assert exchange.keep


def test_to_http_1_0_it_goes_until_the_connection_ends() -> None:
    sink, exchange = call(answers(lambda: iter([b"hel", b"lo"])), "GET / HTTP/1.0", "Connection: keep-alive")
    assert sink.data == (OK + DATE + "Connection: close\r\n\r\nhello").encode()
    assert not exchange.keep


def test_http_1_0_may_stay() -> None:
    data = sent(answers([b"hello"]), "GET / HTTP/1.0", "Connection: keep-alive")
    assert b"Connection: keep-alive\r\n" in data
    assert b"Connection: close\r\n" in sent(answers([b"hello"]), "GET / HTTP/1.0")
    assert b"Connection: close\r\n" in sent(answers([b"hello"]), "GET / HTTP/1.1", "Connection: close")


def test_the_head_waits_for_the_first_byte() -> None:
    sink = FakeSink()
    seen = []

    def application(environ: object, start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("404 Not Found", [])
        yield b""
        seen.append(list(sink.left))
        start_response("200 OK", [], (ValueError, ValueError("changed my mind"), None))
        yield b"hello"
        seen.append(list(sink.left))

    call(application, sink=sink)
    assert seen[0] == []
    assert seen[1][0].startswith(b"HTTP/1.1 200 OK\r\n")


def test_head_gets_the_head_alone() -> None:
    assert sent(answers([b"hello"]), "HEAD / HTTP/1.1").endswith(b"Content-Length: 5\r\n\r\n")
    for body in ([], iter([b"hello"]), iter([])):
        data = sent(answers(body), "HEAD / HTTP/1.1")
        assert data == (OK + DATE + "\r\n").encode()
    data = sent(answers([], ("Content-Length", "500")), "HEAD / HTTP/1.1")
    assert data == (OK + "Content-Length: 500\r\n" + DATE + "\r\n").encode()


def test_an_endless_body_is_not_waited_for_where_none_is_sent() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"hello"

    assert sent(answers(endless), "HEAD / HTTP/1.1").endswith(b"\r\n\r\n")
    _, exchange = call(answers(endless, status="304 Not Modified"))
    assert exchange.is_done
    assert exchange.complaint


@pytest.mark.parametrize("body", [[], [b""], iter([]), [b"hello"], iter([b"hello"])])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_statuses_have_no_body(status: str, body: object) -> None:
    sink, exchange = call(answers(body, status=status))
    assert sink.data == (f"HTTP/1.1 {status}\r\n" + DATE + "\r\n").encode()
    assert exchange.keep


def test_no_content_has_no_length() -> None:
    assert b"Content-Length" not in sent(answers([], ("Content-Length", "0"), status="204 No Content"))
    assert b"Content-Length: 9" in sent(answers([], ("Content-Length", "9"), status="304 Not Modified"))


@pytest.mark.parametrize("body", [[b"hello world"], [b"hello", b" world"]])
@pytest.mark.parametrize("kind", [list, iter])
def test_bytes_beyond_the_length_are_cut_off(kind: Callable[..., object], body: list[bytes]) -> None:
    sink, exchange = call(answers(lambda: kind(body), ("Content-Length", "7")))
    assert sink.data.endswith(b"\r\n\r\nhello w")
    assert "more bytes" in exchange.complaint
    assert exchange.is_done
    assert exchange.keep


@pytest.mark.parametrize("kind", [list, iter])
def test_missing_bytes_end_the_connection(kind: Callable[..., object]) -> None:
    sink, exchange = call(answers(lambda: kind([b"hel", b"lo"]), ("Content-Length", "7")))
    assert sink.data.endswith(b"Content-Length: 7\r\n" + DATE.encode() + b"\r\nhello")
    assert "5 bytes of body where its Content-Length says 7" in exchange.complaint
    assert not exchange.keep


def test_write_sends_at_once() -> None:
    sink = FakeSink()

    def application(environ: object, start_response: Callable[..., Any]) -> list[bytes]:
        write = start_response("200 OK", [("Content-Length", "15")])
        write(b"")
        assert sink.left == []
        write(b"hello")
        assert sink.data.endswith(b"hello")
        write(b" world")
        return [b", all"[:4]]

    _, exchange = call(application, sink=sink)
    assert sink.data.endswith(b"\r\n\r\nhello world, al")
    assert (exchange.complaint, exchange.keep) == ("", True)


def test_write_without_a_length_goes_in_chunks() -> None:
    def application(environ: object, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])(b"hello")
        return [b" world"]

    assert sent(application).endswith(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")


def test_date_is_the_applications_if_it_says_one() -> None:
    data = sent(answers([b""], ("date", "today")))
    assert data.count(b"ate:") == 1


@pytest.mark.parametrize(
    "error", [RuntimeError("oops"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), AppError("x")]
)
def test_an_exception_before_the_head_gives_a_page(error: BaseException) -> None:
    def application(environ: object, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("X-Secret", "a")])
        raise error

    sink, exchange = call(application)
    assert sink.data.startswith(b"HTTP/1.1 500 Internal Server Error\r\n" + DATE.encode())
    assert b"Secret" not in sink.data
    assert (exchange.failure, exchange.is_done, exchange.keep, sink.heads) == (error, True, True, 1)


def test_an_exception_behind_the_head_ends_the_connection() -> None:
    def application(environ: object, start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"hello"
        raise RuntimeError("oops")

    sink, exchange = call(application)
    assert sink.data.endswith(b"5\r\nhello\r\n")
    assert (exchange.is_done, exchange.keep) == (True, False)


def test_exc_info_behind_the_head_is_raised_again() -> None:
    def application(environ: object, start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"hello"
        try:
            raise RuntimeError("oops")
        except RuntimeError:
            start_response("500 Oops", [], sys.exc_info())
        yield b"never"

    sink, exchange = call(application)
    assert b"never" not in sink.data
    assert isinstance(exchange.failure, RuntimeError)


def never_starts(environ: object, start_response: object) -> list[bytes]:
    return [b"hello"]


def starts_twice(environ: object, start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return []


@pytest.mark.parametrize(
    "application",
    [
        never_starts,
        lambda environ, start_response: [],
        lambda environ, start_response: iter([]),
        lambda environ, start_response: None,
        lambda environ, start_response: start_response("200 OK", []),
        starts_twice,
        lambda environ: [],
        answers([b"x"], status="200"),
        answers([b"x"], status="200 OK\r\nX: y"),
        answers([b"x"], ("X", "a\r\nb")),
        answers([b"x"], ("Connection", "close")),
        answers(["x"]),
        answers(["x", "y"]),
        answers(iter(["x"])),
        answers([bytearray(b"x")]),
        answers("hello"),
        answers(5),
        lambda environ, start_response: start_response("200 OK", (("X", "y"),)) and [],
    ],
)
def test_what_the_pep_forbids_gives_a_page(application: Callable[..., Any]) -> None:
    sink, exchange = call(application)
    assert sink.data.startswith(b"HTTP/1.1 500 ")
    assert exchange.failure is not None


class Closing:
    """An iterable that counts its close() calls."""

    def __init__(self, pieces: list[Any], fails: bool = False) -> None:
        self.pieces = pieces
        self.fails = fails
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        yield from self.pieces

    def close(self) -> None:
        self.closed += 1
        if self.fails:
            raise RuntimeError("in close")


@pytest.mark.parametrize("pieces", [[], [b"hello"], [b"hello", "text"], [b"hello world"]])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_is_always_called_once(method: str, pieces: list[Any]) -> None:
    body = Closing(pieces)
    call(answers(body, ("Content-Length", "6")), f"{method} / HTTP/1.1")
    assert body.closed == 1


def test_close_is_called_when_the_head_is_wrong() -> None:
    body = Closing([b"hello"])
    call(lambda environ, start_response: body)
    assert body.closed == 1


def test_a_failing_close_changes_nothing_for_the_client() -> None:
    sink, exchange = call(answers(Closing([b"hello"], fails=True), ("Content-Length", "5")))
    assert sink.data.endswith(b"hello")
    assert exchange.keep
    assert isinstance(exchange.failure, RuntimeError)


def test_nothing_is_taken_while_the_sink_is_full() -> None:
    taken = []

    def pieces() -> Iterator[bytes]:
        for number in range(4):
            taken.append(number)
            yield b"hello"

    sink, exchange = call(answers(pieces, ("Content-Length", "20")), sink=FakeSink(room=1))
    assert taken == [0]
    assert not exchange.is_done
    exchange.advance()
    assert taken == [0]
    sink.room, sink.is_full = 100, False
    exchange.advance()
    assert exchange.is_done
    assert sink.data.endswith(b"hello" * 4)


def test_an_answer_in_many_pieces_is_paced_and_hurried_at_its_end() -> None:
    sink, _ = call(answers(lambda: iter([b"a"] * (2 * BURST + 1))))
    assert (sink.paces, sink.is_hurried) == (3, True)
    sink, _ = call(answers(lambda: iter([b"a"] * BURST), ("Content-Length", str(BURST))))
    assert (sink.paces, sink.is_hurried) == (1, True)


def test_only_an_answer_that_ends_its_connection_is_sent_together_with_the_end() -> None:
    assert call(answers([b"hello"]))[0].ends == [False]
    assert call(answers([b"hello"]), "GET / HTTP/1.1", "Connection: close")[0].ends == [True]
    assert call(answers([b"hello"]), "GET / HTTP/1.0")[0].ends == [True]


def test_an_abandoned_answer_is_closed() -> None:
    body = Closing([b"a" * 100] * 3)
    _, exchange = call(answers(body), sink=FakeSink(room=150))
    assert body.closed == 0
    exchange.abandon()
    exchange.abandon()
    assert (body.closed, exchange.keep, exchange.is_done) == (1, False, True)


def test_what_comes_after_the_end_goes_nowhere() -> None:
    kept: list[Callable[[bytes], None]] = []

    def application(environ: object, start_response: Callable[..., Any]) -> list[bytes]:
        kept.append(start_response("200 OK", []))
        return [b"hello"]

    sink, _ = call(application)
    before = sink.data
    with pytest.raises(AppError):
        kept[0](b"late")
    assert sink.data == before


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nobody")


def test_context_variables_stay_with_their_request() -> None:
    seen = []

    def application(environ: dict[str, str], start_response: Callable[..., Any]) -> Iterator[bytes]:
        seen.append(variable.get())
        variable.set(environ["PATH_INFO"])
        start_response("200 OK", [("Content-Length", "10")])

        def pieces() -> Iterator[bytes]:
            yield b"hello"
            seen.append(variable.get())
            yield b"world"

        return pieces()

    first = FakeSink(room=1)
    _, suspended = call(application, "GET /first HTTP/1.1", sink=first)
    call(application, "GET /second HTTP/1.1")
    first.is_full = False
    suspended.advance()
    assert seen == ["nobody", "nobody", "/second", "/first"]


def test_a_traceback_begins_with_the_application() -> None:
    def application(environ: object, start_response: object) -> None:
        raise LookupError("no such thing")

    _, exchange = call(application)
    assert exchange.failure is not None
    line, trace = describe(exchange.failure)
    assert line == "LookupError: no such thing"
    assert "corn_systemd" not in trace
    assert "in application" in trace


def test_a_wrapped_file_that_is_none_is_read_in_blocks() -> None:
    wrapped = io.BytesIO(b"hello world")
    data = sent(answers(lambda: FileWrapper(wrapped, 6)))
    assert data.endswith(b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n")
    assert wrapped.closed


def test_only_files_of_io_itself_are_trusted_to_be_plain() -> None:
    import gzip
    import tempfile

    with tempfile.TemporaryFile() as file:
        assert plain_file(FileWrapper(file)) is file.raw  # type: ignore[attr-defined]
        with gzip.open(file, "wb") as compressed:
            assert plain_file(FileWrapper(compressed)) is None  # type: ignore[arg-type]
    with tempfile.NamedTemporaryFile() as named:
        assert plain_file(FileWrapper(named)) is named.file.raw  # type: ignore[attr-defined]
    assert plain_file(FileWrapper(io.BytesIO())) is None


def test_an_exchange_begins_with_nothing_of_another() -> None:
    call(answers([b"hello"], ("Content-Length", "7")))
    assert (Exchange.length, Exchange.complaint, Exchange.has_begun) == (None, "", False)
