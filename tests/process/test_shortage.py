"""What a worker does that runs out of file descriptors."""

import time

from corn_systemd.systemd import messages

from .conftest import Start
from .harness import connect

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
