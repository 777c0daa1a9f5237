"""Two workers in one process, with one relay: where one is kept, the other goes on where it stood."""

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corn_systemd.relay import BATCH, Relay
from corn_systemd.systemd import messages
from tests.apps import echo

from .engine import DEADLINE, Engine, get, open_files, read_all, read_head, read_until


class Gate:
    """An application that lets /hold wait until it is opened, and echoes everything else."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> object:
        if environ["PATH_INFO"] == "/hold":
            self.entered.set()
            assert self.opened.wait(DEADLINE)
        if environ["PATH_INFO"] == "/long":
            start_response("200 OK", [("Content-Length", str(LONG))])
            return iter([b"x" * 65536] * (LONG // 65536))
        if environ["PATH_INFO"] == "/who":
            start_response("200 OK", [])
            return [f"{environ['REMOTE_ADDR']} {environ['SERVER_NAME']}".encode()]
        if environ["PATH_INFO"] == "/file":
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](open(__file__, "rb"))
        return echo.application(environ, start_response)


LONG = 16 * 1024 * 1024


class Pair:
    """`busy` is kept by a request; `idle` takes over."""

    def __init__(self, tmp_path: Path, **settings: Any) -> None:
        self.gate = Gate()
        self.relay = Relay.create()
        settings.setdefault("spool_directory", str(tmp_path))
        self.busy = Engine(self.gate, relay=self.relay, **settings)
        # Where the other one is asked for the same names, its listener is another: it is never asked.
        self.idle = Engine(echo.application, relay=self.relay, **settings)
        self.idle.worker.caller._application = self.gate  # type: ignore[attr-defined]

    def __enter__(self) -> "Pair":
        self.busy.__enter__()
        return self

    def keep(self) -> socket.socket:
        """Keeps the busy one busy; the client that waits for it."""
        client = self.busy.connect()
        client.sendall(get("/hold", "Connection: close"))
        assert self.gate.entered.wait(DEADLINE)
        return client

    def hand_over(self) -> None:
        """All but the one who keeps it go to the other."""
        there = self.busy.slot.open - 1
        self.busy.nudge()
        self.busy.slot.has(1)
        self.idle.__enter__()
        self.idle.slot.has(there)

    def __exit__(self, *_: object) -> None:
        self.gate.opened.set()
        self.busy.__exit__()
        if self.idle.thread.ident:
            self.idle.__exit__()
        self.relay.close()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with Pair(tmp_path) as pair:
        yield pair


def test_an_idle_connection_is_served_by_another(pair: Pair) -> None:
    with pair.busy.connect() as client:
        client.sendall(get("/", "Content-Length: 2", method="POST") + b"ab")
        read_until(client, b"ab")
        with pair.keep() as kept:
            pair.hand_over()
            client.sendall(get("/", "Content-Length: 2", method="POST") + b"cd")
            read_until(client, b"cd")
            pair.gate.opened.set()
            assert b"200 OK" in read_all(kept)
    assert pair.idle.slot.story[0] == ("begin", "POST", "/")


REQUESTS = {
    "a short body": get("/", "Content-Length: 9", method="POST") + b"the  body",
    "a long body": get("/", "Content-Length: 90000", method="POST") + b"0123456789" * 9000,
    "chunks": get("/", "Transfer-Encoding: chunked", method="POST")
    + b"5;ext=1\r\nthe  \r\n000004\r\nbody\r\n0\r\nTrailer: x\r\n\r\n",
}


@pytest.mark.parametrize("memory", [0, 4], ids=["in memory", "in a file"])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_goes_on_wherever_it_was_cut(tmp_path: Path, name: str, memory: int) -> None:
    request = REQUESTS[name]
    body = b"0123456789" * 9000 if "long" in name else b"the  body"
    cuts = [*range(1, min(len(request), 140)), len(request) // 2, len(request) - 1]
    before = open_files()
    with Pair(tmp_path, body_memory=memory) as pair:
        clients = []
        for cut in cuts:
            if cut >= len(request):
                continue
            client = pair.busy.connect()
            client.sendall(request[:cut])
            clients.append((client, cut))
        pair.busy.slot.has(len(clients))
        # One that is answered behind them: all that came before has been read.
        with pair.busy.connect() as last:
            last.sendall(get("/", "Connection: close"))
            read_all(last)
        with pair.keep():
            pair.hand_over()
            for client, cut in clients:
                with client:
                    client.sendall(request[cut:])
                    assert read_until(client, body).startswith(b"HTTP/1.1 200 OK"), cut
    assert open_files() <= before
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["/long", "/file"])
def test_an_answer_goes_on_where_its_client_had_paused(pair: Pair, path: str) -> None:
    with pair.busy.connect(receive_buffer=4096) as client:
        client.sendall(get(path) * (1 if path == "/long" else 400) + get("/", "Connection: close"))
        head = read_head(client)
        # The first of them: all of the answer that the socket has not taken is held now.
        with pair.keep():
            pair.hand_over()
            body = read_all(client)
    assert head.startswith(b"HTTP/1.1 200 OK")
    if path == "/long":
        assert body[:LONG] == b"x" * LONG
        assert body[LONG:].startswith(b"HTTP/1.1 200 OK")
    else:
        text = Path(__file__).read_bytes()
        assert body.count(text) == 400
        assert body[len(text) :].startswith(b"HTTP/1.1 200 OK")


def test_requests_that_were_read_with_another_are_answered_in_their_order(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    with pair.busy.connect() as client, pair.busy.connect() as kept:
        one = get("/", "Content-Length: 3", method="POST")
        client.sendall(b"".join(one + b"<%d>" % number for number in range(9)))
        kept.sendall(get("/hold"))
        # It begins with both: a request of the first, then one of each, and there it is kept.
        with pair:
            assert pair.gate.entered.wait(DEADLINE)
            pair.hand_over()
            answers = read_until(client, b"<8>")
    assert re.findall(rb"<\d>", answers) == [b"<%d>" % number for number in range(9)]
    assert pair.idle.slot.story.count(("begin", "POST", "/")) > 0


def test_who_was_introduced_stays_who_he_is(tmp_path: Path) -> None:
    with Pair(tmp_path, proxy_protocol=True) as pair:
        clients = []
        header = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 80\r\n"
        for cut in (3, len(header), len(header) + 7):
            client = pair.busy.connect()
            client.sendall((header + get("/who"))[:cut])
            clients.append((client, cut))
        known = pair.busy.connect()
        known.sendall(header + get("/who"))
        read_until(known, b"192.0.2.7 198.51.100.1")
        client = pair.busy.connect()
        client.sendall(header + get("/hold"))
        assert pair.gate.entered.wait(DEADLINE)
        pair.hand_over()
        clients.append((known, len(header)))
        for one, cut in clients:
            with one:
                one.sendall((header + get("/who"))[cut:])
                read_until(one, b"192.0.2.7 198.51.100.1")
        client.close()


def test_who_has_gone_meanwhile_is_forgotten(pair: Pair) -> None:
    with pair.busy.connect() as client:
        client.sendall(get())
        read_until(client, b"\r\n\r\n")
        with pair.keep():
            pair.busy.nudge()
            pair.busy.slot.has(1)
            client.close()
            pair.idle.__enter__()
            with pair.idle.connect() as other:
                other.sendall(get("/", "Connection: close"))
                read_all(other)
            pair.idle.slot.has(0)


def test_a_worker_that_leaves_gives_its_clients_to_the_others(pair: Pair) -> None:
    with pair.busy.connect() as idle, pair.busy.connect() as half, pair.busy.connect(4096) as reader:
        idle.sendall(get("/", "Content-Length: 1", method="POST") + b"1")
        read_until(idle, b"1")
        half.sendall(b"GET / HT")
        reader.sendall(get("/long"))
        read_head(reader)
        with pair.keep() as kept:
            pair.busy.leave(0.0, hand_over=True)
            pair.gate.opened.set()
            # Also whoever is answered while it leaves may go on elsewhere, had he not asked for the end.
            read_all(kept)
        pair.busy.thread.join(DEADLINE)
        assert pair.busy.reason == "drained"
        pair.idle.__enter__()
        idle.sendall(get("/", "Content-Length: 1", method="POST") + b"2")
        assert b"close" not in read_until(idle, b"2")
        half.sendall(b"TP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert read_all(half).startswith(b"HTTP/1.1 200 OK")
        data = bytearray()
        while len(data) < LONG:
            data += reader.recv(1 << 20)
        assert data == b"x" * LONG


def test_who_waits_at_the_door_of_one_that_leaves_comes_in_and_goes_on_elsewhere(pair: Pair) -> None:
    """For him the kernel may have woken this one and nobody else (EPOLLEXCLUSIVE)."""
    with pair.keep() as kept, pair.busy.connect() as other:
        other.sendall(get("/", "Content-Length: 1", method="POST") + b"1")
        pair.busy.leave(0.0, hand_over=True)
        pair.gate.opened.set()
        read_all(kept)
        read_until(other, b"1")
        pair.busy.thread.join(DEADLINE)
        assert pair.busy.reason == "drained"
        pair.idle.__enter__()
        other.sendall(get("/", "Content-Length: 1", method="POST") + b"2")
        assert b"close" not in read_until(other, b"2")


def test_a_worker_that_leaves_does_not_spin_for_who_must_stay(tmp_path: Path) -> None:
    with Pair(tmp_path, spool_max=1024 * 1024) as pair, pair.busy.connect(4096) as reader:
        reader.sendall(get("/long"))
        read_head(reader)
        pair.busy.leave(0.0, hand_over=True)
        clock = time.pthread_getcpuclockid(pair.busy.thread.ident or 0)
        before = time.clock_gettime(clock)
        pair.busy.thread.join(0.5)
        assert pair.busy.thread.is_alive()
        assert time.clock_gettime(clock) - before < 0.1
        # Who goes on once the application has said all.
        pair.idle.__enter__()
        data = bytearray()
        while len(data) < LONG:
            data += reader.recv(1 << 20)
        assert data == b"x" * LONG
        pair.busy.thread.join(DEADLINE)
        assert pair.busy.reason == "drained"


def test_a_crowd_with_half_read_bodies_goes_with_a_worker_that_leaves(pair: Pair) -> None:
    clients = [pair.busy.connect() for _ in range(2 * BATCH + 7)]
    for number, client in enumerate(clients):
        client.sendall(get("/", "Content-Length: 8", method="POST") + b"<%03d" % number)
    pair.busy.slot.has(len(clients))
    with pair.busy.connect() as last:
        last.sendall(get("/", "Connection: close"))
        read_all(last)
    pair.busy.leave(0.0, hand_over=True)
    pair.busy.thread.join(DEADLINE)
    pair.idle.__enter__()
    for number, client in enumerate(clients):
        with client:
            client.sendall(b"%03d>" % number)
            assert b"close" not in read_until(client, b"<%03d%03d>" % (number, number))


def test_what_no_worker_has_packed_is_told_and_harms_nobody(pair: Pair) -> None:
    left, right = socket.socketpair()
    with left:
        with right:
            for values in ({}, {"door": 7}, {"door": 0, "phase": 1}, {"door": 0, "outbox": [[0, 1, False]]}):
                assert pair.relay.give([(values, (right.fileno(),))])
        pair.busy.journal.expects(messages.HANDOVER_FAILED)
        assert left.recv(1) == b"", "nobody holds it open"
    with pair.busy.connect() as client:
        client.sendall(get("/", "Connection: close"))
        assert read_all(client).startswith(b"HTTP/1.1 200 OK")
