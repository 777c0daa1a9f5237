"""Bodies that the application reads as they come (`http.body_streaming`), from outside."""

import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from corn_systemd.systemd import messages
from corn_systemd.worker import pace
from corn_systemd.worker.stream import DRAIN_BYTES, BodyLost
from tests.apps import echo, hello

from .engine import DEADLINE, Engine, get, open_files, read_all, read_head, read_until
from .test_engine import HELLO, body_of, status_of, unchunked

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

Respond = Callable[..., Any]


def post(length: int, *fields: str) -> bytes:
    return get("/", f"Content-Length: {length}", *fields, method="POST")


def chunked(*fields: str) -> bytes:
    return get("/", "Transfer-Encoding: chunked", *fields, method="POST")


def in_chunks(body: bytes, size: int = 7777) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nX: y\r\n\r\n"


class Reading:
    """An application that reads what it is told to, and tells what it got."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.orders: queue.SimpleQueue[Callable[[Any], object]] = queue.SimpleQueue()
        self.results: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.environ: dict[str, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: Respond) -> list[bytes]:
        self.environ = environ
        self.called.set()
        while (order := self.orders.get(timeout=DEADLINE)) is not None:
            try:
                self.results.put(order(environ["wsgi.input"]))
            except OSError as error:
                self.results.put(error)
        start_response("200 OK", [])
        return [HELLO]

    def does(self, order: Callable[[Any], object]) -> object:
        self.orders.put(order)
        return self.results.get(timeout=DEADLINE)

    def ends(self) -> None:
        self.orders.put(None)  # type: ignore[arg-type]


def raising(wrap: Callable[[OSError], BaseException] | None = None) -> Any:
    """An application that reads all of its body, and what it met on the way."""
    met: list[OSError] = []

    def application(environ: dict[str, Any], start_response: Respond) -> list[bytes]:
        try:
            body = environ["wsgi.input"].read()
        except OSError as error:
            met.append(error)
            if wrap is not None:
                raise wrap(error) from error
            raise
        start_response("200 OK", [])
        return [body]

    return application, met


# Reading.


def test_the_application_is_called_with_the_head_and_reads_as_the_bytes_come() -> None:
    app = Reading()
    with Engine(app, body_streaming=True) as engine, engine.connect() as client:
        client.sendall(post(10, "Connection: close"))
        assert app.called.wait(DEADLINE)
        assert app.environ["CONTENT_LENGTH"] == "10"
        assert app.environ["wsgi.input_terminated"] is True
        client.sendall(b"12345")
        assert app.does(lambda body: body.read(5)) == b"12345"
        client.sendall(b"6")
        assert app.does(lambda body: body.read1(100)) == b"6"
        client.sendall(b"7890")
        assert app.does(lambda body: body.read()) == b"7890"
        assert app.does(lambda body: body.read(1)) == b""
        app.ends()
        assert read_all(client).endswith(HELLO)


READERS: dict[str, Callable[[Any], bytes]] = {
    "read()": lambda body: body.read(),
    "read(n)": lambda body: b"".join(iter(lambda: body.read(9999), b"")),
    "read(many)": lambda body: body.read(10_000_000) + body.read(1),
    "read1()": lambda body: b"".join(iter(body.read1, b"")),
    "readline()": lambda body: b"".join(iter(body.readline, b"")),
    "readline(n)": lambda body: b"".join(iter(lambda: body.readline(50), b"")),
    "readlines()": lambda body: b"".join(body.readlines()),
    "iteration": lambda body: b"".join(body),
    "a bit, then all": lambda body: body.read(3) + body.readline() + body.read(),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("size", [1, 70_000, 1_000_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_the_body_is_whole_however_it_is_read(is_chunked: bool, size: int, reader: str) -> None:
    body = os.urandom(size)

    def application(environ: dict[str, Any], start_response: Respond) -> list[bytes]:
        assert ("CONTENT_LENGTH" in environ) is not is_chunked
        got = READERS[reader](environ["wsgi.input"])
        start_response("200 OK", [])
        return [got]

    with Engine(application, body_streaming=True) as engine:
        if is_chunked:
            request = chunked("Connection: close") + in_chunks(body)
        else:
            request = post(size, "Connection: close") + body
        is_equal = body_of(engine.ask(request)) == body
        assert is_equal
    assert engine.journal.entries == []


def test_chunks_are_seen_as_they_come() -> None:
    app = Reading()
    with Engine(app, body_streaming=True) as engine, engine.connect() as client:
        client.sendall(chunked("Connection: close"))
        assert app.called.wait(DEADLINE)
        assert app.environ["HTTP_TRANSFER_ENCODING"] == "chunked"
        for word in (b"one", b"two"):
            client.sendall(b"3\r\n%s\r\n" % word)
            assert app.does(lambda body: body.read1(100)) == word
        client.sendall(b"0\r\n\r\n")
        assert app.does(lambda body: body.read1(100)) == b""
        app.ends()
        read_all(client)


def test_the_input_is_one_as_pep_3333_wants_it() -> None:
    def application(environ: dict[str, Any], start_response: Respond) -> list[bytes]:
        line = environ["wsgi.input"].readline()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [line, *environ["wsgi.input"].readlines()]

    with Engine(validator(application), body_streaming=True) as engine:
        answer = engine.ask(post(5, "Content-Type: text/plain", "Connection: close") + b"a\nb\nc")
    assert unchunked(body_of(answer)) == b"a\nb\nc"


def test_requests_follow_each_other_with_bodies_and_without() -> None:
    app, _ = raising()
    before = open_files()
    with Engine(app, body_streaming=True) as engine:
        once = post(5) + b"hello" + get() + chunked() + in_chunks(b"world")
        answer = engine.ask(once * 5 + get("/", "Connection: close"))
        bodies = [part.rpartition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
        assert bodies == [b"hello", b"", b"world"] * 5 + [b""]
    assert open_files() <= before


def test_what_was_answered_so_far_leaves_while_the_application_reads() -> None:
    piece = b"x" * 30_000_000

    def application(environ: dict[str, Any], start_response: Respond) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield piece
        yield environ["wsgi.input"].read()

    with Engine(application, body_streaming=True) as engine, engine.connect(16384) as client:
        client.sendall(post(5, "Connection: close"))
        read_head(client)
        head = b"%x\r\n" % len(piece)
        there = 0
        while there < len(head) + len(piece):
            there += len(client.recv(min(65536, len(head) + len(piece) - there)))
        client.sendall(b"hello")
        assert read_all(client) == b"\r\n5\r\nhello\r\n0\r\n\r\n"


# 100 Continue.


@pytest.mark.parametrize(
    "settings", [{}, {"body_timeout": 0.0, "min_rate": 0}, {"body_timeout": 1e8, "min_rate": 0}]
)
def test_a_client_is_told_to_go_on_when_the_application_first_reads(settings: dict[str, Any]) -> None:
    app = Reading()
    with Engine(app, body_streaming=True, **settings) as engine, engine.connect() as client:
        client.sendall(post(10, "Expect: 100-continue"))
        assert app.called.wait(DEADLINE)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        client.settimeout(DEADLINE)
        app.orders.put(lambda body: body.read(5))
        assert read_head(client) == CONTINUE
        client.sendall(b"hello")
        assert app.results.get(timeout=DEADLINE) == b"hello"
        app.orders.put(lambda body: body.read())
        client.sendall(b"world")
        assert app.results.get(timeout=DEADLINE) == b"world"
        app.ends()
        assert b"Connection: close" not in read_until(client, HELLO)
        client.sendall(get())
        app.ends()
        read_until(client, HELLO)


def test_a_client_is_never_told_to_go_on_where_nobody_reads() -> None:
    with Engine(hello.application, body_streaming=True) as engine:
        answer = engine.ask(post(10, "Expect: 100-continue"))
    assert status_of(answer) == 200
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(HELLO)


def test_a_client_that_sends_without_being_told_is_not_told() -> None:
    with Engine(echo.application, body_streaming=True) as engine:
        assert status_of(engine.ask(post(5, "Expect: 100-continue", "Connection: close") + b"hello")) == 200


def test_no_word_comes_behind_the_head_of_the_answer() -> None:
    def application(environ: dict[str, Any], start_response: Respond) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        yield environ["wsgi.input"].read()

    with Engine(application, body_streaming=True) as engine, engine.connect() as client:
        client.sendall(post(5, "Expect: 100-continue"))
        answer = read_until(client, b"first\r\n")
        assert b"Connection: close\r\n" in answer
        client.sendall(b"hello")
        assert unchunked(body_of(answer + read_all(client))) == b"firsthello"
    with Engine(application, body_streaming=True, body_timeout=0.1) as engine:
        assert engine.ask(post(5, "Expect: 100-continue")).endswith(b"\r\n\r\n5\r\nfirst\r\n")


# What is left unread.


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_rest_that_is_here_does_not_end_the_connection(is_chunked: bool) -> None:
    # In one piece of the kernel's: all of it is here when any of it is.
    body = b"x" * (DRAIN_BYTES // 8)
    with Engine(hello.application, body_streaming=True) as engine:
        request = chunked() + in_chunks(body) if is_chunked else post(len(body)) + body
        assert engine.ask(request + get("/", "Connection: close")).count(HELLO) == 2


def test_a_rest_that_is_not_here_ends_the_connection_behind_the_answer() -> None:
    with Engine(hello.application, body_streaming=True) as engine, engine.connect() as client:
        client.sendall(post(10) + b"hello")
        assert read_all(client).count(HELLO) == 1
        # As the rest of the body: a connection that goes on would answer it.
        client.sendall(get())
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""


def test_an_answer_reaches_a_client_that_is_still_sending_what_nobody_reads() -> None:
    with Engine(hello.application, body_streaming=True) as engine, engine.connect() as client:
        client.sendall(post(5_000_000))
        for _ in range(5000):
            client.sendall(b"a" * 1000)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).endswith(HELLO)


def test_a_bad_rest_ends_the_connection() -> None:
    with Engine(hello.application, body_streaming=True) as engine:
        answer = engine.ask(chunked() + b"5\r\nhelloX\r\n" + get())
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_question_about_the_server_may_have_a_body_too() -> None:
    with Engine(hello.application, body_streaming=True) as engine:
        question = get("*", "Content-Length: 5", method="OPTIONS") + b"hello"
        answer = engine.ask(question + get("/", "Connection: close"))
    assert status_of(answer) == 204
    assert answer.endswith(HELLO)


# Clients that fail.


def test_a_body_that_takes_too_long_is_an_error_in_the_application_and_408() -> None:
    app, met = raising()
    with Engine(app, body_streaming=True, body_timeout=0.1) as engine, engine.connect() as client:
        client.sendall(post(5) + b"hell")
        answer = read_all(client)
    assert status_of(answer) == 408
    assert b"Connection: close\r\n" in answer
    assert isinstance(met[0], BodyLost)
    assert engine.journal.entries == []


def test_a_body_that_trickles_is_ended_by_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "GRACE", 0.1)
    app, met = raising()
    settings: dict[str, Any] = {"body_streaming": True, "body_timeout": 0.0, "min_rate": 100_000}
    with Engine(app, **settings) as engine, engine.connect() as client:
        client.settimeout(0.02)
        client.sendall(post(5000))
        answer = b""
        for _ in range(5000):
            client.sendall(b"x")
            try:
                answer = client.recv(65536)
                break
            except TimeoutError:
                pass
    assert status_of(answer) == 408
    assert len(met) == 1


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_client_that_goes_away_is_an_error_in_the_application_and_no_answer(is_reset: bool) -> None:
    app = Reading()
    with Engine(app, body_streaming=True) as engine:
        with engine.connect() as client:
            client.sendall(post(5) + b"hell")
            assert app.called.wait(DEADLINE)
            if is_reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        for _ in range(2):
            error = app.does(lambda body: body.read())
            assert isinstance(error, OSError) and "went away" in str(error)
        app.ends()
        app.ends()
        assert engine.ask(get("/", "Connection: close")).endswith(HELLO)
    assert engine.journal.entries == []


def test_a_client_that_has_said_all_too_early_gets_no_answer() -> None:
    app, _ = raising()
    with Engine(app, body_streaming=True) as engine, engine.connect() as client:
        client.sendall(post(5) + b"hell")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b""
        assert status_of(engine.ask(get("/", "Connection: close"))) == 200
    assert engine.journal.entries == []


@pytest.mark.parametrize(
    ("body", "status"), [(b"5\r\nhelloX\r\n", 400), (b"z\r\n", 400), (b"ffff\r\n", 413)]
)
def test_a_body_that_breaks_the_rules_is_refused_and_nothing_behind_it_is_read(
    body: bytes, status: int
) -> None:
    app, _ = raising()
    with Engine(app, body_streaming=True, body_max=1000) as engine:
        answer = engine.ask(chunked() + body + get())
    assert status_of(answer) == status
    assert answer.count(b"HTTP/1.1 ") == 1
    assert engine.journal.entries == []


def test_a_body_announced_as_too_long_is_refused_before_the_application_is_called() -> None:
    with Engine(echo.application, body_streaming=True, body_max=1000) as engine:
        assert status_of(engine.ask(post(1001))) == 413
    assert engine.slot.story == []


def test_an_application_may_wrap_the_error() -> None:
    app, _ = raising(lambda error: RuntimeError("unreadable"))
    with Engine(app, body_streaming=True) as engine:
        assert status_of(engine.ask(chunked() + b"z\r\n")) == 400
    assert engine.journal.entries == []


def test_an_application_may_answer_in_spite_of_the_error() -> None:
    def application(environ: dict[str, Any], start_response: Respond) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError:
            start_response("422 Unprocessable Content", [])
        return [b"so it goes"]

    with Engine(application, body_streaming=True) as engine:
        answer = engine.ask(chunked() + b"z\r\n" + get())
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"Connection: close\r\n" in answer
    assert answer.endswith(b"so it goes")


def test_an_error_of_the_application_s_own_is_told_as_ever() -> None:
    def application(environ: dict[str, Any], start_response: Respond) -> list[bytes]:
        raise RuntimeError(environ["wsgi.input"].read(2).decode())

    with Engine(application, body_streaming=True) as engine:
        answer = engine.ask(post(5) + b"hello" + get("/", "Connection: close"))
        _, values = engine.journal.expects(messages.APP_ERROR)
    assert values["error"] == "RuntimeError: he"
    assert answer.count(b"HTTP/1.1 500 ") == 2


def test_an_answer_that_has_begun_ends_where_the_body_does() -> None:
    def application(environ: dict[str, Any], start_response: Respond) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        yield environ["wsgi.input"].read()

    with Engine(application, body_streaming=True, body_timeout=0.1) as engine:
        answer = engine.ask(post(5) + b"hell")
    assert answer.endswith(b"5\r\nfirst\r\n")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert engine.journal.entries == []


def test_nothing_can_be_read_once_the_answer_is_done() -> None:
    kept: list[Any] = []

    def application(environ: dict[str, Any], start_response: Respond) -> list[bytes]:
        kept.append(environ["wsgi.input"])
        start_response("200 OK", [])
        return []

    with Engine(application, body_streaming=True) as engine:
        engine.ask(post(5, "Connection: close") + b"hello")
    with pytest.raises(ValueError, match="closed"):
        kept[0].read()
