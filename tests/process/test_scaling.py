"""More workers while all are busy and requests wait, fewer when there is less to do, and by hand."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .harness import REPOSITORY, Corn, connect, request

# /wait stands at a gate, as it would for a database that does not answer.
GATED = """
import os
GATE = os.path.join(os.path.dirname(__file__), "gate")
def application(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        open(GATE).read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"served"]
"""

# The instance of a test lives in a directory of its own: the verb is told to look there.
_ASK = """
import sys
from corn_systemd.cli import main, place
place.candidates = lambda name: [sys.argv[1]]
sys.exit(main(sys.argv[2:]))
"""


def verb(corn: Corn, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _ASK, str(corn.directory), *words],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=30,
    )


class Gate:
    """Where requests for /wait stand until it opens, for all who stand there."""

    def __init__(self, corn: Corn) -> None:
        self.path = corn.directory / "gate"
        os.mkfifo(self.path)

    def open(self, clients: list[socket.socket]) -> list[bytes]:
        """What all these clients are answered, who have asked for /wait."""
        writer = os.open(self.path, os.O_RDWR)
        # Who comes from now on finds an empty file, and who stands here the end of another.
        way = self.path.with_suffix(".open")
        way.write_text("")
        way.replace(self.path)
        os.close(writer)
        answers = []
        for client in clients:
            answers.append(client.makefile("rb").read())
            client.close()
        return answers


def waiting(corn: Corn, count: int) -> list[socket.socket]:
    clients = [connect(corn.sockets[0]) for _ in range(count)]
    for client in clients:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    return clients


def scaling(shop: Start, app: str = GATED, settings: str = "", workers: int = 1, **range_: object) -> Corn:
    corn = shop(app, settings, start=False, workers=workers)
    values = {"min": 1, "max": 3, "idle": "'1s'", **range_}
    lines = "".join(f"{name} = {value}\n" for name, value in values.items())
    corn.write("shop.toml.d/range.toml", f"[workers]\n{lines}")
    corn.start().ready()
    corn.until(lambda: len(corn.workers()) == workers, "all workers")
    return corn


def changes(corn: Corn) -> list[tuple[int, int]]:
    """All changes so far: from how many workers to how many."""
    told = corn.told(messages.WORKERS_SCALED)
    return [(int(entry["CORN_BEFORE"]), int(entry["CORN_WORKERS"])) for entry in told]


def says_hello_again(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    answer = client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"served"), answer


# By what there is to do.


def test_it_grows_one_by_one_while_requests_wait_and_shrinks_one_by_one_when_they_do_not(shop: Start) -> None:
    corn = scaling(shop)
    gate = Gate(corn)
    clients = waiting(corn, 5)
    entry = corn.expects(messages.WORKERS_SCALED, workers=2, before=1)
    assert "all were busy while requests waited" in entry["MESSAGE"]
    corn.expects(messages.WORKERS_SCALED, workers=3, before=2)
    corn.until(lambda: len(corn.workers()) == 3, "three workers")
    report = corn.report()
    assert report["scaling"] == {"workers": 3, "min": 1, "max": 3, "is_by_hand": False, "refusal": ""}
    assert "3 workers of 1 to 3" in report["status"]
    corn.until(lambda: sum("request" in worker for worker in corn.workers()) == 3, "three who are served")
    # The two that are left wait, and there is no fourth for them.
    idle = [connect(corn.sockets[0]) for _ in range(4)]
    answers = gate.open(clients)
    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 200 "] * 5
    for client in idle:
        says_hello_again(client)
    corn.expects(messages.WORKERS_SCALED, workers=2, before=3)
    corn.expects(messages.WORKERS_SCALED, workers=1, before=2)
    corn.until(lambda: len(corn.workers()) == 1 and not corn.workers("draining"), "one worker")
    assert changes(corn) == [(1, 2), (2, 3), (3, 2), (2, 1)]
    for client in idle:
        says_hello_again(client)
        client.close()
    assert not corn.told(messages.WORKER_DIED) and not corn.told(messages.WORKER_KILLED)


def test_who_waits_in_the_relay_or_on_a_kept_connection_counts_as_well(shop: Start) -> None:
    """Nothing is in the backlog: all clients have been let in before anybody was busy."""
    corn = scaling(shop)
    gate = Gate(corn)
    clients = [connect(corn.sockets[0]) for _ in range(3)]
    for client in clients:
        says_hello_again(client)
    for client in clients:
        client.sendall(b"GET /wait HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    corn.expects(messages.WORKERS_SCALED, workers=3, before=2)
    assert [answer[:13] for answer in gate.open(clients)] == [b"HTTP/1.1 200 "] * 3


def test_many_short_requests_count_although_none_of_them_takes_long(shop: Start) -> None:
    corn = scaling(shop, "import time\n" + GATED.replace("/wait", "/short").replace(
        "open(GATE).read()", "until = time.monotonic() + 0.005\n        while time.monotonic() < until: pass"
    ), idle="'1h'")  # fmt: skip
    is_over = threading.Event()
    problems: list[object] = []

    def keep_asking() -> None:
        client = connect(corn.sockets[0])
        while not is_over.is_set():
            client.sendall(b"GET /short HTTP/1.1\r\nHost: shop\r\n\r\n")
            if not client.recv(4096).startswith(b"HTTP/1.1 200 "):
                problems.append("no answer")
        client.close()

    threads = [threading.Thread(target=keep_asking) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        corn.expects(messages.WORKERS_SCALED, workers=2, before=1)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert not problems


def test_all_busy_and_nobody_waiting_is_no_reason(shop: Start) -> None:
    corn = scaling(shop, idle="'1h'")
    gate = Gate(corn)
    clients = waiting(corn, 1)
    corn.until(lambda: corn.report()["uptime"] > 3, "three seconds")
    assert changes(corn) == []
    assert gate.open(clients)[0].startswith(b"HTTP/1.1 200 ")


def test_a_reload_keeps_as_many_as_there_are_and_a_failed_one_changes_nothing(shop: Start) -> None:
    corn = scaling(shop, idle="'1h'")
    gate = Gate(corn)
    clients = waiting(corn, 5)
    corn.expects(messages.WORKERS_SCALED, workers=3, before=2)
    gate.open(clients)
    corn.write("shop.toml.d/range.toml", "[workers]\nmin = 1\nmax = 2\nidle = '1h'\n")
    corn.write("shop.py", "import absent\n")
    assert verb(corn, "reload", "shop").returncode == 1
    assert corn.report()["scaling"]["workers"] == len(corn.workers()) == 3
    corn.write("shop.py", GATED)
    assert verb(corn, "reload", "shop").returncode == 0
    assert corn.report()["scaling"]["workers"] == len(corn.workers()) == 2


def test_an_idle_instance_sleeps_although_it_could_scale(shop: Start) -> None:
    corn = scaling(shop, workers=2, idle="'1h'")
    corn.until(lambda: corn.report()["uptime"] > 2, "two seconds")

    def naps() -> int:
        status = Path(f"/proc/{corn.pid}/status").read_text()
        return int(status.partition("voluntary_ctxt_switches:")[2].split()[0])

    before = naps()
    select.select([], [], [], 4.0)  # what is measured is that nothing happens
    assert naps() - before <= 4


# By hand.


def test_signals_ask_for_one_more_and_one_fewer_and_for_one_at_least(shop: Start) -> None:
    corn = shop()
    corn.signal(signal.SIGTTIN)
    corn.expects(messages.WORKERS_SCALED, workers=3, before=2, cause="SIGTTIN")
    corn.until(lambda: len(corn.workers()) == 3, "three workers")
    for left in (2, 1):
        corn.signal(signal.SIGTTOU)
        corn.expects(messages.WORKERS_SCALED, workers=left, cause="SIGTTOU")
    corn.until(lambda: len(corn.workers()) == 1, "one worker")
    corn.signal(signal.SIGTTOU)
    assert corn.get().text == "hello"
    corn.signal(signal.SIGTTIN)
    corn.expects(messages.WORKERS_SCALED, workers=2, before=1)
    assert changes(corn) == [(2, 3), (3, 2), (2, 1), (1, 2)]


def test_a_terminal_s_signals_are_no_wishes(shop: Start) -> None:
    corn = shop(start=False)
    corn.arguments = ["run", "shop:application", "--workers", "2", "--listen", "127.0.0.1:0"]
    corn.sockets = []
    corn.start().ready()
    corn.until(lambda: len(corn.workers()) == 2, "two workers")
    corn.signal(signal.SIGTTOU)
    corn.signal(signal.SIGTTIN)
    assert corn.report()["scaling"]["workers"] == 2
    assert changes(corn) == []


def test_corn_scale_sets_a_number_until_the_next_reload_that_succeeds(shop: Start) -> None:
    corn = shop()
    result = verb(corn, "scale", "shop", "4")
    assert (result.returncode, result.stdout) == (0, "4 workers are wanted, until the next reload\n")
    corn.expects(messages.WORKERS_SCALED, workers=4, before=2, cause="corn scale")
    corn.until(lambda: len(corn.workers()) == 4, "four workers")
    assert "4 workers by hand" in verb(corn, "status", "shop").stdout
    corn.until(lambda: any("4 workers by hand" in s.get("STATUS", "") for s in corn.states), "STATUS=")
    corn.write("shop.py", "import absent\n")
    assert verb(corn, "reload", "shop").returncode == 1
    assert len(corn.workers()) == 4
    corn.write("shop.py", HELLO)
    assert verb(corn, "reload", "shop").returncode == 0
    assert len(corn.workers()) == 2 and "by hand" not in corn.report()["status"]


def test_corn_scale_auto_goes_back_to_the_settings(shop: Start) -> None:
    corn = shop()
    assert verb(corn, "scale", "shop", "1").returncode == 0
    corn.until(lambda: len(corn.workers()) == 1, "one worker")
    result = verb(corn, "scale", "shop", "auto")
    assert (result.returncode, result.stdout) == (0, "2 workers are wanted, as the settings say\n")
    corn.until(lambda: len(corn.workers()) == 2, "two workers")


@pytest.mark.parametrize("wish", ["0", "513", "many", "", "-1", "2&workers=3"])
def test_corn_scale_refuses_what_is_no_number_of_workers(shop: Start, wish: str) -> None:
    corn = shop()
    result = verb(corn, "scale", "shop", "--", wish)
    assert result.returncode == 2
    assert 'a whole number from 1 to 512, or "auto"' in result.stderr
    assert corn.report()["scaling"]["workers"] == 2


def test_one_that_is_too_many_finishes_its_request_however_long_that_takes(shop: Start) -> None:
    corn = shop(GATED, settings="stop_timeout = '0.2s'\n")
    gate = Gate(corn)
    clients = waiting(corn, 2)
    corn.until(lambda: sum("request" in worker for worker in corn.workers()) == 2, "two requests")
    assert verb(corn, "scale", "shop", "1").returncode == 0
    corn.until(lambda: len(corn.workers("draining")) == 1, "one that leaves")
    until = corn.report()["uptime"] + 1
    corn.until(lambda: corn.report()["uptime"] > until, "much more than stop_timeout")
    assert [answer[:13] for answer in gate.open(clients)] == [b"HTTP/1.1 200 "] * 2
    assert not corn.told(messages.WORKER_KILLED)


def test_who_was_asked_for_and_is_not_wanted_any_more_leaves_before_it_has_come(shop: Start) -> None:
    corn = shop()
    for number in range(20):
        corn.signal(signal.SIGTTOU if number % 2 else signal.SIGTTIN)
        corn.until(lambda: len(changes(corn)) > number, "the next change")  # noqa: B023
    corn.until(lambda: len(corn.processes()) == 4, "the master, the mold and two workers")
    assert len(corn.workers()) == 2
    assert not corn.told(messages.WORKER_DIED) and not corn.told(messages.WORKER_KILLED)


def test_no_request_is_lost_while_workers_come_and_go(shop: Start) -> None:
    corn = shop()
    is_over = threading.Event()
    counts = [0] * 4
    problems: list[object] = []

    def keep_asking(number: int, is_kept: bool) -> None:
        client = connect(corn.sockets[0])
        try:
            while not is_over.is_set():
                if not is_kept:
                    assert request(corn.sockets[0], "GET", "/").text == "hello"
                else:
                    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
                    answer = client.recv(4096)
                    assert answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello"), answer
                counts[number] += 1
        except BaseException as error:
            problems.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=keep_asking, args=(number, number < 2)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for workers in (4, 1, 6, 2, 5, 1, 3):
            assert verb(corn, "scale", "shop", str(workers)).returncode == 0
            corn.until(
                lambda: len(corn.workers()) == workers and not corn.workers("draining"),  # noqa: B023
                f"{workers} workers",
            )
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert not problems, problems
    assert min(counts) > 20, counts
