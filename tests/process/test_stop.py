"""A stop: what runs may finish for a while, everybody gets an answer, and nothing is left."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from corn_systemd.systemd import messages

from .conftest import Start
from .harness import Corn, connect

# Each request says that it runs, and ends when its gate opens; /daemon leaves a process behind that has
# nothing to do with it any more.
GATES = """
import os, subprocess, sys
HERE = {here!r}
def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if name == "daemon":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    open(f"{{HERE}}/{{name}}.runs", "w").close()
    open(f"{{HERE}}/{{name}}.gate").close()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [name.encode()]
"""


def ask(corn: Corn, here: Path, name: str) -> socket.socket:
    """A client whose request runs, until its gate is opened."""
    for end in ("runs", "gate"):
        os.mkfifo(here / f"{name}.{end}")
    client = connect(corn.sockets[0])
    client.sendall(f"GET /{name} HTTP/1.1\r\nHost: shop\r\n\r\n".encode())
    (here / f"{name}.runs").read_text()
    return client


def whole(client: socket.socket) -> bytes:
    with client, client.makefile("rb") as file:
        return file.read()


def test_who_finishes_is_answered_who_does_not_gets_503_and_nothing_is_left(
    shop: Start, tmp_path: Path
) -> None:
    corn = shop(GATES.format(here=str(tmp_path)), "stop_timeout = '2500ms'\n", workers=3)
    quick, never, daemon = (ask(corn, tmp_path, name) for name in ("quick", "never", "daemon"))
    # Of a request that is younger than a tick the master knows nothing yet.
    corn.until(lambda: all(w.get("request_age", 0) > 0.2 for w in corn.workers()), "three that run")
    assert len(corn.processes()) == 6
    corn.signal(signal.SIGTERM)
    began_at = time.monotonic()
    corn.until(lambda: corn.notified(STOPPING="1"), "STOPPING=1")
    corn.until(
        lambda: sum("EXTEND_TIMEOUT_USEC" in state for state in after_stopping(corn)) >= 2,
        "EXTEND_TIMEOUT_USEC again and again",
    )
    (tmp_path / "quick.gate").write_text("")
    assert whole(quick).endswith(b"\r\n\r\nquick")
    assert time.monotonic() - began_at < 2.5
    for client in (never, daemon):
        answer = whole(client)
        assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in answer
        assert b"\r\nConnection: close\r\n" in answer
    assert corn.end() == 0
    assert 2.4 < time.monotonic() - began_at < 10
    corn.gone()
    assert {entry["CORN_REQUEST"] for entry in corn.told(messages.WORKER_KILLED)} == {
        "GET /never",
        "GET /daemon",
    }
    corn.expects(messages.INSTANCE_STOPPED, requests=3)


def after_stopping(corn: Corn) -> list[dict[str, str]]:
    stopping = next(n for n, state in enumerate(corn.states) if state.get("STOPPING") == "1")
    return corn.states[stopping:]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once_what_runs_and_answers_it(
    shop: Start, tmp_path: Path, number: signal.Signals
) -> None:
    corn = shop(GATES.format(here=str(tmp_path)))
    never = ask(corn, tmp_path, "never")
    corn.until(lambda: any(w.get("request_age", 0) > 0.2 for w in corn.workers()), "one that runs")
    corn.signal(signal.SIGTERM)
    corn.expects(messages.INSTANCE_STOPPING)
    corn.signal(number)
    assert corn.end(deadline=5.0) == 0
    assert whole(never).startswith(b"HTTP/1.1 503 ")
    corn.gone()


def test_a_client_that_comes_while_it_stops_waits_for_whoever_is_next(shop: Start, tmp_path: Path) -> None:
    corn = shop(GATES.format(here=str(tmp_path)))
    last = ask(corn, tmp_path, "last")
    corn.signal(signal.SIGTERM)
    corn.expects(messages.INSTANCE_STOPPING)
    corn.until(lambda: len(corn.workers("draining")) == 1, "one that is busy alone")
    waiting = connect(corn.sockets[0])
    waiting.sendall(b"GET /later HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    (tmp_path / "last.gate").write_text("")
    assert whole(last).endswith(b"last")
    assert corn.end() == 0
    for end in ("runs", "gate"):
        os.mkfifo(tmp_path / f"later.{end}")
    corn.states.clear()
    corn.start().ready()
    threading.Thread(target=(tmp_path / "later.gate").write_text, args=("",), daemon=True).start()
    (tmp_path / "later.runs").read_text()
    assert whole(waiting).endswith(b"later")


def test_a_master_that_stood_still_and_is_ended_by_the_watchdog_shows_where(
    shop: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    corn = shop()
    corn.signal(signal.SIGSTOP)
    # What systemd does to a service whose watchdog is not fed (kill_and_sigcont).
    corn.signal(signal.SIGABRT)
    corn.signal(signal.SIGCONT)
    assert corn.end() == -signal.SIGABRT
    corn.gone()
    text = capfd.readouterr().err
    # Mostly it waits; just after its start it may do something else.
    assert "Fatal Python error: Aborted" in text and "in _turn" in text and "in run" in text
