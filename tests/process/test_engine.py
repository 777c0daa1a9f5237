"""The HTTP worker, from outside: what clients do to it and what they get."""

import io
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corn_systemd.systemd import messages
from corn_systemd.worker import outlet as outlets
from corn_systemd.worker import pace
from corn_systemd.worker.outbox import MEMORY_BYTES
from tests.apps import crashing, echo, hello, liar, streaming

from .engine import DEADLINE, Engine, get, open_files, read_all, read_head, read_until

HELLO = b"Hello, world!\n"


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def status_of(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


def unchunked(data: bytes) -> bytes:
    pieces = []
    while True:
        size, _, data = data.partition(b"\r\n")
        if int(size, 16) == 0:
            assert data == b"\r\n"
            return b"".join(pieces)
        pieces.append(data[: int(size, 16)])
        assert data[int(size, 16) :][:2] == b"\r\n"
        data = data[int(size, 16) + 2 :]


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(hello.application) as engine:
        yield engine


def test_a_request_is_answered(engine: Engine) -> None:
    answer = engine.ask(get("/", "Connection: close"))
    assert re.fullmatch(
        rb"HTTP/1\.1 200 OK\r\nContent-Type: text/plain\r\nDate: [^\r\n]{29}\r\n"
        rb"Content-Length: 14\r\nConnection: close\r\n\r\nHello, world!\n",
        answer,
    )
    assert engine.slot.story == [("begin", "GET", "/"), ("head_left",), ("end",)]


def test_a_connection_serves_many_requests(engine: Engine) -> None:
    with engine.connect() as client:
        for _ in range(3):
            client.sendall(get())
            read_until(client, HELLO)
        client.sendall(get("/", "Connection: close"))
        assert read_all(client).endswith(HELLO)


def test_pipelined_requests_are_answered_in_their_order() -> None:
    with Engine(echo.application) as engine:
        requests = b"".join(
            get("/", f"Content-Length: {len(str(n))}", method="POST") + str(n).encode()
            for n in range(100, 150)
        )
        answer = engine.ask(requests + get("/", "Connection: close"))
    numbers = re.findall(rb"\r\n\r\n(\d+)HTTP", answer)
    assert numbers == [str(n).encode() for n in range(100, 150)]


def test_a_client_that_has_said_all_gets_all_answers(engine: Engine) -> None:
    with engine.connect() as client:
        client.sendall(get() * 5)
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).count(HELLO) == 5


def test_a_head_may_come_byte_by_byte(engine: Engine) -> None:
    with engine.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in get("/", "Connection: close"):
            client.sendall(bytes((byte,)))
        assert read_all(client).endswith(HELLO)


def test_http_1_0_is_spoken(engine: Engine) -> None:
    assert engine.ask(b"GET / HTTP/1.0\r\n\r\n").endswith(b"Connection: close\r\n\r\n" + HELLO)
    with engine.connect() as client:
        client.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"Connection: keep-alive\r\n" in read_until(client, HELLO)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert read_all(client).endswith(HELLO)


def test_a_duplicate_elsewhere_keeps_no_client_waiting(engine: Engine) -> None:
    engine.slot.duplicates = []
    with engine.connect() as first:
        first.sendall(get() + get("/", "Connection: close"))
        assert read_all(first).count(HELLO) == 2
    with engine.connect() as second:
        second.sendall(get())
        read_until(second, HELLO)
        second.shutdown(socket.SHUT_WR)
        assert read_all(second) == b""
    for fd in engine.slot.duplicates:
        os.close(fd)


def test_head_gets_no_body(engine: Engine) -> None:
    answer = engine.ask(get(method="HEAD") + get("/", "Connection: close", method="HEAD"))
    assert answer.count(b"Content-Length: 14\r\n") == 2
    assert HELLO not in answer


def test_a_question_about_the_server_is_not_the_applications(engine: Engine) -> None:
    answer = engine.ask(get("*", "Connection: close", method="OPTIONS"))
    assert status_of(answer) == 204
    assert ("begin", "OPTIONS", "*") not in engine.slot.story


@pytest.mark.parametrize("size", [0, 5, 70_000, 3_000_000])
@pytest.mark.parametrize("memory", [0, 1000, 10_000_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_bodies_reach_the_application(tmp_path: Path, is_chunked: bool, memory: int, size: int) -> None:
    body = os.urandom(size)
    if is_chunked:
        parts = [body[at : at + 7777] for at in range(0, size, 7777)]
        sent = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nX: y\r\n\r\n"
        head = get("/", "Connection: close", "Transfer-Encoding: chunked", method="POST")
    else:
        sent = body
        head = get("/", "Connection: close", f"Content-Length: {size}", method="POST")
    with Engine(echo.application, body_memory=memory, spool_directory=str(tmp_path)) as engine:
        is_equal = body_of(engine.ask(head + sent)) == body
        assert is_equal
    assert os.listdir(tmp_path) == []


def test_long_bodies_lie_in_the_directory_that_is_named(tmp_path: Path) -> None:
    names = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        names.append(os.readlink(f"/proc/self/fd/{environ['wsgi.input'].fileno()}"))
        start_response("200 OK", [])
        return []

    before = open_files()
    with Engine(application, body_memory=10, spool_directory=str(tmp_path)) as engine:
        engine.ask(get("/", "Connection: close", "Content-Length: 11", method="POST") + b"hello world")
    assert names[0].startswith(str(tmp_path))
    assert names[0].endswith("(deleted)")
    assert open_files() <= before


def test_a_body_without_room_gets_503(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with Engine(echo.application, body_memory=10, spool_directory=str(missing)) as engine:
        answer = engine.ask(get("/", "Content-Length: 11", method="POST") + b"hello world")
        assert status_of(answer) == 503
        _, values = engine.journal.expects(messages.SPOOL_FAILED)
        assert values["directory"] == str(missing)
        assert status_of(engine.ask(get("/", "Connection: close"))) == 200


def test_a_body_beyond_what_all_may_have_in_files_gets_503(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"body_memory": 10, "spool_directory": str(tmp_path), "spool_max": 1000}
    with Engine(echo.application, **settings) as engine:
        request = get("/", "Connection: close", "Content-Length: 11", method="POST") + b"hello world"
        engine.slot.in_spools_of_others = 1000
        assert status_of(engine.ask(request)) == 503
        _, values = engine.journal.expects(messages.SPOOL_FAILED)
        assert values["cause"] == "http.spool_max has been reached"
        engine.slot.in_spools_of_others = 999
        assert status_of(engine.ask(request)) == 200
        assert (engine.slot.most_in_spools, engine.slot.in_spools) == (11, 0)


def test_a_body_that_is_given_up_counts_no_more(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"body_memory": 10, "spool_directory": str(tmp_path), "body_timeout": 0.1}
    with Engine(echo.application, **settings) as engine:
        assert status_of(engine.ask(get("/", "Content-Length: 12", method="POST") + b"hello world")) == 408
        assert (engine.slot.most_in_spools, engine.slot.in_spools) == (11, 0)


def test_a_client_that_expects_to_be_told_is_told() -> None:
    with Engine(echo.application) as engine, engine.connect() as client:
        client.sendall(
            get("/", "Content-Length: 5", "Expect: 100-continue", "Connection: close", method="POST")
        )
        assert read_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert read_all(client).endswith(b"hello")


def test_a_client_that_has_sent_its_body_is_not_told_to() -> None:
    with Engine(echo.application) as engine:
        request = get("/", "Content-Length: 5", "Expect: 100-continue", "Connection: close", method="POST")
        assert status_of(engine.ask(request + b"hello")) == 200


def test_other_expectations_fail() -> None:
    with Engine(echo.application) as engine:
        assert status_of(engine.ask(get("/", "Expect: magic"))) == 417


def test_a_body_too_long_is_refused_before_it_is_sent() -> None:
    with Engine(echo.application, body_max=1000) as engine, engine.connect() as client:
        client.sendall(get("/", "Content-Length: 1001", "Expect: 100-continue", method="POST"))
        assert status_of(read_all(client)) == 413
    assert engine.slot.story == []


def test_a_refusal_reaches_a_client_that_is_still_sending() -> None:
    with Engine(echo.application, body_max=1000) as engine, engine.connect() as client:
        client.sendall(get("/", "Content-Length: 5000000", method="POST"))
        for _ in range(5000):
            client.sendall(b"a" * 1000)
        client.shutdown(socket.SHUT_WR)
        assert status_of(read_all(client)) == 413


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000, 431),
    ],
)
def test_what_is_no_request_is_refused_and_nothing_behind_it_is_read(
    engine: Engine, request_: bytes, status: int
) -> None:
    answer = engine.ask(request_ + get() + get())
    assert status_of(answer) == status
    assert len(re.findall(rb"HTTP/1\.1 \d", answer)) == 1
    assert b"Connection: close\r\n" in answer
    assert engine.slot.story == []


def test_a_bad_body_is_refused_and_nothing_behind_it_is_read() -> None:
    with Engine(echo.application) as engine:
        answer = engine.ask(
            get("/", "Transfer-Encoding: chunked", "Accept: application/json", method="POST")
            + b"5\r\nhelloX\r\n"
            + get()
        )
    assert status_of(answer) == 400
    assert b"application/problem+json" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("family", [socket.AF_INET6, socket.AF_UNIX])
def test_other_families_are_served(tmp_path: Path, family: socket.AddressFamily) -> None:
    path = tmp_path / "s" if family == socket.AF_UNIX else None
    with Engine(echo.application, family, path) as engine:
        answer = engine.ask(get("/?environ", "Connection: close")).decode()
    if path:
        assert "REMOTE_ADDR=''\n" in answer
        assert "SERVER_NAME='localhost'\nSERVER_PORT='80'\n" in answer
    else:
        assert "REMOTE_ADDR='::1'\n" in answer
        assert "SERVER_NAME='::1'\n" in answer


# Time.


def test_a_head_that_takes_too_long_gets_408() -> None:
    with Engine(hello.application, head_timeout=0.1) as engine, engine.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert status_of(read_all(client)) == 408


def test_a_body_that_takes_too_long_gets_408() -> None:
    with Engine(hello.application, body_timeout=0.1) as engine, engine.connect() as client:
        client.sendall(get("/", "Content-Length: 5", method="POST") + b"hell")
        assert status_of(read_all(client)) == 408


def test_a_client_without_a_word_is_let_go_without_a_word() -> None:
    with Engine(hello.application, head_timeout=0.1) as engine, engine.connect() as client:
        assert read_all(client) == b""


def test_an_idle_connection_is_let_go_without_a_word() -> None:
    with Engine(hello.application, keepalive=0.1) as engine, engine.connect() as client:
        client.sendall(get())
        read_until(client, HELLO)
        assert read_all(client) == b""


def test_trickling_does_not_put_the_deadline_off() -> None:
    with Engine(hello.application, head_timeout=0.3) as engine, engine.connect() as client:
        client.settimeout(0.02)
        answer, sent = b"", 0
        while not answer and sent < 1000:
            client.sendall(b"G" if not sent else b"E")
            sent += 1
            try:
                answer = client.recv(65536)
            except TimeoutError:
                pass
        assert status_of(answer) == 408


@pytest.mark.parametrize("beginning", [b"GET / HT", get("/", "Content-Length: 5", method="POST") + b"hell"])
def test_a_request_that_comes_too_slowly_gets_408_before_its_time_is_up(
    beginning: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "GRACE", 0.1)
    settings: dict[str, Any] = {"head_timeout": 0.0, "body_timeout": 0.0, "keepalive": 0.4}
    with Engine(hello.application, min_rate=1000, **settings) as engine:
        assert status_of(engine.ask(beginning)) == 408


def test_a_reader_that_stops_is_given_up_and_the_application_is_told() -> None:
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"a" * 65536

        def close(self) -> None:
            closed.set()

    def application(environ: object, start_response: Callable[..., Any]) -> Endless:
        start_response("200 OK", [])
        return Endless()

    with Engine(application, write_timeout=0.2) as engine, engine.connect(4096) as client:
        client.sendall(get())
        assert closed.wait(DEADLINE)
        assert not read_all(client).endswith(b"0\r\n\r\n")


def test_a_reader_that_hangs_up_ends_the_answer() -> None:
    closed = threading.Event()

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"a" * 65536

        def close(self) -> None:
            closed.set()

    def application(environ: object, start_response: Callable[..., Any]) -> Endless:
        start_response("200 OK", [])
        return Endless()

    with Engine(application) as engine:
        with engine.connect(4096) as client:
            client.sendall(get())
            read_until(client, b"a")
        assert closed.wait(DEADLINE)
        # And the worker is none the worse for it.
        with engine.connect() as client:
            client.sendall(get())
            read_until(client, b"a")


def test_a_client_that_goes_while_the_application_works_is_noticed() -> None:
    begun, gone, closed = threading.Event(), threading.Event(), threading.Event()

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            yield b"first"
            begun.set()
            gone.wait(DEADLINE)
            while True:
                yield b"a" * 1000

        def close(self) -> None:
            closed.set()

    def application(environ: object, start_response: Callable[..., Any]) -> Pieces:
        start_response("200 OK", [])
        return Pieces()

    with Engine(application) as engine:
        with engine.connect() as client:
            client.sendall(get())
            assert begun.wait(DEADLINE)
        gone.set()
        assert closed.wait(DEADLINE)


# Slow readers.


def test_no_more_is_taken_than_may_wait_for_a_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "FULL_BYTES", 2_000_000)
    with Engine(streaming.application) as engine, engine.connect(16384) as slow:
        slow.sendall(get("/endless"))
        read_head(slow)
        outboxes: list[Any] = []
        while not outboxes:
            engine.ask(get("/bytes?1", "Connection: close"))
            outboxes = [one.outbox for one in list(engine.worker._connections.values()) if one.outbox]
        assert 2_000_000 <= outboxes[0].waiting < 2_000_000 + 2 * len(streaming.PIECE)
        assert outboxes[0].held <= MEMORY_BYTES + 2 * len(streaming.PIECE)


def test_no_more_is_taken_than_all_may_have_in_files(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"spool_directory": str(tmp_path), "spool_max": 4_000_000}
    # A quarter of it is for answers.
    count = 800
    with Engine(streaming.application, **settings) as engine, engine.connect(16384) as slow:
        slow.sendall(get(f"/pieces?{count}", "Connection: close"))
        head = read_head(slow)
        while engine.slot.in_spools < 1_000_000:
            engine.ask(get("/bytes?1", "Connection: close"))
        # Others are not held up by it, unless they too have more than memory holds.
        engine.ask(get("/pieces?20", "Connection: close"))
        data = head + read_all(slow)
        most = engine.slot.most_in_spools
        assert 1_000_000 <= most < 1_000_000 + 4_000 + 3 * len(streaming.PIECE)
        assert engine.slot.in_spools == 0
    is_whole = unchunked(body_of(data)) == streaming.PIECE * count
    assert is_whole, f"{len(data)} bytes"


def test_where_others_have_taken_all_room_each_answer_still_goes_on(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"spool_directory": str(tmp_path), "spool_max": 1_000_000}
    with Engine(streaming.application, **settings) as engine, engine.connect(16384) as slow:
        engine.slot.in_spools_of_others = 3_000_000
        slow.sendall(get("/pieces?800", "Connection: close"))
        is_whole = unchunked(body_of(read_all(slow))) == streaming.PIECE * 800
        assert is_whole
        assert engine.slot.most_in_spools <= 3 * len(streaming.PIECE)


def test_nobody_is_served_between_two_pieces_of_an_answer_however_slow_its_reader_is() -> None:
    serving: list[str] = []
    seen: list[list[str]] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        serving.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        for _ in range(200 if environ["PATH_INFO"] == "/slow" else 1):
            seen.append(list(serving))
            yield b"x" * 50_000
        serving.remove(environ["PATH_INFO"])

    with Engine(application) as engine, engine.connect(16384) as slow:
        slow.sendall(get("/slow", "Connection: close"))
        read_head(slow)
        assert len(body_of(engine.ask(get("/quick", "Connection: close")))) > 50_000
        assert all(len(together) == 1 for together in seen)
        assert len(read_all(slow)) > 200 * 50_000 - 100_000


@pytest.mark.parametrize("target", ["/bytes", "/pieces", "/write", "/file", "/buffer"])
def test_a_slow_reader_gets_every_byte_and_holds_nobody(tmp_path: Path, target: str) -> None:
    count = 1500
    with (
        Engine(streaming.application, spool_directory=str(tmp_path)) as engine,
        engine.connect(16384) as slow,
    ):
        slow.sendall(get(f"{target}?{count}", "Connection: close"))
        head = read_head(slow)
        for _ in range(3):
            quick = engine.ask(get("/bytes?1", "Connection: close"))
            assert len(body_of(quick)) == len(streaming.PIECE)
        data = head + read_all(slow)
    answer, body = data.partition(b"\r\n\r\n")[::2]
    if b"chunked" in answer:
        body = unchunked(body)
    is_whole = body == streaming.PIECE * count
    assert is_whole, f"{len(body)} bytes"
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("target", ["/bytes", "/pieces", "/write", "/file", "/buffer"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_answers_of_all_kinds_are_whole(target: str, version: str) -> None:
    with Engine(streaming.application) as engine:
        requests = get(target, version=version) if version == "1.0" else get(target) * 2
        answer = engine.ask(requests + get(target, "Connection: close", version=version))
    assert answer.count(b"HTTP/1.1 200 OK") == (1 if version == "1.0" else 3)
    if version == "1.0":
        assert len(body_of(answer)) == len(streaming.PIECE) * 64
    assert answer.count(streaming.PIECE[:16]) == 64 * 512 * (1 if version == "1.0" else 3)


def test_a_file_is_sent_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> object:
        file = path.open("rb")
        file.read(3)
        start_response("200 OK", [("Content-Length", "4")] if environ["QUERY_STRING"] else [])
        return environ["wsgi.file_wrapper"](file)

    before = open_files()
    with Engine(application) as engine:
        assert engine.ask(get("/", "Connection: close")).endswith(b"Content-Length: 7\r\n"
            b"Connection: close\r\n\r\n3456789")  # fmt: skip
        assert body_of(engine.ask(get("/?part", "Connection: close"))) == b"3456"
        assert body_of(engine.ask(get("/", "Connection: close", method="HEAD"))) == b""
    assert open_files() <= before


def test_a_compressed_file_is_sent_as_it_reads(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "file.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"hello" * 100)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> object:
        start_response("200 OK", [("Content-Length", "500")])
        return environ["wsgi.file_wrapper"](gzip.open(path))

    with Engine(application) as engine:
        assert body_of(engine.ask(get("/", "Connection: close"))) == b"hello" * 100


def test_many_connections_are_served_in_turn() -> None:
    with Engine(hello.application) as engine:
        clients = [engine.connect() for _ in range(64)]
        for _ in range(3):
            for client in clients:
                client.sendall(get())
            for client in clients:
                read_until(client, HELLO)
        assert engine.slot.open == 64
        for client in clients:
            client.close()


def test_a_long_pipeline_does_not_keep_others_waiting() -> None:
    order = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        order.append(environ["PATH_INFO"])
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/first":
            begun.set()
            go.wait(DEADLINE)
        return [HELLO]

    begun, go = threading.Event(), threading.Event()
    with Engine(application) as engine, engine.connect() as many, engine.connect() as one:
        many.sendall(get("/first") + get("/many") * 50)
        assert begun.wait(DEADLINE)
        one.sendall(get("/one"))
        go.set()
        read_until(one, HELLO)
        assert order.index("/one") < 5


# Applications that fail.


@pytest.mark.parametrize(
    ("target", "error"), [("/before", "RuntimeError: before the head"), ("/exit", "SystemExit: 3")]
)
def test_a_failure_before_the_head_is_told_to_both_sides(target: str, error: str) -> None:
    with Engine(crashing.application) as engine:
        answer = engine.ask(get(target, "Accept: text/html") + get("/", "Connection: close"))
        trace, values = engine.journal.expects(messages.APP_ERROR)
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"<h1>Internal Server Error</h1>" in answer
    assert b"RuntimeError" not in answer
    assert answer.endswith(b"unharmed\n")
    assert (values["request"], values["error"], values["head_left"]) == (f"GET {target}", error, "no")
    assert "in application" in trace
    assert "corn_systemd" not in trace


def test_a_failure_behind_the_head_ends_the_connection() -> None:
    with Engine(crashing.application) as engine:
        answer = engine.ask(get("/within") + get("/"))
        _, values = engine.journal.expects(messages.APP_ERROR)
    assert answer.endswith(b"half of it\r\n")
    assert values["head_left"] == "yes"


def test_a_failure_in_close_is_told_to_the_journal_alone() -> None:
    with Engine(crashing.application) as engine:
        answer = engine.ask(get("/close") + get("/", "Connection: close"))
        _, values = engine.journal.expects(messages.APP_ERROR)
    assert answer.endswith(b"unharmed\n")
    assert values["error"] == "RuntimeError: in close"


@pytest.mark.parametrize("target", ["/too-long", "/too-long-in-pieces"])
def test_an_answer_too_long_is_cut_and_the_next_is_right(target: str) -> None:
    with Engine(liar.application) as engine:
        answer = engine.ask(get(target) + get(target, "Connection: close"))
        engine.journal.expects(messages.APP_MISCOUNTED)
    assert len(re.findall(rb"\r\n\r\nhello(?:HTTP/1.1 200 OK|$)", answer)) == 2


def test_an_answer_too_short_ends_the_connection() -> None:
    with Engine(liar.application) as engine:
        answer = engine.ask(get("/too-short") + get("/too-short"))
        engine.journal.expects(messages.APP_MISCOUNTED)
    assert answer.endswith(b"hello")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("target", ["/splitting", "/no-reason", "/hop-by-hop", "/text", "/silent", "/twice"])
def test_what_breaks_the_rules_gets_500(target: str) -> None:
    with Engine(liar.application) as engine:
        answer = engine.ask(get(target, "Connection: close"))
        engine.journal.expects(messages.APP_ERROR)
    assert status_of(answer) == 500
    assert b"Set-Cookie" not in answer


# The master's words.


def test_a_worker_that_is_told_to_leave_answers_and_leaves() -> None:
    with Engine(hello.application) as engine, engine.connect() as idle, engine.connect() as busy:
        for client in (idle, busy):
            client.sendall(get())
            read_until(client, HELLO)
        engine.leave(linger=DEADLINE)
        # No sign is given that the word has been heeded: it has, once an answer closes.
        answer = b""
        while b"Connection: close" not in answer:
            busy.sendall(get())
            answer = read_until(busy, HELLO)
        assert read_all(busy) == b""
        idle.close()
        engine.thread.join(DEADLINE)
        assert engine.reason == "drained"


def test_who_comes_in_behind_the_word_to_leave_is_for_the_others() -> None:
    """Also where both are found in one look, and the door first, behind a request that took its time."""
    begun, go = threading.Event(), threading.Event()

    def application(environ: Any, start_response: Any) -> list[bytes]:
        begun.set()
        assert go.wait(DEADLINE)
        start_response("200 OK", [])
        return [b"done"]

    with Engine(application, keepalive=0.04) as engine, engine.connect() as client:  # a tick is a quarter
        client.sendall(get())
        assert begun.wait(DEADLINE)
        with engine.connect() as other:
            other.sendall(get())
            engine.leave(linger=0.0)
            assert not go.wait(0.1)  # ten ticks go by
            go.set()
            assert read_all(client).endswith(b"done")
            engine.thread.join(DEADLINE)
            assert engine.reason == "drained"
            assert engine.slot.story.count(("begin", "GET", "/")) == 1
            engine.listener.accept()[0].close()


def test_idle_clients_are_let_go_when_the_time_is_up() -> None:
    with Engine(hello.application) as engine, engine.connect() as idle, engine.connect() as half:
        idle.sendall(get())
        read_until(idle, HELLO)
        half.sendall(b"GET / HT")
        engine.slot.has(2)  # who has not come in by then is not let go but waits for the next worker
        engine.leave(linger=0.05)
        assert read_all(idle) == b""
        assert status_of(read_all(half) or b"HTTP/1.1 503") == 503
        half.close()
        engine.thread.join(DEADLINE)
        assert engine.reason == "drained"


def test_an_answer_on_its_way_is_finished_before_leaving() -> None:
    with Engine(streaming.application) as engine, engine.connect(16384) as client:
        client.sendall(get("/pieces?1500"))
        head = read_head(client)
        engine.leave(linger=0.0)
        data = head + read_all(client)
        engine.thread.join(DEADLINE)
    is_whole = unchunked(body_of(data)) == streaming.PIECE * 1500
    assert is_whole, f"{len(data)} bytes"
    assert engine.reason == "drained"


def test_a_worker_without_a_master_leaves() -> None:
    with Engine(hello.application) as engine, engine.connect():
        engine.master.close()
        engine.thread.join(DEADLINE)
        assert engine.reason == "orphaned"


def test_a_default_timeout_of_the_application_does_no_harm() -> None:
    socket.setdefaulttimeout(30.0)
    try:
        with Engine(streaming.application) as engine, engine.connect():
            assert body_of(engine.ask(get("/bytes?1", "Connection: close"))) == streaming.PIECE
    finally:
        socket.setdefaulttimeout(None)


def test_errors_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        environ["wsgi.errors"].write("a word\n")
        start_response("200 OK", [])
        return [io.BytesIO(b"x").read()]

    with Engine(application) as engine:
        engine.ask(get("/", "Connection: close"))
    assert capsys.readouterr().err == "a word\n"
