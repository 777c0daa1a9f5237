"""reload.check: a new generation must answer a request of the master's before anybody leaves for it."""

import os
import signal
import socket
from pathlib import Path

import pytest

from corn_systemd.systemd import messages

from ..apps.hello import application
from .conftest import Start
from .engine import Engine, get, read_all
from .harness import Corn
from .load import Load
from .test_reload import ask_for_reload, reload

OLD = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"old"]
"""

NEW = """
import os, time
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/health":
        return health(environ, start_response)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"new"]

def health(environ, start_response):
    {health}
"""

CHECK = "start_timeout = '20s'\n[reload]\ncheck = '/health'\n"


def with_health(lines: str) -> str:
    return NEW.format(health=lines.replace("\n", "\n    "))


def answers(status: str, body: str = "b'well'") -> str:
    return with_health(f"start_response({status!r}, [('Content-Type', 'text/plain')])\nreturn [{body}]")


def pids(corn: Corn) -> set[int]:
    return {worker["pid"] for worker in corn.workers()}


@pytest.mark.parametrize("status", ["200 OK", "301 Moved Permanently", "404 Not Found"])
def test_a_status_below_500_lets_the_reload_go_on(shop: Start, status: str) -> None:
    corn = shop(OLD, CHECK)
    corn.write("shop.py", answers(status))
    assert reload(corn).returncode == 0
    assert corn.get().text == "new"
    assert {worker["generation"] for worker in corn.workers()} == {2}


BAD = {
    "a status of 500 and more": (
        answers("503 Service Unavailable", "b'no database'"),
        ["503 Service Unavailable when it answered GET /health (reload.check)", "no database"],
    ),
    "an exception": (with_health("raise RuntimeError('no table')"), ["500 Internal Server Error"]),
    "a crash": (with_health("os.kill(os.getpid(), 11)"), ["signal SIGSEGV", "it answered GET /health"]),
    "an exit": (with_health("os._exit(3)"), ["exit status 3", "it answered GET /health"]),
    "a closed connection": (
        # The one that is a stream and no TCP is the master's.
        with_health("import socket, stat\n"
                    "for fd in range(3, 200):\n"
                    "    if os.path.exists(f'/dev/fd/{fd}') and stat.S_ISSOCK(os.stat(fd).st_mode):\n"
                    "        one = socket.socket(fileno=os.dup(fd))\n"
                    "        if (one.family, one.type) == (socket.AF_UNIX, socket.SOCK_STREAM):\n"
                    "            one.shutdown(2)\n"
                    "time.sleep(60)"),
        ["the connection ended while it answered GET /health (reload.check), without an answer"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer_fails_the_reload_and_changes_nothing(shop: Start, name: str) -> None:
    source, words = BAD[name]
    corn = shop(OLD, CHECK)
    before = pids(corn)
    corn.write("shop.py", source)
    with Load(corn, rate=100) as load:
        corn.until(lambda: load.count > 20, "some answers")
        result = reload(corn)
        seen = load.count
        corn.until(lambda: load.count > seen + 20, "more answers")
    assert result.returncode == 1 and all(word in result.stderr for word in words), result.stderr
    assert load.failures == [] and set(load.answers) == {"old"}
    assert pids(corn) == before
    corn.take_in()
    (entry,) = corn.told(messages.GENERATION_REFUSED)
    assert all(word in entry["MESSAGE"] for word in words)
    assert words[0] in corn.report()["status"]
    after = [state for state in corn.states if state.get("READY") == "1"][1:]
    assert [words[0] in state["STATUS"] for state in after] == [True]
    corn.write("shop.py", answers("204 No Content"))
    assert reload(corn).returncode == 0
    assert words[0] not in corn.report()["status"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("check_timeout = '300ms'\n", "not answered within reload.check_timeout (0.3 s)"),
        (
            "check_timeout = 0\n",
            "a worker was not ready within start_timeout (2 s), as it answered GET /health (reload.check)",
        ),
    ],
)
def test_a_check_that_hangs_is_given_up_and_the_stack_tells_where(
    shop: Start, settings: str, words: str
) -> None:
    corn = shop(OLD, CHECK + settings)
    text = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", text.replace("20s", "2s"))
    corn.write("shop.py", with_health("time.sleep(60)"))
    result = reload(corn)
    assert result.returncode == 1 and words in result.stderr
    entry = corn.expects(messages.GENERATION_REFUSED)
    assert "in health" in entry["MESSAGE"] and "in health" in result.stderr
    assert corn.get().text == "old"
    # Of the request, which was nobody's, nothing else is told.
    assert not corn.told(messages.REQUEST_LOST) and not corn.told(messages.WORKER_KILLED)
    corn.until(lambda: len(corn.processes()) == 4, "the old generation alone")


def test_a_worker_takes_in_no_client_before_it_has_passed(shop: Start, tmp_path: Path) -> None:
    gate, is_asked = tmp_path / "gate", tmp_path / "asked"
    for path in (gate, is_asked):
        os.mkfifo(path)
    corn = shop(OLD, CHECK)
    corn.write(
        "shop.py",
        with_health(
            f"open({str(is_asked)!r}, 'w').close()\nopen({str(gate)!r}).close()\n"
            "start_response('200 OK', [])\nreturn [b'']"
        ),
    )
    waiting = ask_for_reload(corn)
    is_asked.read_text()
    assert [worker["generation"] for worker in corn.workers("starting")] == [2]
    assert {corn.get().text for _ in range(20)} == {"old"}
    assert len(corn.workers()) == 2
    gate.write_text("")
    assert waiting.wait(20) == 0
    assert corn.get().text == "new"


def test_an_answer_that_never_ends_is_none_and_nobody_is_taken_in_meanwhile(shop: Start) -> None:
    corn = shop(OLD, CHECK + "check_timeout = '2500ms'\n")
    endless = (
        "start_response('200 OK', [])\n"
        "def pieces():\n    while True:\n        time.sleep(0.02)\n        yield b'x' * 1000\n"
        "return pieces()"
    )
    corn.write("shop.py", with_health(endless))
    with Load(corn, rate=100) as load:
        result = reload(corn)
    assert result.returncode == 1
    assert "not answered within reload.check_timeout (2.5 s)" in result.stderr
    assert load.failures == [] and set(load.answers) == {"old"} and load.count > 100


def test_a_worker_that_waits_for_its_question_lets_nobody_in_however_long_that_takes() -> None:
    # The master's own request is not whole: by the time that this is refused the loop has gone round often,
    # and looked several times for whom it could not let in before.
    with Engine(application, is_checked=True, head_timeout=0.3, keepalive=0.2) as engine:
        client = engine.connect()
        client.sendall(get("/client", "Connection: close"))
        mine, theirs = socket.socketpair()
        with mine, theirs:
            mine.settimeout(20)
            mine.sendall(b"GET /")
            engine.master.send("check", (theirs.fileno(),))
            theirs.close()
            assert mine.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert engine.slot.story == []
        engine.master.send("open")
        assert read_all(client).startswith(b"HTTP/1.1 200 ")
        client.close()


def test_workers_that_die_meanwhile_are_replaced_by_those_that_are_known_to_work(
    shop: Start, tmp_path: Path
) -> None:
    is_asked = tmp_path / "asked"
    os.mkfifo(is_asked)
    corn = shop(OLD, CHECK)
    corn.write("shop.py", with_health(f"open({str(is_asked)!r}, 'w').close()\ntime.sleep(60)"))
    waiting = ask_for_reload(corn)
    is_asked.read_text()
    before = pids(corn)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    corn.until(lambda: len(pids(corn) - before) == 2, "two other workers")
    assert {worker["generation"] for worker in corn.workers()} == {1}
    assert corn.get().text == "old"
    corn.signal(signal.SIGTERM)
    assert "being stopped" in waiting.communicate(timeout=20)[1]
    assert corn.end() == 0
    corn.gone()


SEEN = with_health(
    "keys = 'HTTP_HOST', 'wsgi.url_scheme', 'HTTP_USER_AGENT', 'SERVER_PROTOCOL', 'REMOTE_ADDR'\n"
    "start_response('500 Seen', [])\nreturn [' '.join(map(str, map(environ.get, keys))).encode()]"
)


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        ("", "localhost http corn (reload.check) HTTP/1.1\n"),
        ("[http]\nhosts = ['*.shop.example']\n", "www.shop.example http corn (reload.check) HTTP/1.1\n"),
        (
            "check_headers = ['host: shop.test', 'X-Forwarded-Proto: https', 'User-Agent: me']\n",
            "shop.test https me HTTP/1.1\n",
        ),
    ],
)
def test_the_request_looks_as_the_settings_say(shop: Start, settings: str, seen: str) -> None:
    corn = shop(OLD, CHECK + settings)
    corn.write("shop.py", SEEN)
    assert seen in reload(corn).stderr


def test_a_start_asks_nothing(shop: Start) -> None:
    corn = shop(answers("500 Not Yet"), CHECK)
    assert corn.get().text == "new"


def test_each_worker_that_imports_for_itself_and_comes_first_is_asked(shop: Start) -> None:
    corn = shop(OLD, "preload = false\n" + CHECK, workers=3)
    corn.write("shop.py", answers("500 Broken"))
    result = reload(corn)
    assert result.returncode == 1 and "500 Broken" in result.stderr
    assert corn.get().text == "old"
    corn.write("shop.py", answers("200 OK"))
    assert reload(corn).returncode == 0
    assert corn.get().text == "new"
