"""Scale to zero: the test is systemd's socket unit, which holds the sockets and starts corn for who waits."""

import json
import os
import random
import select
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .harness import DEADLINE, Corn, connect, unix

UNITS = {"CORN_WOKEN_BY": "corn@shop.socket"}
TIMER = {"CORN_WOKEN_BY": "corn@shop.socket corn@shop.timer"}
ASK = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


def visit_from_the_start(corn: Corn) -> socket.socket:
    """Starts it for a client, who is answered and stays: it is in use from the first moment."""
    client = connect(corn.sockets[0])
    client.sendall(ASK)
    corn.start().ready()
    assert answer(client).startswith(b"HTTP/1.1 200 ")
    return client


@contextmanager
def unit(corn: Corn) -> Iterator[Callable[[], int]]:
    """A socket unit: whenever the service has ended and somebody waits, it is started. Yields how often it
    has ended so far; it may do so by status 0 alone."""
    halt = threading.Event()
    ends: list[int] = []

    def watch() -> None:
        waiting = select.poll()
        for sock in corn.sockets:
            waiting.register(sock, select.POLLIN)
        while not halt.is_set():
            assert corn.process is not None
            try:
                ends.append(corn.process.wait(0.05))
            except Exception:
                continue
            while not waiting.poll(20):
                if halt.is_set():
                    return
            corn.start()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: len(ends)
    finally:
        halt.set()
        thread.join()
    assert set(ends) <= {0}, corn.story()


def answer(client: socket.socket) -> bytes:
    """The answer to one request; what there is of it where the connection ends."""
    got = b""
    while not got.endswith(b"hello"):
        data = client.recv(4096)
        if not data:
            break
        got += data
    return got


def test_it_ends_when_nobody_has_come_for_so_long_and_nothing_is_left(shop: Start) -> None:
    corn = shop(settings="idle_exit = '300ms'\n", environment=UNITS, start=False)
    visit_from_the_start(corn).close()
    assert corn.end() == 0
    corn.expects(messages.INSTANCE_SLEEPS)
    corn.expects(messages.INSTANCE_STOPPED, requests=1)
    assert corn.states[-1]["STATUS"].startswith("asleep")
    assert corn.notified(STOPPING="1")
    corn.gone()
    assert not (corn.directory / "control").exists()
    assert not [entry for entry in corn.entries if int(entry["PRIORITY"]) < 5], corn.story()


@pytest.mark.parametrize("is_unix", [False, True])
def test_the_first_who_comes_wakes_it_and_the_journal_says_how_long_that_took(
    shop: Start, is_unix: bool
) -> None:
    corn = shop(settings="idle_exit = '300ms'\n", environment=UNITS, start=False)
    if is_unix:
        corn.sockets[0].close()
        corn.sockets = [unix(corn.directory / "web.sock")]
        text = (corn.directory / "shop.toml").read_text().splitlines()
        text = [f'listen = "{corn.directory}/web.sock"' if "listen" in line else line for line in text]
        corn.write("shop.toml", "\n".join(text))
    with connect(corn.sockets[0]) as client:
        client.sendall(ASK)
        began = time.monotonic()
        corn.start().ready()
        assert answer(client).startswith(b"HTTP/1.1 200 ")
        # It tells of it when the request has ended, not when its answer has come.
        entry = corn.expects(messages.INSTANCE_WOKEN)
        took = (time.monotonic() - began) * 1000
    assert 10 <= int(entry["CORN_MILLISECONDS"]) <= took + 20
    assert "GET /" in entry["MESSAGE"]
    assert int(entry["CORN_WAIT_US"]) / 1000 <= took + 20
    assert is_unix or int(entry["CORN_WAIT_US"]) > 10_000
    assert corn.end() == 0


def test_an_open_connection_keeps_it_awake_though_it_asks_for_nothing(shop: Start) -> None:
    corn = shop(settings="idle_exit = '200ms'\n", environment=UNITS, start=False)
    with visit_from_the_start(corn) as client:
        # Five times as long: what must not happen has no word to wait for.
        with pytest.raises(AssertionError, match="waited"):
            corn.until(lambda: corn.has_ended, "its end", 1.0)
        client.sendall(ASK)
        assert answer(client).startswith(b"HTTP/1.1 200 ")
    assert corn.end() == 0


def test_a_request_that_runs_keeps_it_awake_though_its_client_has_gone(shop: Start) -> None:
    corn = shop(
        "import time\n"
        "def application(environ, start_response):\n"
        "    time.sleep(1)\n"
        "    print('done', flush=True)\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n",
        settings="idle_exit = '100ms'\n",
        environment=UNITS,
        start=False,
    )
    with connect(corn.sockets[0]) as client:
        client.sendall(ASK)
        corn.start()
        began = time.monotonic()
        corn.ready().until(lambda: any("request" in one for one in corn.workers()), "the request")
    assert corn.end() == 0 and time.monotonic() - began > 1.0
    corn.expects(messages.INSTANCE_STOPPED, requests=1)


@pytest.mark.parametrize(
    ("environment", "cause"),
    [({}, "its socket unit would close with it"), (UNITS, "no socket unit holds")],
)
def test_where_nobody_would_start_it_again_it_stays_and_says_what_to_do(
    shop: Start, environment: dict[str, str], cause: str
) -> None:
    corn = shop(settings="idle_exit = '100ms'\n", environment=environment, start=False)
    if environment:
        path = corn.directory / "own.sock"
        text = (corn.directory / "shop.toml").read_text()
        corn.write("shop.toml", text.replace("listen = [", f'listen = ["{path}", '))
    corn.start().ready()
    entry = corn.expects(messages.INSTANCE_STAYS_AWAKE)
    assert cause in entry["MESSAGE"] and "systemctl daemon-reload" in entry["MESSAGE"]
    with pytest.raises(AssertionError, match="waited"):
        corn.until(lambda: corn.has_ended, "its end", 1.0)


YEARLY = '[[cron.jobs]]\nname = "tidy"\nschedule = "0 0 1 1 *"\ntimezone = "UTC"\ncall = "shop:application"\n'


def test_without_a_timer_it_stays_awake_for_a_job_that_is_scheduled_and_not_for_one_that_is_paused(
    shop: Start,
) -> None:
    corn = shop(settings=f"idle_exit = '200ms'\n{YEARLY}", environment=UNITS)
    entry = corn.expects(messages.INSTANCE_STAYS_AWAKE)
    assert "'tidy' is scheduled, and no timer" in entry["MESSAGE"]
    with pytest.raises(AssertionError, match="waited"):
        corn.until(lambda: corn.has_ended, "its end", 1.0)
    corn.until(lambda: corn.workers(role="cron"), "a cron worker")
    assert corn.ask("POST /jobs/tidy/pause")[0] == 200
    assert corn.end() == 0
    corn.gone()
    assert "paused" in (corn.directory / "state" / "ledger").read_text()


def test_with_a_timer_it_sleeps_until_its_next_job_and_leaves_word_of_it(shop: Start) -> None:
    corn = shop(settings=f"idle_exit = '300ms'\n{YEARLY}", environment=TIMER, start=False)
    # The word of a sleep that is over: nobody is to be woken for it.
    word = corn.directory / "state" / "wake"
    word.parent.mkdir()
    word.write_text("1\n")
    with visit_from_the_start(corn):
        corn.until(lambda: not word.exists(), "the end of an old word")
    assert corn.end() == 0
    entry = corn.expects(messages.INSTANCE_SLEEPS)
    assert "when job 'tidy' is due" in entry["MESSAGE"]
    assert corn.states[-1]["STATUS"].startswith("asleep until the next connection, or ")
    due = datetime(datetime.now(UTC).year + 1, 1, 1, tzinfo=UTC).timestamp()
    # Twice a start more than 4 s before.
    assert due - 30 < int(word.read_text()) < due - 4
    corn.gone()


def test_who_is_woken_for_a_job_stays_until_it_has_run_it_and_sleeps_again(shop: Start) -> None:
    job = '[[cron.jobs]]\nname = "tidy"\nevery = "10s"\ncall = "shop:tidy"\n'
    corn = shop(f"{HELLO}\ndef tidy(): pass\n", f"idle_exit = '1s'\n{job}", environment=TIMER)
    assert corn.end() == 0
    for runs in (1, 2):
        # Multiples of 10 s, less the time for a timer and a start.
        at = int((corn.directory / "state" / "wake").read_text())
        assert at % 10 <= 5
        # The test is systemd's timer.
        time.sleep(max(at - time.time(), 0))
        corn.start()
        assert corn.end() == 0
        assert len(corn.told(messages.JOB_FINISHED, job="tidy")) >= runs, corn.story()
    assert not corn.told(messages.JOB_MISSED)
    assert not [entry for entry in corn.entries if int(entry["PRIORITY"]) < 5], corn.story()


def test_it_stays_awake_while_its_file_would_not_let_it_start_again(shop: Start) -> None:
    corn = shop(settings="idle_exit = '2s'\n", environment=UNITS)
    text = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", text + "nonsense = 3\n")
    entry = corn.expects(messages.INSTANCE_STAYS_AWAKE)
    assert "nonsense" in entry["MESSAGE"]
    assert corn.get().text == "hello"
    corn.write("shop.toml", text)
    assert corn.end() == 0


def test_a_reload_wakes_nobody_up_and_its_settings_count(shop: Start) -> None:
    corn = shop(settings="idle_exit = '1h'\n", environment=UNITS)
    text = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", text.replace("1h", "300ms"))
    status, body = corn.ask("POST /reload")
    assert status == 200 and json.loads(body)["ok"]
    assert corn.end() == 0


def test_who_knocks_while_they_leave_is_answered_by_others_who_come_back(shop: Start) -> None:
    corn = shop(settings="idle_exit = '1s'\n", environment=UNITS)
    old = [worker["pid"] for worker in corn.workers()]
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    # They can not hear that they are to leave, but are asked to by now. To ask for that would wake it.
    with pytest.raises(AssertionError, match="waited"):
        corn.until(lambda: corn.has_ended, "its end", 3.0)
    with connect(corn.sockets[0]) as client:
        client.sendall(ASK)
        assert answer(client).startswith(b"HTTP/1.1 200 ")
        states = {one["pid"]: one["state"] for one in corn.report()["processes"]}
        assert [states[pid] for pid in old] == ["draining"] * 2
        for pid in old:
            os.kill(pid, signal.SIGCONT)
    assert corn.end() == 0
    corn.gone()


def test_a_stop_while_all_leave_is_a_stop(shop: Start) -> None:
    corn = shop(settings="idle_exit = '100ms'\n", environment=UNITS)
    assert corn.stop() == 0
    corn.gone()


def time_to_exit(corn: Corn) -> float:
    """Seconds from the last answer to the end."""
    visit_from_the_start(corn).close()
    began = time.monotonic()
    assert corn.process is not None and corn.process.wait(DEADLINE) == 0
    corn.take_in()
    corn.states.clear()
    return time.monotonic() - began


@pytest.mark.timeout(240)
def test_of_a_thousand_requests_around_its_exits_none_is_lost(shop: Start) -> None:
    """Bursts around the moment at which it decides, leaves, ends, and is started again."""
    dice = random.Random(6)
    corn = shop(settings="idle_exit = '200ms'\n", environment=UNITS, start=False)
    lost: list[str] = []
    count = 0

    def visit(delay: float, pause: float, requests: int) -> None:
        threading.Event().wait(delay)
        try:
            with connect(corn.sockets[0]) as client:
                for _ in range(requests):
                    # Some come in and ask later, in two pieces.
                    threading.Event().wait(pause)
                    client.sendall(ASK[:10])
                    client.sendall(ASK[10:])
                    got = answer(client)
                    if not got.startswith(b"HTTP/1.1 200 ") or not got.endswith(b"hello"):
                        lost.append(f"{got!r}")
        except OSError as error:
            lost.append(repr(error))

    typical = statistics.median(time_to_exit(corn) for _ in range(5))
    with unit(corn) as ends:
        while count < 1000:
            # The first who comes finds it awake, leaving or gone, and the others whatever follows of that. It
            # has decided to leave 200 to 220 ms after the last one, or as much later as the machine is busy.
            first = max(0.0, dice.gauss(dice.choice((0.21, typical)), 0.01))
            delays = [first, *(first + dice.uniform(0, 0.08) for _ in range(24))]
            visits = [(delay, dice.choice((0, 0, 0.005, 0.03)), dice.choice((1, 1, 2))) for delay in delays]
            # Longer than a worker lingers that is asked to leave for good.
            visits[0] = (first, dice.choice((0, 0.02, 1.3)), 1)
            count += sum(requests for _, _, requests in visits)
            visitors = [threading.Thread(target=visit, args=one) for one in visits]
            for visitor in visitors:
                visitor.start()
            for visitor in visitors:
                visitor.join(DEADLINE)
            corn.take_in()
        exits = ends()
    print(f"{count} requests, {exits} exits")
    assert lost == []
    assert exits >= 3, corn.story()
