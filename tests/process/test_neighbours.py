"""No waiting behind a neighbour, and no dying with him: one of the workers is kept, stuck or killed."""

import os
import re
import select
import signal
import socket
import time
from collections import Counter
from typing import Any

import pytest

from corn_systemd.systemd import messages

from .conftest import Start
from .engine import get, read_all, read_head, read_until
from .harness import Corn, connect

APP = """
import os, signal, time

LONG = 8 * 1024 * 1024

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/sleep":
        time.sleep(float(query))
    elif path == "/until":
        while not os.path.exists(query):
            time.sleep(0.01)
    elif path == "/lock":
        # One call of C that never looks whether another thread waits for the interpreter.
        sum(range(int(query)))
    elif path == "/crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif path == "/fork":
        # A child that outlives its request, and ends as scripts do.
        if os.fork() == 0:
            time.sleep(0.2)
            if query:
                raise SystemExit(0)
    elif path == "/work":
        end = time.process_time() + 0.001
        while time.process_time() < end:
            pass
    body = str(os.getpid()).encode() + b"\\n"
    if path == "/long":
        start_response("200 OK", [("Content-Length", str(LONG))])
        return iter([b"x" * 65536] * (LONG // 65536))
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read() + b"\\n"
    if path == "/who":
        body = environ["REMOTE_ADDR"].encode() + b"\\n"
    start_response("200 OK", [])
    return [body]
"""
LONG = 8 * 1024 * 1024
# What no machine does in the time of a test, and what is over soon after.
FOREVER = 10**12
# Ten times what the others may wait, and what they may where the interpreter is locked.
SOON, SOON_LOCKED = 1.0, 2.0


def ask(client: socket.socket, target: str = "/") -> bytes:
    client.sendall(get(target))
    return read_until(client, b"\n").rpartition(b"\r\n\r\n")[2].strip()


def others_of(corn: Corn, pid: int) -> int:
    """How many connections a worker has besides the one that keeps it."""
    return next(row["connections"] for row in corn.workers() if row["pid"] == pid) - 1


def keep(corn: Corn, clients: list[socket.socket], target: str) -> tuple[socket.socket, int]:
    """Lets one of the clients keep the worker that has most of them: (who waits, the worker's pid)."""
    whose: dict[int, list[socket.socket]] = {}
    for client in clients:
        whose.setdefault(int(ask(client)), []).append(client)
    pid, its = max(whose.items(), key=lambda item: len(item[1]))
    assert len(its) > 1
    its[0].sendall(get(target))
    is_kept(corn, pid, target)
    return its[0], pid


def is_kept(corn: Corn, pid: int, target: str) -> None:
    """Waits until a worker serves that."""
    wanted = (pid, f"GET {target}")
    corn.until(
        lambda: wanted in [(row["pid"], row.get("request")) for row in corn.workers()], "a worker to be kept"
    )


@pytest.mark.parametrize(
    ("target", "bound"), [("/sleep?20", SOON), (f"/lock?{FOREVER}", SOON_LOCKED)], ids=["asleep", "locked"]
)
def test_nobody_waits_behind_a_neighbour(shop: Start, target: str, bound: float) -> None:
    corn = shop(APP, workers=4)
    clients = [connect(corn.sockets[0]) for _ in range(24)]
    kept, pid = keep(corn, clients, target)
    began = time.monotonic()
    others = [client for client in clients if client is not kept]
    for client in others:
        client.sendall(get("/"))
    pids = {int(read_until(client, b"\n").rpartition(b"\r\n\r\n")[2]) for client in others}
    assert time.monotonic() - began < bound
    assert pid not in pids
    # And again, where they are now.
    assert pid not in {int(ask(client)) for client in others}
    os.kill(pid, signal.SIGKILL)
    for client in clients:
        client.close()


def test_who_comes_in_does_not_wait_behind_who_asks_a_moment_later(shop: Start) -> None:
    corn = shop(APP, workers=4)
    for _ in range(8):
        # The kernel wakes one worker for a new connection: the one that slept last, which is this client's.
        with connect(corn.sockets[0]) as client:
            pid = ask(client)
            corn.until(lambda: not any("request" in row for row in corn.workers()), "an idle moment")
            with connect(corn.sockets[0]) as new:
                client.sendall(get("/sleep?1.5"))
                ask(new)
                assert not select.select([client], [], [], 0)[0], "it was answered after the other one"
            assert read_until(client, b"\n").rpartition(b"\r\n\r\n")[2].strip() == pid


def test_nobody_dies_with_a_neighbour(shop: Start) -> None:
    corn = shop(APP, workers=1)
    idle, head, body, reader, last, kept = (connect(corn.sockets[0], 4096) for _ in range(6))
    ask(idle)
    head.sendall(b"GET / HT")
    body.sendall(get("/", "Content-Length: 6", method="POST") + b"abc")
    reader.sendall(get("/long"))
    assert b"200 OK" in read_head(reader)
    pid = int(ask(last))
    kept.sendall(get("/sleep?60"))
    corn.until(lambda: others_of(corn, pid) == 0, "the others to be handed over")
    os.kill(pid, signal.SIGKILL)
    assert read_all(kept).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    # There was nobody else: they waited in the relay for the next worker.
    ask(idle)
    head.sendall(b"TP/1.1\r\nHost: a\r\n\r\n")
    read_until(head, b"\n")
    body.sendall(b"def")
    read_until(body, b"abcdef\n")
    data = bytearray()
    while len(data) < LONG:
        data += reader.recv(1 << 20)
    assert data == b"x" * LONG
    corn.expects(messages.WORKER_DIED)
    assert not corn.told(messages.CONNECTIONS_LOST)
    for client in (idle, head, body, reader, last, kept):
        client.close()


def test_what_a_locked_worker_held_itself_is_lost_and_told(shop: Start) -> None:
    corn = shop(APP, workers=1)
    idle, half, kept = (connect(corn.sockets[0]) for _ in range(3))
    pid = int(ask(idle))
    half.sendall(b"GET / HT")
    ask(kept)
    kept.sendall(get(f"/lock?{FOREVER}"))
    is_kept(corn, pid, f"/lock?{FOREVER}")
    idle.sendall(get("/"))
    corn.until(lambda: corn.workers()[0]["request_age"] > 0.5, "the master to have looked")
    os.kill(pid, signal.SIGKILL)
    assert int(read_until(idle, b"\n").rpartition(b"\r\n\r\n")[2]) != pid
    lost = corn.expects(messages.CONNECTIONS_LOST)
    assert (lost["CORN_COUNT"], lost["CORN_HELD"]) == ("1", "1")
    for client in (idle, half, kept):
        client.close()


def test_a_locked_worker_that_comes_back_leaves_them_where_they_are(shop: Start) -> None:
    corn = shop(APP, workers=2)
    clients = [connect(corn.sockets[0]) for _ in range(12)]
    kept, pid = keep(corn, clients, "/lock?30000000")
    others = [client for client in clients if client is not kept]
    answered = 0
    while not select.select([kept], [], [], 0)[0]:
        for client in others:
            ask(client)
        answered += 1
    assert answered
    assert int(read_until(kept, b"\n").rpartition(b"\r\n\r\n")[2]) == pid
    for client in clients:
        ask(client)
        client.close()
    corn.until(lambda: sum(row["connections"] for row in corn.workers()) == 0, "all to be forgotten")


def test_a_crash_that_is_quicker_tells_whom_it_took_along(shop: Start) -> None:
    corn = shop(APP, workers=1)
    idle, half, crashing = (connect(corn.sockets[0]) for _ in range(3))
    ask(idle)
    half.sendall(b"GET")
    ask(crashing)
    crashing.sendall(get("/crash"))
    lost = corn.expects(messages.CONNECTIONS_LOST)
    assert (lost["CORN_COUNT"], lost["CORN_HELD"]) == ("2", "1")
    for client in (idle, half, crashing):
        client.close()


def test_who_was_introduced_by_a_proxy_is_known_to_the_next_one(shop: Start) -> None:
    corn = shop(APP, workers=2, start=False)
    text = (corn.directory / "shop.toml").read_text()
    (corn.directory / "shop.toml").write_text(
        re.sub(r'listen = \["([^"]*)"\]', r'listen = [{address = "\1", proxy_protocol = true}]', text)
    )
    corn.start().ready()
    clients = []
    for number in range(8):
        client = connect(corn.sockets[0])
        client.sendall(b"PROXY TCP4 192.0.2.%d 198.51.100.1 4711 80\r\n" % number)
        assert ask(client, "/who") == b"192.0.2.%d" % number
        clients.append(client)
    kept, pid = keep(corn, clients, f"/lock?{FOREVER}")
    for number, client in enumerate(clients):
        if client is not kept:
            assert ask(client, "/who") == b"192.0.2.%d" % number
    os.kill(pid, signal.SIGKILL)
    corn.until(lambda: len(corn.workers()) == 2, "another worker")
    # Also to the one after him.
    left = [client for client in clients if client is not kept]
    again, pid = keep(corn, left, f"/lock?{FOREVER}")
    for number, client in enumerate(clients):
        if client not in (kept, again):
            assert ask(client, "/who") == b"192.0.2.%d" % number
    os.kill(pid, signal.SIGKILL)
    for client in clients:
        client.close()


@pytest.mark.parametrize("target", ["/fork?exit", "/fork"])
def test_what_an_application_forks_answers_nobody(shop: Start, target: str) -> None:
    corn = shop(APP, workers=1)
    client, other = connect(corn.sockets[0]), connect(corn.sockets[0])
    pid = ask(other)
    before = len(corn.processes())
    assert ask(client, target) == pid
    corn.until(lambda: len(corn.processes()) == before, "the end of the child")
    for one in (client, other) * 20:
        assert ask(one) == pid
    client.close()
    other.close()


def test_a_reload_takes_no_connection_away(shop: Start) -> None:
    corn = shop(APP, workers=2)
    idle, half, reader = (connect(corn.sockets[0], 4096) for _ in range(3))
    before = ask(idle)
    half.sendall(get("/", "Content-Length: 6", method="POST") + b"abc")
    reader.sendall(get("/long"))
    read_head(reader)
    corn.signal(signal.SIGHUP)
    corn.expects(messages.GENERATION_RELOADED)
    corn.until(lambda: not corn.workers("draining"), "the old workers to leave")
    assert ask(idle) != before
    half.sendall(b"def")
    assert b"close" not in read_until(half, b"abcdef\n")
    data = bytearray()
    while len(data) < LONG:
        data += reader.recv(1 << 20)
    assert data == b"x" * LONG
    for client in (idle, half, reader):
        client.close()


def test_load_spreads_over_the_workers(shop: Start) -> None:
    corn = shop(APP, workers=4)
    # Accepted one after the other, they are all with the same worker.
    clients = [connect(corn.sockets[0]) for _ in range(32)]
    rounds = []
    # Whoever else uses the cores keeps a worker from its share for a while: one round of six must be fair.
    while not (rounds and rounds[-1][0] >= 0.15 and rounds[-1][-1] <= 0.35):
        assert len(rounds) < 6, rounds
        counts = _drive(clients, "/work", warm_up=500, requests=2000)
        rounds.append(sorted(round(counts[pid] / 2000, 3) for pid in counts))
        assert len(counts) == 4, counts
    print(rounds)
    for client in clients:
        client.close()


def _drive(clients: list[socket.socket], target: str, warm_up: int, requests: int) -> Counter[bytes]:
    """Each client asks again when it has been answered; how many answers each worker gave behind the first
    `warm_up`."""
    counts: Counter[bytes] = Counter()
    poller = select.poll()
    by_fd: dict[int, Any] = {client.fileno(): client for client in clients}
    for fd, client in by_fd.items():
        ask(client)
        poller.register(fd, select.POLLIN)
        client.sendall(get(target))
    answered = 0
    waiting = len(clients)
    while waiting:
        ready = poller.poll(20_000)
        assert ready, "nobody answers"
        for fd, _ in ready:
            pid = read_until(by_fd[fd], b"\n").rpartition(b"\r\n\r\n")[2]
            answered += 1
            if warm_up < answered <= warm_up + requests:
                counts[pid] += 1
            if answered < warm_up + requests:
                by_fd[fd].sendall(get(target))
            else:
                waiting -= 1
    return counts


def behind_one_that(corn: Corn, target: str) -> tuple[socket.socket, socket.socket, socket.socket]:
    """(an idle client, one that has asked, both in the relay; one that keeps the only worker)."""
    idle, asking, kept = (connect(corn.sockets[0]) for _ in range(3))
    ask(idle)
    pid = int(ask(asking))
    kept.sendall(get(target))
    corn.until(lambda: others_of(corn, pid) == 0, "the others to be handed over")
    asking.sendall(get("/"))
    return idle, asking, kept


def test_who_is_left_in_the_relay_at_the_end_is_told_so(shop: Start) -> None:
    corn = shop(APP, "stop_timeout = 1\n", workers=1)
    idle, asking, kept = behind_one_that(corn, "/sleep?60")
    corn.stop()
    assert read_all(asking).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert read_all(idle) == b""
    for client in (idle, asking, kept):
        client.close()


def test_a_stop_answers_who_waits_in_the_relay(shop: Start) -> None:
    corn = shop(APP, workers=1)
    go = corn.directory / "go"
    idle, asking, kept = behind_one_that(corn, f"/until?{go}")
    corn.signal(signal.SIGTERM)
    corn.until(lambda: corn.notified(STOPPING="1"), "a stop")
    go.touch()
    assert corn.end() == 0
    assert read_all(kept).startswith(b"HTTP/1.1 200 OK\r\n")
    answer = read_all(asking)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close" in answer
    assert read_all(idle) == b""
    for client in (idle, asking, kept):
        client.close()
