"""Workers that heed nothing although they are in no request: ended and replaced, and their clients served.

A worker is given ten seconds to answer, so these tests take about fifteen; nothing is slept through.
"""

import os
import signal
import socket

import pytest

from corn_systemd.policy.stall import PATIENCE
from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .harness import Corn, connect, request

ASK = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
PID = HELLO.replace('b"hello"', "str(__import__('os').getpid()).encode()")
# Five seconds until it is asked, the time that it has, and as much again.
DEADLINE = 2 * (5 + PATIENCE)


def asked(client: socket.socket) -> int:
    """Who has answered on a connection that is kept."""
    client.sendall(ASK)
    return int(client.recv(4096).rpartition(b"\r\n")[2])


def replaced(corn: Corn, pid: int) -> dict[str, str]:
    """Waits until a worker that is stuck has been ended and another is there; what is told of it."""
    entry: dict[str, str] = corn.until(
        lambda: next(iter(corn.told(messages.WORKER_STUCK, pid=pid)), None), "WORKER_STUCK", DEADLINE
    )
    corn.until(lambda: pid not in corn.processes(), "its end")
    corn.until(lambda: len(corn.workers()) == 2, "another worker")
    return entry


def test_a_worker_that_is_stopped_while_its_clients_wait_is_replaced_and_they_are_answered(
    shop: Start,
) -> None:
    corn = shop(PID)
    clients = [connect(corn.sockets[0]) for _ in range(4)]
    pids = [asked(client) for client in clients]
    # An answer leaves a moment before its request is over, and then this would be a matter of limits.
    corn.until(lambda: not any("request" in worker for worker in corn.workers()), "rest")
    os.kill(pids[0], signal.SIGSTOP)
    for client in clients:
        client.sendall(ASK)
    entry = replaced(corn, pids[0])
    assert "SIGSTOP" in entry["MESSAGE"]
    for client in clients:
        answer = client.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 ") and not answer.endswith(str(pids[0]).encode())
        client.close()
    corn.take_in()
    assert not corn.told(messages.CONNECTIONS_LOST)
    # The other one has answered, and is still there.
    others = {worker["pid"] for worker in corn.workers()}
    assert set(pids) - {pids[0]} <= others
    assert len(corn.told(messages.WORKER_STUCK)) == 1


# A thread of the application's that does not give back the interpreter's lock, some time after a request.
GREEDY = """
import threading
def application(environ, start_response):
    if environ["PATH_INFO"] == "/greedy":
        threading.Timer(0.2, lambda: (2**20000000 + 1) ** 1000).start()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(__import__("os").getpid()).encode()]
"""


@pytest.mark.full
def test_a_worker_whose_lock_a_thread_keeps_is_replaced_and_its_stacks_are_told(shop: Start) -> None:
    corn = shop(GREEDY)
    client = connect(corn.sockets[0])
    client.sendall(ASK.replace(b"/ ", b"/greedy ", 1))
    pid = int(client.recv(4096).rpartition(b"\r\n")[2])
    entry = replaced(corn, pid)
    assert "shop.py" in entry["MESSAGE"] and "<lambda>" in entry["MESSAGE"]
    assert asked(client) != pid
    client.close()


@pytest.mark.full
def test_workers_that_are_all_stopped_while_nobody_is_connected_are_replaced_when_somebody_comes(
    shop: Start,
) -> None:
    corn = shop(PID)
    before = {worker["pid"] for worker in corn.workers()}
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    client = connect(corn.sockets[0])
    client.sendall(ASK)
    client.settimeout(DEADLINE)
    assert int(client.recv(4096).rpartition(b"\r\n")[2]) not in before
    client.close()
    for pid in before:
        replaced(corn, pid)


@pytest.mark.full
@pytest.mark.timeout(120)
def test_nobody_is_ended_because_the_master_or_all_of_them_stood_still(shop: Start) -> None:
    corn = shop(PID)
    client = connect(corn.sockets[0])
    before = {worker["pid"] for worker in corn.workers()}
    asked(client)
    stopped = [corn.pid, *before]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    with socket.socket() as nobody:  # the moment is the point: longer than a worker is given
        nobody.bind(("127.0.0.1", 0))
        nobody.listen()
        nobody.settimeout(PATIENCE + 8)
        with pytest.raises(TimeoutError):
            nobody.accept()
    os.kill(corn.pid, signal.SIGCONT)
    corn.report()
    for pid in before:
        os.kill(pid, signal.SIGCONT)
    assert asked(client) in before
    assert request(corn.sockets[0], "GET", "/").status == 200
    client.close()
    assert {worker["pid"] for worker in corn.workers()} == before
    corn.take_in()
    assert not corn.told(messages.WORKER_STUCK)


def test_a_worker_that_is_stopped_and_has_no_clients_is_noticed_while_others_have(shop: Start) -> None:
    """The kernel passes it over: it lets nobody in, and nobody waits."""
    corn = shop(PID)
    with connect(corn.sockets[0]) as client:
        served = asked(client)
        (idle,) = {worker["pid"] for worker in corn.workers()} - {served}
        os.kill(idle, signal.SIGSTOP)
        corn.until(
            lambda: asked(client) and corn.told(messages.WORKER_STUCK, pid=idle), "WORKER_STUCK", DEADLINE
        )
        assert replaced(corn, idle)
        assert asked(client) == served


def test_a_cron_worker_that_is_stopped_before_its_job_is_ended_and_the_next_run_is_anothers(
    shop: Start,
) -> None:
    job = '[[cron.jobs]]\nname = "works"\ncall = "shop:work"\nevery = "1h"\n'
    corn = shop(HELLO + "\ndef work():\n    pass\n", job)
    (worker,) = corn.until(lambda: corn.workers(role="cron"), "a cron worker")
    os.kill(worker["pid"], signal.SIGSTOP)
    assert corn.ask("POST /jobs/works/run")[0] == 202
    (entry,) = corn.until(lambda: corn.told(messages.JOB_KILLED, job="works"), "JOB_KILLED", DEADLINE)
    assert "it had not begun its job" in entry["MESSAGE"] and "SIGSTOP" in entry["MESSAGE"]
    corn.until(lambda: corn.workers(role="cron"), "another cron worker")
    assert corn.ask("POST /jobs/works/run?wait=1")[0] == 200
    corn.expects(messages.JOB_FINISHED, job="works")
