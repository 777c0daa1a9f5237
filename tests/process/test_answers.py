"""A worker that ends within a request: its client gets an answer, and the journal says who ended it."""

import os
import re
import signal
import socket
import time

import pytest

from corn_systemd.systemd import messages

from .conftest import Start
from .engine import get, read_all, read_head, read_until
from .harness import Corn, connect

APP = r"""
import ctypes, os, signal, sys, time

# Longer than the master may be kept from its processor: it is to see the request first.
PAUSE = 1

def crash():
    ctypes.string_at(0)

def exits():
    os._exit(3)

def abort():
    os.abort()

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/nap":
        time.sleep(600)
    if path == "/quick":
        os._exit(4)
    if path == "/sleep":
        start_response("200 OK", [])
        time.sleep(float(query))
        return [b"%d\n" % os.getpid()]
    when, code = path[1:].split("/")
    if when == "before":
        time.sleep(PAUSE)
        globals()[code]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return answer(globals()[code])

def answer(code):
    yield b"the beginning\n"
    time.sleep(PAUSE)
    code()
"""

CAUSES = {"crash": "signal SIGSEGV", "abort": "signal SIGABRT", "exits": "exit status 3"}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("code", CAUSES)
def test_a_crash_is_answered_and_told_with_its_cause(shop: Start, code: str, when: str) -> None:
    corn = shop(APP)
    client = connect(corn.sockets[0])
    client.sendall(get(f"/{when}/{code}"))
    answer = read_all(client)
    if when == "before":
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n") and b"\r\nConnection: close" in head
        assert body == b"502 Bad Gateway: the server failed\n"
        assert re.search(rb"\r\nContent-Length: %d\r\n" % len(body), head)
    else:
        assert answer.endswith(b"\r\n\r\ne\r\nthe beginning\n\r\n")
    entry = corn.expects(messages.REQUEST_LOST)
    # (core dumped) stands behind it where the machine keeps core files.
    assert entry["CORN_CAUSE"].startswith(CAUSES[code])
    assert entry["CORN_REQUEST"] == f"GET /{when}/{code}"
    assert entry["CORN_ANSWER"] == ("502" if when == "before" else "a part of its answer")
    if code != "exits":
        assert f" in {code}\n" in entry["MESSAGE"], "where it crashed"
    assert corn.get("/sleep?0").status == 200
    assert corn.stop() == 0


def test_a_kill_from_outside_is_answered_and_told_as_such(shop: Start) -> None:
    corn = shop(APP)
    client, pid = keep(corn)
    os.kill(pid, signal.SIGKILL)
    assert read_all(client).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert corn.expects(messages.REQUEST_LOST, pid=pid)["CORN_CAUSE"] == "signal SIGKILL"


def keep(corn: Corn, *fields: str, method: str = "GET") -> tuple[socket.socket, int]:
    """Has a worker sleep within a request for so long that the master holds on to its client."""
    client = connect(corn.sockets[0])
    client.sendall(get("/sleep?600", *fields, method=method))
    rows = corn.until(
        lambda: [row for row in corn.workers() if row.get("request_age", 0) > 0.2], "a worker to be kept"
    )
    return client, rows[0]["pid"]


def test_head_gets_no_body_and_the_answer_names_its_request_if_answers_do(shop: Start) -> None:
    corn = shop(APP, "[http]\nrequest_id_answer = true\n")
    client, pid = keep(corn, method="HEAD")
    os.kill(pid, signal.SIGKILL)
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 502 ") and answer.endswith(b"\r\n\r\n")
    entry = corn.expects(messages.REQUEST_LOST)
    assert f"\r\nX-Request-ID: {entry['CORN_REQUEST_ID']}\r\n".encode() in answer


def test_what_the_client_still_sends_does_not_take_its_answer_away(shop: Start) -> None:
    corn = shop(APP)
    client, pid = keep(corn)
    client.sendall(get("/more") * 1000)
    os.kill(pid, signal.SIGKILL)
    corn.expects(messages.REQUEST_LOST)
    client.sendall(get("/more") * 1000)
    assert read_head(client).startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert read_until(client, b"failed\n")
    assert client.recv(1) == b""


def test_one_that_is_too_young_is_told_of_though_it_can_not_be_answered(shop: Start) -> None:
    corn = shop(APP)
    client = connect(corn.sockets[0])
    client.sendall(get("/quick"))
    with client:
        try:
            assert client.recv(65536) == b""
        except ConnectionResetError:
            pass
    entry = corn.expects(messages.REQUEST_LOST, cause="exit status 4")
    assert entry["CORN_ANSWER"] == "a closed connection: it was younger than a tick"


def test_who_is_still_served_when_the_time_to_stop_is_over_gets_an_answer(shop: Start) -> None:
    corn = shop(APP, "stop_timeout = 1\n")
    client, _pid = keep(corn)
    assert corn.stop() == 0
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") and b"\r\nRetry-After: 1\r\n" in answer
    assert corn.told(messages.REQUEST_LOST, answer="503")


def test_a_duplicate_keeps_no_client_waiting_for_the_end(shop: Start) -> None:
    corn = shop(APP)
    client = connect(corn.sockets[0])
    client.sendall(get("/sleep?0.5", "Connection: close"))
    assert read_until(client, b"\n").startswith(b"HTTP/1.1 200 OK\r\n")
    # The master holds on to it until its next look; the end is here before.
    client.settimeout(5)
    assert client.recv(1) == b""


def test_a_worker_with_enough_requests_is_replaced_and_no_client_notices(shop: Start) -> None:
    corn = shop(APP, "[limits]\nrequest = 20\nlifetime_min = 0\n", workers=2)
    clients = [connect(corn.sockets[0]) for _ in range(4)]
    pids: set[int] = set()
    deadline = time.monotonic() + 20
    while len(pids) < 6:
        for client in clients:
            client.sendall(get("/sleep?0"))
        pids |= {int(read_until(client, b"\n").rpartition(b"\r\n\r\n")[2]) for client in clients}
        assert time.monotonic() < deadline, pids
    entry = corn.expects(messages.WORKER_RETIRES)
    served = re.fullmatch(r"it has served ([0-9]+) requests \(limits.request = 20\)", entry["CORN_CAUSE"])
    assert served and int(served[1]) >= 18
    assert not corn.told(messages.WORKER_DIED)
    for client in clients:
        client.close()


def test_a_worker_that_has_lived_for_long_is_replaced_though_nothing_happens(shop: Start) -> None:
    corn = shop(APP, '[limits]\nlifetime = "1s"\n', workers=1)
    (first,) = corn.workers()
    entry = corn.expects(messages.WORKER_RETIRES, pid=first["pid"])
    assert "limits.lifetime = 1 s" in entry["CORN_CAUSE"]
    corn.until(lambda: first["pid"] not in corn.processes(), "it to be gone")
    assert corn.get("/sleep?0").status == 200


def test_a_stopped_clock_is_no_timeout(shop: Start) -> None:
    """The master stands still for longer than every limit, and nobody pays for it."""
    corn = shop(APP, '[limits]\ntime_real = "1500ms"\ngrace = "200ms"\n', workers=2)
    clients = [connect(corn.sockets[0]) for _ in range(2)]
    clients[0].sendall(get("/sleep?4.5"))
    corn.until(lambda: any(row.get("request_age", 0) > 0.2 for row in corn.workers()), "it to be busy")
    pids = {row["pid"] for row in corn.workers()}
    corn.signal(signal.SIGSTOP)
    clients[1].sendall(get("/sleep?3.5"))
    stopped = time.monotonic()
    # Nothing can be waited for: that time passes is what is tested.
    while time.monotonic() < stopped + 3.2:
        time.sleep(0.1)
    corn.signal(signal.SIGCONT)
    for client in clients:
        assert read_until(client, b"\n").startswith(b"HTTP/1.1 200 OK\r\n")
        client.close()
    assert {row["pid"] for row in corn.workers()} == pids
    assert not corn.told(messages.REQUEST_INTERRUPTED) and not corn.told(messages.REQUEST_TAKEN_OVER)


CLUMSY = r"""
import os, socket, time

def application(environ, start_response):
    if environ["PATH_INFO"] == "/lose":
        other, listening = os.open("/dev/null", os.O_RDONLY), socket.create_server(("127.0.0.1", 0))
        for fd in clients():
            DEED
        # Longer than the master may be kept from its processor: it is to see the request.
        time.sleep(2)
        os._exit(5)
    start_response("200 OK", [])
    return [b"served"]

def clients():
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            with socket.socket(fileno=os.dup(fd)) as sock:
                sock.getpeername()
                if sock.family == socket.AF_INET:
                    yield fd
        except OSError:
            continue
"""


@pytest.mark.parametrize("deed", ["os.dup2(other, fd)", "os.close(fd)", "os.dup2(listening.fileno(), fd)"])
def test_an_application_that_loses_the_clients_descriptor_ends_nobody_but_its_worker(
    shop: Start, deed: str
) -> None:
    corn = shop(CLUMSY.replace("DEED", deed))
    master = corn.pid
    client = connect(corn.sockets[0])
    client.sendall(get("/lose"))
    # Where a child of the application still had it, it would stay open.
    with client:
        entry = corn.expects(messages.REQUEST_LOST, cause="exit status 5")
    assert entry["CORN_ANSWER"].startswith("a closed connection: ")
    assert "tick" not in entry["CORN_ANSWER"]
    assert corn.get("/").status == 200
    assert corn.pid == master and corn.stop() == 0


TIDY = r"""
import os, sys, time

def application(environ, start_response):
    try:
        time.sleep(60)
    finally:
        print("cleaning up", file=sys.stderr, flush=True)
        open("struck", "w").close()
        time.sleep(0.3)
"""


def test_a_stopped_clock_is_no_end_of_the_grace_either(shop: Start) -> None:
    """All of it stands still, as a container does that is frozen, while a request cleans up."""
    corn = shop(TIDY, '[limits]\ntime_real = "300ms"\ngrace = "1s"\n', workers=1)
    (row,) = corn.workers()
    client = connect(corn.sockets[0])
    client.sendall(get("/"))
    corn.until((corn.directory / "struck").exists, "the request to be interrupted")
    os.kill(row["pid"], signal.SIGSTOP)
    corn.signal(signal.SIGSTOP)
    stopped = time.monotonic()
    while time.monotonic() < stopped + 2.5:
        time.sleep(0.1)
    corn.signal(signal.SIGCONT)
    # The master is the first to run again.
    corn.report()
    os.kill(row["pid"], signal.SIGCONT)
    assert read_head(client).startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    corn.expects(messages.REQUEST_INTERRUPTED)
    assert not corn.told(messages.REQUEST_TAKEN_OVER)
    client.close()


def test_a_worker_that_leaves_finishes_its_request_however_short_the_time_to_stop_is(shop: Start) -> None:
    corn = shop(APP, 'stop_timeout = 1\n[limits]\nlifetime = "300ms"\n', workers=1)
    client = connect(corn.sockets[0])
    client.sendall(get("/sleep?2.5"))
    corn.expects(messages.WORKER_RETIRES)
    assert read_until(client, b"\n").startswith(b"HTTP/1.1 200 OK\r\n")
    client.close()
    assert not corn.told(messages.REQUEST_LOST)


def test_a_signal_that_the_application_has_taken_for_itself_is_no_failure_of_the_server(shop: Start) -> None:
    # As some code does that wants all signals to be as they were.
    nap = "        time.sleep(600)\n"
    app = APP.replace(nap, f"        signal.signal(35, signal.SIG_DFL)\n{nap}")
    corn = shop(app, '[limits]\ntime_real = "300ms"\n')
    client = connect(corn.sockets[0])
    client.sendall(get("/nap"))
    assert read_all(client).startswith(b"HTTP/1.1 504 ")
    assert corn.expects(messages.REQUEST_LOST)["CORN_CAUSE"] == "signal 35"


def test_who_crashes_after_it_was_to_be_interrupted_has_crashed(shop: Start) -> None:
    nap = "        time.sleep(600)\n"
    code = (
        "        import ctypes\n        try:\n            time.sleep(600)\n"
        "        except BaseException:\n            ctypes.string_at(0)\n"
    )
    corn = shop(APP.replace(nap, code), '[limits]\ntime_real = "300ms"\n')
    client = connect(corn.sockets[0])
    client.sendall(get("/nap"))
    assert read_all(client).startswith(b"HTTP/1.1 502 ")
    assert corn.expects(messages.REQUEST_LOST)["CORN_CAUSE"].startswith("signal SIGSEGV")
