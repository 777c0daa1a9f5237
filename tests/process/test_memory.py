"""Limits of memory that the master measures without control groups, and what an application leaves behind."""

import os
import re
import sys
import time
from pathlib import Path

from corn_systemd.limits.memory import quick_bytes
from corn_systemd.systemd import messages

from .conftest import Start
from .engine import get, read_all, read_until
from .harness import Corn, connect

APP = r"""
import mmap, os, subprocess, sys, threading, time

BURDEN = bytearray(b"x" * (120 << 20))
HELD = []
DAEMON = '''
import os, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
time.sleep(600)
'''

TREE = '''
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
time.sleep(600)
'''

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/map":
        HELD.append(mmap.mmap(-1, 2 << 30))
    elif path == "/hold":
        HELD.append(bytearray(int(query) << 20))
        for at in range(0, int(query) << 20, 4096):
            HELD[-1][at] = 1
    elif path == "/write":
        for at in range(0, len(BURDEN), 4096):
            BURDEN[at] = 1
    elif path == "/hog":
        while True:
            HELD.append(bytearray(b"x" * (4 << 20)))
            time.sleep(0.002)
    elif path == "/gulp":
        # At once: it is over the limit when the master looks at it for the first time.
        HELD.append(b"x" * (400 << 20))
        time.sleep(600)
    elif path == "/later":
        threading.Timer(0.2, lambda: HELD.append(b"x" * (200 << 20))).start()
    elif path == "/file":
        with open("cached", "w+b") as file:
            file.write(bytes(100 << 20))
            file.seek(0)
            while file.read(1 << 20):
                pass
    elif path == "/daemon":
        subprocess.run([sys.executable, "-c", DAEMON])
        if query:
            time.sleep(float(query))
    elif path == "/tree":
        subprocess.Popen([sys.executable, "-c", TREE], start_new_session=True)
    elif path == "/child":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    start_response("200 OK", [])
    return [b"%d\n" % os.getpid()]
"""
# Ten times what the next worker may take to serve.
SOON = 1.0
LIMITS = '[limits]\nmemory_soft = "80M"\nmemory_hard = "160M"\n'


def pid_of(corn: Corn, path: str) -> int:
    return int(corn.get(path).text)


def test_what_is_shared_mapped_or_cached_is_not_what_a_worker_uses(shop: Start) -> None:
    corn = shop(APP, LIMITS, workers=1)
    pid = pid_of(corn, "/map")
    assert pid_of(corn, "/file") == pid_of(corn, "/hold?10") == pid
    # Measured again a second after the last request at the latest.
    corn.until(lambda: corn.report()["uptime"] > 2.5, "two measurements")
    assert pid_of(corn, "/") == pid
    assert not corn.told(messages.WORKER_RETIRES)


def test_a_worker_over_the_soft_limit_answers_and_is_replaced(shop: Start) -> None:
    corn = shop(APP, LIMITS, workers=1)
    pid = pid_of(corn, "/hold?100")
    entry = corn.expects(messages.WORKER_RETIRES, pid=pid)
    used = re.fullmatch(r"it uses ([0-9]+) MiB .* \(limits.memory_soft = 80 MiB\)", entry["CORN_CAUSE"])
    assert used and 80 <= int(used[1]) < 160
    corn.until(lambda: pid not in corn.processes(), "it to leave")
    assert pid_of(corn, "/") != pid
    assert not corn.told(messages.WORKER_DIED)


def test_what_a_worker_writes_to_is_shared_no_more(shop: Start) -> None:
    corn = shop(APP, LIMITS, workers=1)
    pid = pid_of(corn, "/write")
    entry = corn.expects(messages.WORKER_RETIRES, pid=pid)
    assert "limits.memory_soft" in entry["CORN_CAUSE"]


def test_a_worker_over_the_hard_limit_is_ended_and_its_client_answered(shop: Start) -> None:
    corn = shop(APP, LIMITS, workers=1)
    hog, neighbour = (connect(corn.sockets[0]) for _ in range(2))
    neighbour.sendall(get("/"))
    pid = int(read_until(neighbour, b"\n").rpartition(b"\r\n\r\n")[2])
    hog.sendall(get("/hog"))
    head, _, body = read_all(hog).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") and b"\r\nRetry-After: 1\r\n" in head
    assert body == b"503 Service Unavailable: the server used too much memory\n"
    ended_at = time.monotonic()
    neighbour.sendall(get("/"))
    assert int(read_until(neighbour, b"\n").rpartition(b"\r\n\r\n")[2]) != pid
    assert time.monotonic() - ended_at < SOON
    entry = corn.expects(messages.REQUEST_TAKEN_OVER, pid=pid, limit="memory_hard")
    assert entry["CORN_ALLOWED"] == "160 MiB" and entry["CORN_ANSWER"] == "503"
    assert " in application\n" in entry["MESSAGE"]
    neighbour.close()


def test_one_that_is_over_the_hard_limit_at_once_takes_nobody_with_it(shop: Start) -> None:
    """Before the worker could be asked to hand its other clients over."""
    corn = shop(APP, LIMITS, workers=1)
    hog, *neighbours = (connect(corn.sockets[0]) for _ in range(6))
    pids = set()
    for neighbour in neighbours:
        neighbour.sendall(get("/"))
        pids.add(int(read_until(neighbour, b"\n").rpartition(b"\r\n\r\n")[2]))
    hog.sendall(get("/gulp"))
    assert read_all(hog).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    for neighbour in neighbours:
        neighbour.sendall(get("/"))
        assert int(read_until(neighbour, b"\n").rpartition(b"\r\n\r\n")[2]) not in pids
        neighbour.close()
    entry = corn.expects(messages.REQUEST_TAKEN_OVER, limit="memory_hard")
    assert " in application\n" in entry["MESSAGE"]
    assert not corn.told(messages.CONNECTIONS_LOST)


def test_no_request_pays_for_what_was_taken_before_it(shop: Start) -> None:
    """An idle worker that is found to be over the hard limit is replaced, be there a soft one or not."""
    corn = shop(APP, '[limits]\nmemory_soft = 0\nmemory_hard = "160M"\n', workers=1)
    client = connect(corn.sockets[0])

    def ask(path: str) -> int:
        client.sendall(get(path))
        return int(read_until(client, b"\n").rpartition(b"\r\n\r\n")[2])

    pid = ask("/later")
    corn.until(lambda: quick_bytes(pid) > 200 << 20, "it to take it")
    # It is counted a second after the last request, if there has been another.
    corn.until(lambda: ask("/") and corn.told(messages.WORKER_RETIRES), "it to be replaced")
    (entry,) = corn.told(messages.WORKER_RETIRES, pid=pid)
    assert "(limits.memory_hard = 160 MiB)" in entry["CORN_CAUSE"]
    corn.until(lambda: ask("/") != pid, "another")
    assert not corn.told(messages.REQUEST_TAKEN_OVER)
    client.close()


def test_without_limits_of_memory_nobody_is_ended(shop: Start) -> None:
    corn = shop(APP, "[limits]\nmemory_soft = 0\nmemory_hard = 0\n", workers=1)
    pid = pid_of(corn, "/hold?200")
    corn.until(lambda: corn.report()["uptime"] > 1.5, "more than a second")
    assert pid_of(corn, "/") == pid


def test_what_the_kernel_may_be_asked_for_is_limited_on_request_alone(shop: Start) -> None:
    corn = shop(APP, '[limits]\nrlimit_data = "500M"\n', workers=1)
    pid = pid_of(corn, "/hold?50")
    assert corn.get("/hold?600").status == 500
    assert "MemoryError" in corn.expects(messages.APP_ERROR)["MESSAGE"]
    assert pid_of(corn, "/") == pid


def sleepers(corn: Corn) -> list[int]:
    """The helpers of the application that are still there."""
    return [pid for pid in corn.processes() if b"time.sleep(600)" in command(pid)]


def command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_what_an_application_leaves_behind_does_not_outlive_its_worker(shop: Start) -> None:
    corn = shop(APP, "[limits]\nrequest = 1\n", workers=1)
    for path in ("/daemon", "/child"):
        assert corn.get(path).status == 200
    # Both requests may have found the same one, or not.
    corn.expects(messages.WORKER_RETIRES)
    corn.until(lambda: not sleepers(corn), "the helpers to be gone")


def test_nor_does_it_outlive_a_worker_that_is_killed(shop: Start) -> None:
    corn = shop(APP, '[limits]\ntime_real = "300ms"\ngrace = "100ms"\n', workers=1)
    client = connect(corn.sockets[0])
    client.sendall(get("/daemon?600"))
    assert read_until(client, b"long\n").startswith(b"HTTP/1.1 504 ")
    corn.until(lambda: not sleepers(corn), "its helper to be gone")
    # And a worker that is in the middle of being born is nobody's leftover.
    for _ in range(5):
        pid = pid_of(corn, "/")
        os.kill(pid, 9)
        corn.until(lambda pid=pid: pid not in [row["pid"] for row in corn.workers()], "another")
        corn.until(corn.workers, "a worker")
    assert sys.executable and not corn.told(messages.FORK_FAILED)
    client.close()


def test_nor_do_the_helpers_of_a_helper_in_sessions_of_their_own(shop: Start) -> None:
    corn = shop(APP, workers=1)
    pid = pid_of(corn, "/tree")
    corn.until(lambda: len(sleepers(corn)) == 2, "the helper and its own")
    os.kill(pid, 9)
    corn.until(lambda: not sleepers(corn), "the helpers to be gone")


def test_a_worker_whose_dead_children_nobody_waits_for_is_replaced(shop: Start) -> None:
    app = APP.replace('path == "/child"', 'path == "/orphan"').replace(
        'subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)',
        'subprocess.run("sleep 0.01 & sleep 0.01 & sleep 0.01 & sleep 0.01 &", shell=True)',
    )
    corn = shop(app, workers=1)
    for _ in range(20):
        assert corn.get("/orphan").status == 200
    corn.until(lambda: corn.get("/").status and corn.told(messages.WORKER_RETIRES), "it to be replaced")
    assert "nobody waits for them" in corn.told(messages.WORKER_RETIRES)[0]["CORN_CAUSE"]


def test_what_an_import_has_left_is_there_for_all_workers(shop: Start) -> None:
    # It has become a daemon, in two steps, before the import is over.
    app = APP + "\nsubprocess.run([sys.executable, '-c', DAEMON])\ntime.sleep(0.5)\n"
    corn = shop(app, "[limits]\nrequest = 1\n", workers=1)
    (daemon,) = corn.until(lambda: sleepers(corn), "the daemon")
    pid = pid_of(corn, "/child")
    corn.until(lambda: pid not in corn.processes(), "the worker to leave")
    corn.until(lambda: sleepers(corn) == [daemon], "what the request has left to be gone")
