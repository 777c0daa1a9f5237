"""Applications and neighbours that do what nobody should: the master survives all of them."""

import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .harness import connect

MISCHIEF = """
import os, socket, stat
def lifelines():
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2 and stat.S_ISSOCK(os.fstat(fd).st_mode):
                sock = socket.socket(fileno=os.dup(fd))
                if sock.type == socket.SOCK_SEQPACKET:
                    yield fd
                sock.close()
        except OSError:
            pass
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/garbage":
        for fd in lifelines():
            os.write(fd, b"junk!")
    if path == "/close":
        for fd in lifelines():
            os.close(fd)
    start_response("200 OK", [("Connection-Is", "fine")])
    return [str(os.getpid()).encode()]
"""


def test_rubbish_on_a_lifeline_ends_that_worker_alone(shop: Start) -> None:
    corn = shop(MISCHIEF)
    client = connect(corn.sockets[0])
    client.sendall(b"GET /garbage HTTP/1.1\r\nHost: shop\r\n\r\n")
    entry = corn.expects(messages.WORKER_KILLED)
    assert "no message" in entry["MESSAGE"]
    corn.until(lambda: len(corn.workers()) == 2, "two workers again")
    assert corn.get().text != entry["CORN_PID"]
    client.close()


def test_a_worker_that_closes_its_lifeline_is_ended_and_replaced_and_a_stop_does_not_wait_for_it(
    shop: Start,
) -> None:
    corn = shop(MISCHIEF)
    victim = corn.get("/close").text
    entry = corn.expects(messages.WORKER_KILLED, pid=victim)
    assert "closed its lifeline" in entry["MESSAGE"]
    corn.until(lambda: len(corn.workers()) == 2, "two workers again")
    assert corn.stop() == 0


@pytest.mark.parametrize(
    "deed",
    [
        "import sys; sys.stdout.close()",
        "import sys; sys.stdout = sys.stderr = None",
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "import os; os.umask(0o777); os.chdir('/')",
        "import socket; socket.setdefaulttimeout(0.001)",
        "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    ],
)
def test_what_an_application_does_at_its_import_keeps_no_worker_from_being_born_and_replaced(
    shop: Start, deed: str
) -> None:
    corn = shop(f"{deed}\n{HELLO}")
    os.kill(corn.workers()[0]["pid"], signal.SIGKILL)
    corn.expects(messages.WORKER_DIED)
    corn.until(lambda: len(corn.workers()) == 2, "two workers again")
    assert corn.get().text == "hello"


def test_a_fork_that_the_system_refuses_is_named_and_tried_again(shop: Start) -> None:
    corn = shop(
        """
import os
real, refusals = os.fork, [1, 1, 1]
def fork():
    if refusals and refusals.pop():
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return real()
os.fork = fork
"""
        + HELLO,
        start=False,
    )
    corn.start().ready()
    assert "Resource temporarily unavailable" in corn.expects(messages.FORK_FAILED)["MESSAGE"]
    corn.until(lambda: len(corn.workers()) == 2, "both workers")


@pytest.mark.full
def test_a_mold_that_is_stopped_is_replaced_when_it_is_needed(shop: Start) -> None:
    corn = shop()
    mold = next(p["pid"] for p in corn.report()["processes"] if p["role"] == "mold")
    os.kill(mold, signal.SIGSTOP)
    for worker in corn.workers():
        os.kill(worker["pid"], signal.SIGKILL)
    corn.until(lambda: len(corn.workers()) == 2, "two workers again", deadline=30)
    assert corn.get().text == "hello"


def test_what_an_application_forks_is_no_worker(shop: Start) -> None:
    corn = shop(
        """
import os, socket
def application(environ, start_response):
    reader, writer = os.pipe()
    if os.fork() == 0:
        heard = []
        for name in os.listdir("/proc/self/fd"):
            try:
                sock = socket.socket(fileno=os.dup(int(name)))
                heard.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
            except OSError:
                pass
        os.write(writer, str(sum(heard)).encode())
        os._exit(0)
    os.close(writer)
    os.wait()
    start_response("200 OK", [])
    return [os.read(reader, 10)]
"""
    )
    assert corn.get().text == "0"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM])
def test_a_signal_without_a_meaning_ends_nothing(shop: Start, number: int) -> None:
    corn = shop()
    corn.signal(number)
    assert corn.get().text == "hello"
    assert corn.report()["generation"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_signals_of_the_terminal_are_the_master_s_alone(shop: Start, number: int) -> None:
    corn = shop()
    before = {process["pid"] for process in corn.report()["processes"]}
    for pid in before:
        os.kill(pid, number)
    assert corn.get().text == "hello"
    assert {process["pid"] for process in corn.report()["processes"]} == before


def test_a_crowd_of_silent_askers_does_not_keep_others_from_the_control_socket(shop: Start) -> None:
    corn = shop()
    crowd = []
    for _ in range(100):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(corn.directory / "control"))
        crowd.append(client)
    assert corn.report()["generation"] == 1
    for client in crowd:
        client.close()


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 9000, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /status\r\n\r\n"]
)
def test_rubbish_on_the_control_socket_harms_nobody(shop: Start, data: bytes) -> None:
    corn = shop()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(corn.directory / "control"))
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()
        assert answer == b"" or answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 "))
    assert corn.report()["generation"] == 1


def test_the_scoreboard_and_the_control_socket_are_for_the_instance_s_user_and_group(shop: Start) -> None:
    corn = shop()
    for name in ("scoreboard", "control"):
        assert stat.S_IMODE(Path(corn.directory / name).stat().st_mode) & 0o007 == 0


def test_a_client_that_is_gone_before_its_answer_is_made_harms_nobody(shop: Start) -> None:
    corn = shop()
    for _ in range(20):
        client = connect(corn.sockets[0])
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        client.close()
    assert corn.get().text == "hello"
