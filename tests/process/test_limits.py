"""What a request may spend: whatever its code does, and whatever has left already, its client gets an end,
the journal says why, and nobody else loses anything.

A table: which limit × what the code does × how far its answer is. A dozen rows run always, all of them with
`make test-full`.
"""

import re
import socket
from typing import NamedTuple

import pytest

from corn_systemd.systemd import messages
from corn_systemd.systemd.messages import Message

from .conftest import Start
from .engine import get, read_all, read_head, read_until
from .harness import Corn, connect

APP = r"""
import itertools, os, re, socket, subprocess, sys, threading, time

BURN = [sys.executable, "-c", "while True: pass"]

def loop():
    while True:
        pass

def sleep():
    time.sleep(600)

def regex():
    re.match("(a+)+$", "a" * 60 + "b")

def in_c():
    # One call of C that looks neither at signals nor at who waits for the interpreter.
    sum(itertools.repeat(1))

def swallow_all():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

def swallow_exception():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass

def recv():
    mine, theirs = socket.socketpair()
    mine.recv(1)

def locked_by_a_thread():
    threading.Thread(target=in_c, daemon=True).start()
    time.sleep(600)

def subprocess_burns():
    subprocess.run(BURN)

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/pid":
        start_response("200 OK", [])
        return [b"%d\n" % os.getpid()]
    when, code = path[1:].split("/")
    if when == "before":
        globals()[code]()
    start_response("200 OK", [("Content-Type", "text/plain")])
    if when == "during":
        globals()[code]()
    return answer(globals()[code])

def answer(code):
    try:
        yield b"the beginning\n"
        code()
    finally:
        print("cleaned up", file=sys.stderr, flush=True)
"""

PAGE = b"504 Gateway Timeout: the request took too long\n"
SETTINGS = {
    "time_real": 'time_real = "500ms"\ntime_cpu = 0\ngrace = "500ms"\n',
    "time_cpu": 'time_real = 0\ntime_cpu = "400ms"\ngrace = "500ms"\n',
}

# What the code does → whether an exception in it ends it.
COMES_BACK = {
    "loop": True,
    "sleep": True,
    "regex": True,
    "swallow_exception": True,
    "recv": True,
    "subprocess_burns": True,
    "in_c": False,
    "swallow_all": False,
    "locked_by_a_thread": False,
}
BURNS = {"loop", "regex", "in_c", "swallow_all", "swallow_exception", "locked_by_a_thread"}


class Row(NamedTuple):
    limit: str
    code: str
    when: str


ROWS = [
    Row(limit, code, when)
    for limit in SETTINGS
    for code in COMES_BACK
    for when in ("before", "during", "after")
    if limit == "time_real" or code in BURNS
]
ALWAYS = {
    *(Row("time_real", code, "before") for code in COMES_BACK if code not in ("loop", "swallow_exception")),
    Row("time_real", "loop", "during"),
    Row("time_real", "sleep", "after"),
    Row("time_real", "in_c", "after"),
    Row("time_cpu", "swallow_exception", "before"),
    Row("time_cpu", "locked_by_a_thread", "during"),
    Row("time_cpu", "loop", "after"),
}


def named(row: Row) -> object:
    return pytest.param(row, id="-".join(row), marks=() if row in ALWAYS else pytest.mark.full)


def ask_pid(client: socket.socket) -> int:
    client.sendall(get("/pid"))
    return int(read_until(client, b"\n").rpartition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("row", [named(row) for row in ROWS])
def test_who_spends_too_much_is_ended_and_everybody_gets_an_answer(shop: Start, row: Row) -> None:
    corn = shop(APP, "[limits]\n" + SETTINGS[row.limit], workers=1)
    asking, neighbour = (connect(corn.sockets[0]) for _ in range(2))
    pid = ask_pid(asking)
    assert ask_pid(neighbour) == pid
    asking.sendall(get(f"/{row.when}/{row.code}"))
    if row.when == "after":
        beginning = read_until(asking, b"the beginning\n\r\n")
        assert beginning.startswith(b"HTTP/1.1 200 OK\r\n") and b"Transfer-Encoding: chunked\r\n" in beginning
        assert read_all(asking) == b"", "an end was sent that is none"
    else:
        head = read_head(asking)
        assert head.startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        assert (b"\r\nConnection: close\r\n" in head) == (not COMES_BACK[row.code])
        length = re.search(rb"\r\nContent-Length: ([0-9]+)\r\n", head)
        assert length and read_until(asking, b"\n") == PAGE and int(length[1]) == len(PAGE)
        if not COMES_BACK[row.code]:
            assert read_all(asking) == b""
    ask_pid(neighbour)
    is_told(corn, row, pid)
    corn.until(lambda: pid not in corn.processes(), "the worker to be gone")
    corn.until(lambda: corn.workers(), "another worker")
    # Whoever was his client goes on with another.
    assert ask_pid(neighbour) != pid
    if COMES_BACK[row.code] and row.when != "after":
        assert ask_pid(asking) != pid
    for client in (asking, neighbour):
        client.close()
    assert corn.stop() == 0


def is_told(corn: Corn, row: Row, pid: int) -> None:
    message: Message = messages.REQUEST_TAKEN_OVER
    if COMES_BACK[row.code]:
        message = messages.REQUEST_INTERRUPTED
    entry = corn.expects(message, pid=pid)
    assert entry["CORN_LIMIT"] == row.limit
    assert entry["CORN_REQUEST"] == f"GET /{row.when}/{row.code}"
    assert re.fullmatch(r"[0-9a-f]{16}-[0-9]+", entry["CORN_REQUEST_ID"])
    assert entry["CORN_ANSWER"] == ("a part of its answer" if row.when == "after" else "504")
    # Where in the code: the exception's traceback, or the stacks.
    where = "in_c" if row.code == "locked_by_a_thread" else row.code
    assert f" {where}\n" in entry["MESSAGE"]
    assert "interruption.py" not in entry["MESSAGE"]
    assert len(corn.told(messages.REQUEST_INTERRUPTED)) + len(corn.told(messages.REQUEST_TAKEN_OVER)) == 1
    assert not corn.told(messages.WORKER_DIED) and not corn.told(messages.WORKER_KILLED)


BUSY = r"""
import signal, time

STACKS = {signal.SIGRTMIN + 3}

def swallow():
    # Long after both stages have been due: as on a machine on which others are running.
    until = time.monotonic() + 0.5
    while True:
        try:
            while time.monotonic() < until:
                pass
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STACKS)
        except BaseException:
            pass

def application(environ, start_response):
    signal.pthread_sigmask(signal.SIG_BLOCK, STACKS)
    swallow()
"""


def taken_over(shop: Start, app: str) -> str:
    """What the journal says of its request, whose client has got an answer."""
    corn = shop(app, "[limits]\ntime_real = '200ms'\ngrace = '200ms'\n", workers=1)
    with connect(corn.sockets[0]) as client:
        client.sendall(get("/"))
        assert read_head(client).startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
        return corn.expects(messages.REQUEST_TAKEN_OVER)["MESSAGE"]


def test_the_stacks_of_who_does_not_come_to_write_them_at_once_are_waited_for(shop: Start) -> None:
    assert " in swallow\n" in taken_over(shop, BUSY)


STOPPED = """
import os, signal

def halt():
    os.kill(os.getpid(), signal.SIGSTOP)

def application(environ, start_response):
    halt()
"""


def test_who_has_stopped_itself_is_taken_over_without_its_stacks(shop: Start) -> None:
    assert " in halt\n" not in taken_over(shop, STOPPED)


WRAPPED = r"""
import time

class Slow:
    def read(self, size):
        time.sleep(600)

def application(environ, start_response):
    start_response("200 OK", [])
    return environ["wsgi.file_wrapper"](Slow())
"""


def test_what_was_wrapped_as_a_file_is_interrupted_as_well(shop: Start) -> None:
    corn = shop(WRAPPED, "[limits]\n" + SETTINGS["time_real"], workers=1)
    client = connect(corn.sockets[0])
    client.sendall(get("/"))
    assert read_head(client).startswith(b"HTTP/1.1 504 Gateway Timeout\r\n")
    assert read_until(client, b"\n") == PAGE
    entry = corn.expects(messages.REQUEST_INTERRUPTED)
    assert " in read\n" in entry["MESSAGE"]
    client.close()
