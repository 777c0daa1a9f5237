"""What workers do that run out of file descriptors."""

import time

from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .harness import connect
from .world import no_descriptors

# `/room?3` leaves so many file descriptors and no more.
ROOM = """
import os
import resource

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/room":
        fds = [os.dup(0) for _ in range(int(environ["QUERY_STRING"]))]
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(fds) + 1, hard))
        for fd in fds:
            os.close(fd)
    return [b"hello"]
"""


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: shop\r\n\r\n".encode()


def cpu_seconds(pid: int) -> float:
    """clock_getcpuclockid(3) of another process."""
    return time.clock_gettime((~pid << 3) | 2)


def test_without_descriptors_those_who_are_there_are_served_and_others_as_soon_as_there_is_room(
    shop: Start,
) -> None:
    """Room comes as the keep-alive time of those who are there ends: nothing but time happens until then."""
    corn = shop(ROOM, '[http]\nkeepalive = "3s"', workers=1)
    (worker,) = corn.workers()
    clients = []
    # One after the other: who is accepted before there is a limit takes none of the room.
    for target in ("/room?3", "/", "/", "/"):
        client = connect(corn.sockets[0])
        client.sendall(get(target))
        assert client.recv(65536).endswith(b"hello")
        clients.append(client)
    late = [connect(corn.sockets[0]) for _ in range(3)]
    for client in late:
        client.sendall(get("/"))
    corn.expects(messages.ACCEPT_FAILED, cause="Too many open files")
    for client in clients:
        client.sendall(get("/"))
        assert client.recv(65536).endswith(b"hello")
    spent, since = cpu_seconds(worker["pid"]), time.monotonic()
    for client in late:
        assert client.recv(65536).endswith(b"hello")
    spent, passed = cpu_seconds(worker["pid"]) - spent, time.monotonic() - since
    assert passed > 1, "they did not have to wait"
    assert spent < passed / 10, f"{spent:.2f} s of CPU in {passed:.2f} s"
    for client in clients:
        assert client.recv(1) == b""
    for client in (*clients, *late):
        client.close()
    assert corn.get().text == "hello"
    assert corn.stop() == 0
    assert len(corn.told(messages.ACCEPT_FAILED)) == 1, "told again and again"


def test_a_worker_that_accounts_for_requests_serves_those_who_are_there_without_descriptors(
    shop: Start,
) -> None:
    corn = shop(HELLO, '[http]\nlog_slow = "1ms"', workers=1)
    (worker,) = corn.workers()
    with connect(corn.sockets[0]) as client:
        for _ in range(2):
            client.sendall(get("/"))
            assert client.recv(65536).endswith(b"hello")
            with no_descriptors(corn, worker["pid"]):
                client.sendall(get("/"))
                assert client.recv(65536).endswith(b"hello")
    assert corn.workers()[0]["pid"] == worker["pid"]


def test_a_job_that_there_are_no_descriptors_for_fails_with_that_cause_and_its_worker_stays(
    shop: Start,
) -> None:
    job = '[[cron.jobs]]\nname = "works"\ncall = "shop:work"\nevery = "1h"\n'
    corn = shop(HELLO + "\ndef work():\n    pass\n", job, workers=1)
    (worker,) = corn.until(lambda: corn.workers(role="cron"), "a cron worker")
    with no_descriptors(corn, worker["pid"]):
        assert corn.ask("POST /jobs/works/run")[0] == 202
        assert "Too many open files" in corn.expects(messages.JOB_FAILED, job="works")["MESSAGE"]
    corn.until(lambda: corn.job("works")["runs"] == 1, "its end")
    assert corn.ask("POST /jobs/works/run?wait=1")[0] == 200
    corn.expects(messages.JOB_FINISHED, job="works")
    assert [one["pid"] for one in corn.workers(role="cron")] == [worker["pid"]]
