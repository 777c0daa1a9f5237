"""A worker that has served enough becomes the process that the others are forked from (refork_after)."""

import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from corn_systemd.systemd import messages

from .conftest import Start
from .harness import Corn, connect
from .test_reload import reload

APP = r"""
import atexit, os, select, socket, subprocess, sys, threading, time

CACHE = {}
HELD = []

def say(line):
    with open("said", "a") as file:
        file.write(f"{line}\n")

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = ""
    if path == "/load":
        CACHE.setdefault("by", os.getpid())
    elif path == "/cache":
        body = str(CACHE.get("by", ""))
    elif path == "/thread":
        threading.Thread(target=time.sleep, args=(600,), daemon=True, name="poller").start()
    elif path == "/connect":
        HELD.append(socket.create_connection(("127.0.0.1", int(query))))
    elif path == "/hook":
        os.register_at_fork(before=lambda: [HELD.pop().close() for _ in list(HELD)])
    elif path == "/shift":
        os.register_at_fork(before=lambda: HELD.append(open("/dev/null")))
    elif path == "/hang":
        os.register_at_fork(after_in_child=lambda: time.sleep(600))
    elif path == "/datagrams":
        HELD.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        HELD[-1].connect(("127.0.0.1", 9))
    elif path == "/epoll":
        HELD.append(select.epoll())
    elif path == "/child":
        HELD.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]))
    elif path == "/exit":
        atexit.register(lambda: say(f"exit {os.getpid()}"))
    elif path == "/fork":
        pid = os.fork()
        if not pid:
            os._exit(len(os.listdir("/proc/self/fd")) > 200)
        body = str(os.waitpid(pid, 0)[1])
    elif path == "/wait":
        say("waiting")
        with open(query) as gate:
            gate.read()
    elif path == "/loop":
        say("looping")
        while True:
            pass
    elif path == "/crash":
        os.abort()
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Pid", str(os.getpid()))])
    return [body.encode()]

def job():
    say(f"job {CACHE.get('by')}")
"""
JOB = """
[[cron.jobs]]
name = "look"
every = "1d"
call = "shop:job"
"""
AFTER = "refork_after = [5]\n"


def molds(corn: Corn) -> list[dict[str, Any]]:
    return [one for one in corn.report()["processes"] if one["role"] == "mold"]


def warm(corn: Corn, path: str = "/load", count: int = 5) -> int:
    """Has one worker answer enough requests to become the mold, on one connection; its pid."""
    with connect(corn.sockets[0]) as client:
        for _ in range(count):
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += client.recv(65536)
            pid = next(line for line in answer.split(b"\r\n") if line.startswith(b"X-Pid"))
    return int(pid.split()[1])


def renewed(corn: Corn, old: set[int], workers: int = 2) -> int:
    """Waits until a worker has become the mold and all others are replaced; its pid."""
    pid = int(corn.expects(messages.MOLD_RENEWED)["CORN_PID"])
    corn.until(
        lambda: (
            [one["pid"] for one in molds(corn)] == [pid]
            and not old & pids(corn) - {pid}
            and not any("retires" in one for one in corn.report()["processes"])
            and len(corn.workers()) == workers
        ),
        "workers of the new mold alone",
    )
    return pid


def pids(corn: Corn) -> set[int]:
    return {one["pid"] for one in corn.report()["processes"] if one["role"] != "clerk"}


def test_what_requests_have_loaded_is_there_in_all_workers_after_one_of_them_became_the_mold(
    shop: Start,
) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n")
    old = pids(corn)
    pid = warm(corn)
    assert renewed(corn, old) == pid
    entry = corn.told(messages.MOLD_RENEWED)[0]
    assert int(entry["CORN_REQUESTS"]) >= 5
    workers = {one["pid"] for one in corn.workers()}
    assert not workers & old
    assert {corn.get("/cache").text for _ in range(6)} == {str(pid)}
    # What the first mold had and the worker had is no longer there.
    corn.until(lambda: set(corn.processes()) == {corn.pid, pid, *workers}, "the end of the old")
    assert corn.report()["requests"] >= 11
    assert corn.report()["generation"] == 1
    assert not corn.told(messages.WORKER_DIED) and not corn.told(messages.WORKER_KILLED)
    assert corn.stop() == 0
    corn.gone()


def test_the_new_mold_is_as_bare_as_the_first_and_its_workers_are_as_they_were(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n")
    first, before = molds(corn)[0]["pid"], facts(molds(corn)[0]["pid"])
    old = pids(corn)
    worker_before = facts(corn.workers()[0]["pid"])
    pid = renewed(corn, old) if warm(corn) else 0
    assert pid != first
    assert facts(pid) == before
    assert facts(corn.workers()[0]["pid"]) == worker_before
    assert Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"corn: mold shop g1\0")
    # Its children are the master's.
    for worker in corn.workers():
        status = Path(f"/proc/{worker['pid']}/status").read_text()
        assert f"PPid:\t{corn.pid}\n" in status
    corn.signal(signal.SIGKILL)
    corn.gone()


def facts(pid: int) -> tuple[Any, ...]:
    """What must not grow from mold to mold: threads, descriptors by their kinds, the mask of signals."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    return len(os.listdir(f"/proc/{pid}/task")), descriptors(pid), status["SigBlk"]


def descriptors(pid: int) -> list[str]:
    """Those of a process by their kinds."""
    kinds = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # it has just been closed
            kinds.append(os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")[0])
    return sorted(kinds)


def test_several_molds_follow_each_other_and_no_request_fails_under_load(shop: Start) -> None:
    corn = shop(APP, "refork_after = [20, 40, 80]\n", workers=3)
    first = pids(corn)
    failures: list[str] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            try:
                answer = corn.get("/load")
                if answer.status != 200:
                    failures.append(str(answer))
            except OSError as error:
                failures.append(repr(error))

    def ask_on() -> None:
        try:
            while not is_over.is_set():
                warm(corn, count=50)
        except OSError as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=deed) for deed in (ask, ask_on, ask_on)]
    for thread in threads:
        thread.start()
    try:
        corn.until(lambda: len(corn.told(messages.MOLD_RENEWED)) == 3, "three molds", 60)
        corn.until(
            lambda: len(molds(corn)) == 1 and len(pids(corn)) == 5 and not first & pids(corn), "quiet", 60
        )
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert not corn.told(messages.WORKER_DIED)
    # The last number has been used up.
    warm(corn, count=100)
    assert len(corn.told(messages.MOLD_RENEWED)) == 3


def test_jobs_run_in_children_of_the_new_mold(shop: Start) -> None:
    corn = shop(APP, AFTER + JOB)
    old = pids(corn)
    corn.until(lambda: corn.workers(role="cron"), "a cron worker")
    old |= pids(corn)
    pid = warm(corn)
    renewed(corn, old)
    corn.until(
        lambda: [one for one in corn.workers(role="cron") if one["pid"] not in old], "another cron worker"
    )
    assert corn.ask("POST /jobs/look/run?wait=1")[0] == 200
    assert f"job {pid}" in (corn.directory / "said").read_text()


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/thread", "thread 'poller' is running"),
        ("/connect?{port}", "is a socket (connected to ('127.0.0.1', {port}))"),
        ("/epoll", "is an epoll"),
        ("/child", "is running"),
    ],
)
def test_a_worker_with_what_does_not_survive_a_fork_says_so_and_is_replaced(
    shop: Start, path: str, what: str
) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n")
    port = corn.sockets[0].getsockname()[1]
    mold = molds(corn)[0]["pid"]
    warm(corn, path.format(port=port))
    entry = corn.expects(messages.REFORK_REFUSED)
    assert what.format(port=port) in entry["CORN_CAUSE"]
    refused = int(entry["CORN_PID"])
    corn.until(lambda: refused not in corn.processes(), "the end of the worker")
    corn.until(lambda: len(corn.workers()) == 2, "its successor")
    assert [one["pid"] for one in molds(corn)] == [mold]
    assert corn.get("/cache").text == ""
    # And nobody else is asked for the next ten minutes.
    warm(corn, count=20)
    assert len(corn.told(messages.REFORK_REFUSED)) == 1
    assert not corn.told(messages.MOLD_RENEWED)


def test_what_the_application_closes_before_a_fork_is_no_obstacle_nor_are_datagrams(shop: Start) -> None:
    corn = shop(APP, "refork_after = [12]\n[cron]\nworkers = 0\n", workers=1)
    port = corn.sockets[0].getsockname()[1]
    old = pids(corn)
    for path in "/hook", f"/connect?{port}", "/load":
        warm(corn, path, count=1)
    warm(corn, count=12)
    pid = renewed(corn, old, workers=1)
    assert corn.get("/cache").text == str(pid)


def test_a_socket_for_datagrams_is_no_obstacle(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n", workers=1)
    old = pids(corn)
    warm(corn, "/datagrams")
    renewed(corn, old, workers=1)


def test_what_is_registered_for_the_exit_is_run_once_in_each_worker_and_never_by_the_mold(
    shop: Start,
) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n", workers=1)
    old = pids(corn)
    warm(corn, "/exit", count=1)
    pid = warm(corn, count=4)
    assert renewed(corn, old, workers=1) == pid
    workers = {one["pid"] for one in corn.workers()}
    assert corn.stop() == 0
    corn.gone()
    said = (corn.directory / "said").read_text().split("\n")[:-1]
    assert len(said) == len(set(said)), "each at most once"
    assert f"exit {pid}" not in said
    assert {f"exit {one}" for one in workers} <= set(said)


def test_a_child_that_the_application_forks_in_a_worker_of_the_new_mold_is_no_worker(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n")
    old = pids(corn)
    warm(corn)
    renewed(corn, old)
    assert {corn.get("/fork").text for _ in range(4)} == {"0"}


def gate(corn: Corn) -> Path:
    path = corn.directory / "gate"
    os.mkfifo(path)
    return path


def molding(corn: Corn) -> int:
    """Waits until a worker is to become the mold and can not yet; its pid."""
    found = corn.until(
        lambda: [one["pid"] for one in corn.report()["processes"] if one["state"] == "molding"], "molding"
    )
    return int(found[0])


def kept(corn: Corn) -> tuple[Any, Path, int]:
    """One worker that has to become the mold while a request keeps it: the client, its gate and the pid."""
    path = gate(corn)
    client = connect(corn.sockets[0])
    for _ in range(4):
        client.sendall(b"GET /load HTTP/1.1\r\nHost: shop\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(65536)
    # Both requests come at once: when the first is answered, the worker is warm, and already in the second.
    client.sendall(
        f"GET /load HTTP/1.1\r\nHost: shop\r\n\r\nGET /wait?{path} HTTP/1.1\r\nHost: shop\r\n\r\n".encode()
    )
    return client, path, molding(corn)


def finish(client: Any, path: Path) -> bytes:
    path.write_text("go")
    answer = b""
    with client:
        while answer.count(b"HTTP/1.1 200") < 2 or not answer.endswith(b"\r\n\r\n"):
            part = client.recv(65536)
            assert part
            answer += part
    return answer


def test_a_worker_becomes_the_mold_as_soon_as_its_request_is_over(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n", workers=1)
    old, before = pids(corn), descriptors(corn.pid)
    client, path, pid = kept(corn)
    # Others serve meanwhile.
    assert corn.get("/cache").text == ""
    finish(client, path)
    assert renewed(corn, old, workers=1) == pid
    assert corn.get("/cache").text == str(pid)
    # What the master had of that request and of the worker is closed.
    corn.until(lambda: not Counter(descriptors(corn.pid)) - Counter(before), "no descriptor more than before")


def test_one_that_is_killed_while_it_is_to_become_the_mold_is_not_missed(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n", workers=1)
    mold = molds(corn)[0]["pid"]
    client, _path, pid = kept(corn)
    os.kill(pid, signal.SIGKILL)
    corn.expects(messages.WORKER_DIED)
    client.close()
    assert corn.get("/cache").status == 200
    corn.until(lambda: len(corn.workers()) == 1, "one worker")
    assert [one["pid"] for one in molds(corn)] == [mold]
    # The next is not asked at once.
    warm(corn, count=10)
    assert not corn.told(messages.MOLD_RENEWED)


def test_one_that_hangs_in_a_hook_of_the_application_is_killed_in_the_end(shop: Start) -> None:
    corn = shop(APP, AFTER + "stop_timeout = '1s'\n[cron]\nworkers = 0\n", workers=1)
    mold = molds(corn)[0]["pid"]
    pid = warm(corn, "/hang")
    cause = corn.expects(messages.WORKER_KILLED, pid=pid)["CORN_CAUSE"]
    assert cause == "it has not become a mold within stop_timeout"
    assert corn.get("/cache").status == 200
    corn.until(lambda: set(corn.processes()) == {corn.pid, mold, corn.workers()[0]["pid"]}, "its end")


def test_one_whose_request_is_interrupted_meanwhile_leaves_and_does_not_become_the_mold(shop: Start) -> None:
    corn = shop(APP, AFTER + "[limits]\ntime_real = '1s'\n[cron]\nworkers = 0\n", workers=1)
    client, _path, pid = kept(corn)
    corn.expects(messages.REQUEST_INTERRUPTED)
    corn.until(lambda: pid not in corn.processes(), "its end")
    client.close()
    assert not corn.told(messages.MOLD_RENEWED)
    assert corn.get("/cache").status == 200


def test_a_reload_meanwhile_ends_with_the_new_code_alone(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n", workers=1)
    client, path, pid = kept(corn)
    assert reload(corn).returncode == 0
    finish(client, path)
    corn.until(lambda: pid not in corn.processes(), "the end of the old mold")
    corn.until(lambda: {one["generation"] for one in corn.report()["processes"]} == {2}, "the end of the old")
    # And the numbers begin anew.
    warm(corn)
    corn.until(lambda: corn.told(messages.MOLD_RENEWED, generation=2), "a mold of the second generation")


def test_a_stop_meanwhile_lets_the_request_finish_and_leaves_nobody(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n", workers=1)
    client, path, _pid = kept(corn)
    corn.signal(signal.SIGTERM)
    corn.until(lambda: corn.notified(STOPPING="1"), "STOPPING=1")
    finish(client, path)
    assert corn.end() == 0
    corn.gone()
    assert not corn.told(messages.MOLD_RENEWED)


def test_a_warm_mold_that_is_killed_is_followed_by_a_fresh_one(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n")
    old = pids(corn)
    warm(corn)
    pid = renewed(corn, old)
    workers = {one["pid"] for one in corn.workers()}
    os.kill(pid, signal.SIGKILL)
    corn.expects(messages.MOLD_DIED, pid=pid)
    corn.until(lambda: [one for one in molds(corn) if one["state"] == "ready"], "a fresh mold")
    assert {one["pid"] for one in corn.workers()} == workers
    os.kill(min(workers), signal.SIGKILL)
    corn.until(lambda: len(corn.workers()) == 2, "two workers")
    assert {corn.get("/cache").text for _ in range(8)} <= {str(pid), ""}


def test_a_crash_in_a_worker_of_the_new_mold_has_its_stack_in_the_journal(shop: Start) -> None:
    corn = shop(APP, AFTER + "[cron]\nworkers = 0\n", workers=1)
    old = pids(corn)
    # Its descriptors have other numbers than those of the worker before the mold.
    warm(corn, "/shift", count=1)
    warm(corn, count=4)
    renewed(corn, old, workers=1)
    with connect(corn.sockets[0]) as client:
        client.sendall(b"GET /crash HTTP/1.1\r\nHost: shop\r\n\r\n")
        entry = corn.expects(messages.REQUEST_LOST)
    assert "in application" in entry["MESSAGE"]


def test_limits_count_in_workers_of_the_new_mold(shop: Start) -> None:
    corn = shop(APP, AFTER + "[limits]\ntime_real = '1s'\n[cron]\nworkers = 0\n", workers=1)
    old = pids(corn)
    warm(corn)
    renewed(corn, old, workers=1)
    assert corn.get("/loop").status == 504
    assert "in application" in corn.expects(messages.REQUEST_INTERRUPTED)["MESSAGE"]


def test_where_the_import_has_started_a_process_nobody_becomes_the_mold(shop: Start) -> None:
    child = "CHILD = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    corn = shop(APP + child, AFTER + "[cron]\nworkers = 0\n", workers=1)
    assert "started processes" in corn.expects(messages.REFORK_REFUSED, role="mold")["CORN_CAUSE"]
    warm(corn, count=10)
    assert not corn.told(messages.MOLD_RENEWED)


def test_it_is_off_by_default(shop: Start) -> None:
    corn = shop(APP, "[cron]\nworkers = 0\n", workers=1)
    old = pids(corn)
    warm(corn, count=300)
    assert pids(corn) == old
