"""Start, stop, death: an instance as systemd and its users see it."""

import os
import signal
import socket
from pathlib import Path

import pytest

from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .harness import Corn, address, connect, request, tcp, unix

PIDS = """
import os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""


def test_a_start_is_ready_only_when_a_worker_answers(shop: Start) -> None:
    corn = shop()
    assert corn.get().text == "hello"
    assert not corn.told(messages.MOLD_UNFIT)
    assert corn.notified(READY="1", STATUS=corn.notified(READY="1")["STATUS"])
    entry = corn.expects(messages.INSTANCE_READY, workers=2, app="shop:application")
    assert entry["SYSLOG_IDENTIFIER"] == "corn@shop" and entry["CORN_INSTANCE"] == "shop"


def test_nothing_is_ready_while_the_application_is_being_imported(shop: Start, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    corn = shop(f"open({str(gate)!r}).read()\n" + HELLO, start=False).start()
    corn.until(lambda: corn.notified(STATUS="starting shop:application"), "STATUS=starting")
    assert not corn.notified(READY="1")
    gate.write_text("")
    corn.ready()


def test_several_sockets_of_all_families_are_served(shop: Start, tmp_path: Path) -> None:
    sockets = [tcp(), tcp("::1"), unix(tmp_path / "a.sock")]
    corn = shop(sockets=sockets)
    assert [request(sock, "GET", "/").text for sock in sockets] == ["hello"] * 3
    assert corn.report()["listen"] == [address(sock) for sock in sockets]


def test_a_socket_that_was_not_passed_is_bound_and_the_cure_is_named(shop: Start, tmp_path: Path) -> None:
    corn = shop(start=False)
    path = tmp_path / "own.sock"
    text = (corn.directory / "shop.toml").read_text()
    wanted = f'listen = [{{path = "{path}", mode = "0600"}}, '
    corn.write("shop.toml", text.replace("listen = [", wanted))
    corn.start().ready()
    entry = corn.expects(messages.LISTENER_BOUND, address=f"unix:{path}")
    assert "systemctl daemon-reload" in entry["MESSAGE"]
    assert path.stat().st_mode & 0o777 == 0o600
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
    client.close()
    stored = corn.until(lambda: corn.notified(FDSTORE="1"), "FDSTORE=1")
    assert stored["FDNAME"].startswith("corn-listener")
    assert corn.stop() == 0
    # The socket lives on in systemd's store: who serves it next needs the name.
    assert path.exists()


def test_a_socket_that_nobody_named_is_reported_and_not_served(shop: Start) -> None:
    extra = tcp()
    corn = shop(start=False)
    corn.sockets = [*corn.sockets, extra]
    corn.start().ready()
    corn.expects(messages.LISTENER_SURPLUS, address=address(extra))


def test_an_application_that_does_not_import_refuses_with_78_and_its_traceback_in_one_entry(
    shop: Start,
) -> None:
    corn = shop("import shop_settings\n", start=False).start()
    assert corn.end() == 78
    (entry,) = corn.told(messages.INSTANCE_REFUSED)
    assert "No module named 'shop_settings'" in entry["MESSAGE"].splitlines()[0]
    assert "Traceback (most recent call last):" in entry["MESSAGE"]
    assert 'shop.py", line 1' in entry["MESSAGE"]
    assert "corn_systemd" not in entry["MESSAGE"]
    status = corn.states[-1]["STATUS"]
    assert "No module named 'shop_settings'" in status and "\n" not in status
    assert not corn.notified(READY="1")
    corn.gone()


def test_a_client_that_waits_for_an_instance_that_can_not_start_is_answered_503(shop: Start) -> None:
    corn = shop("1/0\n", start=False)
    waiting = [connect(corn.sockets[0]) for _ in range(3)]
    waiting[0].sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    assert corn.start().end() == 78
    for client in waiting:
        answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 503 ") and b"Retry-After: " in answer
        client.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("limit-time-cpu = 60\nlimt = 3\n", ["limit-time-cpu", "limt"]),
        ("start_timeout = 'soon'\n", ["start_timeout"]),
        ("python = '/nowhere/venv'\n", ["/nowhere/venv"]),
        ("user = 'somebody-else'\n", ["somebody-else", "systemctl daemon-reload"]),
    ],
)
def test_settings_that_are_wrong_refuse_with_78_and_name_every_error(
    shop: Start, settings: str, words: list[str]
) -> None:
    corn = shop(settings=settings, start=False).start()
    assert corn.end() == 78
    (entry,) = corn.told(messages.INSTANCE_REFUSED)
    assert all(word in entry["MESSAGE"] for word in words)


def test_an_application_that_hangs_when_imported_is_given_up_after_start_timeout(
    shop: Start, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "never")
    corn = shop(
        f"open({str(tmp_path / 'never')!r}).read()\n", settings="start_timeout = '0.3s'\n", start=False
    )
    assert corn.start().end() == 75
    (entry,) = corn.told(messages.INSTANCE_REFUSED)
    assert "start_timeout" in entry["MESSAGE"]
    corn.gone()


def test_an_application_whose_import_crashes_refuses_with_the_signal(shop: Start) -> None:
    corn = shop("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)\n", start=False).start()
    assert corn.end() == 75
    assert "SIGSEGV" in corn.told(messages.INSTANCE_REFUSED)[0]["MESSAGE"]


def test_without_preload_each_worker_imports_for_itself_and_a_failure_is_told_as_well(shop: Start) -> None:
    source = "import os\nBORN = os.getpid()\n" + PIDS.replace("os.getpid()", "os.getpid() == BORN")
    corn = shop(source, settings="preload = false\n")
    assert corn.get().text == "True"
    broken = shop("import nothing_there\n", settings="preload = false\n", start=False).start()
    assert broken.end() == 78
    assert "nothing_there" in broken.told(messages.INSTANCE_REFUSED)[0]["MESSAGE"]


def test_a_worker_that_is_killed_is_replaced_and_told_of(shop: Start) -> None:
    corn = shop(PIDS)
    victim = int(corn.get().text)
    os.kill(victim, signal.SIGKILL)
    entry = corn.expects(messages.WORKER_DIED, pid=victim)
    assert "SIGKILL" in entry["MESSAGE"]
    corn.until(lambda: len(corn.workers()) == 2, "two workers again", deadline=1.0)
    assert victim not in [worker["pid"] for worker in corn.workers()]
    assert corn.get().status == 200


def test_a_worker_that_leaves_although_nobody_asked_it_to_is_told_of_even_when_it_says_all_is_well(
    shop: Start,
) -> None:
    corn = shop("import os\ndef application(e, s):\n    os._exit(0)\n")
    client = connect(corn.sockets[0])
    client.sendall(b"GET /exit HTTP/1.1\r\nHost: shop\r\n\r\n")
    entry = corn.expects(messages.WORKER_DIED, request="GET /exit")
    assert "exit status 0" in entry["MESSAGE"]
    client.close()


def test_workers_that_die_by_themselves_again_and_again_are_replaced_more_slowly(shop: Start) -> None:
    # Each imports for itself, and ends a moment later without having served anybody.
    source = "import os, threading\nthreading.Timer(0.1, os._exit, (7,)).start()\n" + HELLO
    corn = shop(source, settings="preload = false\n", start=False).start()
    corn.until(lambda: corn.notified(READY="1"), "READY=1")
    entry = corn.expects(messages.WORKERS_DIE_YOUNG)
    assert "exit status 7" in entry["MESSAGE"]


def test_requests_that_crash_their_workers_do_not_keep_others_from_being_answered(shop: Start) -> None:
    corn = shop(
        "import os\ndef application(e, s):\n    e['PATH_INFO'] == '/crash' and os._exit(7)\n"
        "    s('200 OK', [])\n    return [b'hello']\n"
    )
    for _ in range(30):
        client = connect(corn.sockets[0])
        client.sendall(b"GET /crash HTTP/1.1\r\nHost: shop\r\n\r\n")
        client.makefile("rb").read()
        client.close()
    assert corn.get().text == "hello"
    assert not corn.told(messages.WORKERS_DIE_YOUNG)


def test_a_mold_that_is_killed_is_replaced_while_its_workers_serve(shop: Start) -> None:
    corn = shop()
    workers = {worker["pid"] for worker in corn.workers()}
    (mold,) = [p["pid"] for p in corn.report()["processes"] if p["role"] == "mold"]
    os.kill(mold, signal.SIGKILL)
    corn.expects(messages.MOLD_DIED, pid=mold)
    corn.until(
        lambda: any(p["role"] == "mold" and p["state"] == "ready" for p in corn.report()["processes"]),
        "a mold",
    )
    assert {worker["pid"] for worker in corn.workers()} == workers
    assert corn.get().text == "hello"


def test_stopping_lets_a_running_request_finish(shop: Start, tmp_path: Path) -> None:
    started, gate = tmp_path / "started", tmp_path / "gate"
    os.mkfifo(started)
    os.mkfifo(gate)
    corn = shop(
        f"""
def application(environ, start_response):
    open({str(started)!r}, "w").close()
    open({str(gate)!r}).read()
    start_response("200 OK", [])
    return [b"finished"]
"""
    )
    client = connect(corn.sockets[0])
    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    started.read_text()
    corn.signal(signal.SIGTERM)
    corn.expects(messages.INSTANCE_STOPPING, reason="SIGTERM")
    corn.until(lambda: corn.notified(STOPPING="1"), "STOPPING=1")
    corn.until(lambda: any("EXTEND_TIMEOUT_USEC" in state for state in corn.states), "EXTEND_TIMEOUT_USEC")
    gate.write_text("")
    answer = client.makefile("rb").read()
    assert answer.endswith(b"finished")
    assert corn.end() == 0
    corn.expects(messages.INSTANCE_STOPPED, requests=1)
    corn.gone()


def test_a_request_that_outlives_stop_timeout_is_ended(shop: Start, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    corn = shop(
        f"import threading\ndef application(e, s):\n    open({str(started)!r}, 'w').close()\n"
        "    threading.Event().wait()\n",
        settings="stop_timeout = '0.2s'\n",
    )
    client = connect(corn.sockets[0])
    client.sendall(b"GET /for/ever HTTP/1.1\r\nHost: shop\r\n\r\n")
    started.read_text()
    assert corn.stop() == 0
    # Not the only one, where an idle worker gets no processor for as long.
    corn.expects(messages.WORKER_KILLED, request="GET /for/ever")
    corn.gone()
    client.close()


def test_a_second_signal_ends_at_once(shop: Start, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    corn = shop(
        f"import threading\ndef application(e, s):\n    open({str(started)!r}, 'w').close()\n"
        "    threading.Event().wait()\n"
    )
    client = connect(corn.sockets[0])
    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    started.read_text()
    corn.signal(signal.SIGTERM)
    corn.expects(messages.INSTANCE_STOPPING)
    corn.signal(signal.SIGTERM)
    assert corn.end(deadline=5.0) == 0
    corn.gone()
    client.close()


def test_an_idle_keep_alive_connection_is_answered_during_the_drain_and_then_told_to_close(
    shop: Start,
) -> None:
    corn = shop()
    client = connect(corn.sockets[0])
    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    assert b"hello" in client.recv(4096)
    corn.signal(signal.SIGTERM)
    corn.until(lambda: len(corn.workers("draining")) == 1, "one worker that waits for its client")
    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 ") and b"onnection: close" in answer
    assert corn.end() == 0
    client.close()


SPINNING = """
def application(environ, start_response):
    open(environ["HTTP_X_STARTED"], "w").close()
    (2**20000000 + 1) ** 1000  # C code that holds the GIL for minutes
"""


def test_a_killed_master_leaves_no_process_behind_not_even_one_deep_in_c_code(
    shop: Start, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    corn = shop(SPINNING)
    client = connect(corn.sockets[0])
    client.sendall(f"GET / HTTP/1.1\r\nHost: shop\r\nX-Started: {started}\r\n\r\n".encode())
    started.read_text()
    corn.signal(signal.SIGKILL)
    corn.end()
    corn.gone(deadline=20.0)
    client.close()


def test_the_watchdog_is_pinged_by_the_loop(shop: Start) -> None:
    corn = shop(start=False, environment={"WATCHDOG_USEC": "200000"}).start().ready()
    before = len([s for s in corn.states if "WATCHDOG" in s])
    corn.until(lambda: len([s for s in corn.states if "WATCHDOG" in s]) >= before + 3, "three pings")


def test_no_child_inherits_the_words_to_systemd(shop: Start) -> None:
    corn = (
        shop(
            "import os\ndef application(e, s):\n    s('200 OK', [])\n"
            "    return [' '.join(os.environ).encode()]\n",
            start=False,
            environment={"WATCHDOG_USEC": "10000000"},
        )
        .start()
        .ready()
    )
    names = corn.get().text.split()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID"} & set(names)


def test_the_environment_of_the_settings_reaches_the_application_before_it_is_imported(shop: Start) -> None:
    source = "import os\nCOLOUR = os.environ['COLOUR']\n" + PIDS.replace("os.getpid()", "COLOUR")
    corn = shop(source, settings="[environment]\nCOLOUR = 'blå'\n")
    assert corn.get().body == b"bl\xc3\xa5" or corn.get().text == "blå"


def test_processes_are_named_for_ps(shop: Start) -> None:
    corn = shop()
    titles = {
        Path(f"/proc/{p['pid']}/cmdline").read_bytes().rstrip(b"\0").decode()
        for p in corn.report()["processes"]
    }
    assert titles == {"corn: mold shop g1", "corn: http 1 shop g1", "corn: http 2 shop g1"}


def test_threads_and_sockets_that_do_not_survive_a_fork_are_named(shop: Start) -> None:
    corn = shop(
        "import socket, threading\nkept = socket.socket()\n"
        "threading.Thread(target=threading.Event().wait, name='ticker', daemon=True).start()\n" + HELLO
    )
    what = corn.expects(messages.MOLD_UNFIT)["CORN_WHAT"]
    assert "'ticker'" in what and "is a socket" in what
    assert corn.get().text == "hello"


@pytest.mark.parametrize("moment", range(20))
def test_sigterm_at_any_moment_of_a_start_ends_everything(shop: Start, moment: int) -> None:
    _stop_at(shop, moment * 0.012)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_sigterm_at_two_hundred_moments_of_a_start_ends_everything(shop: Start) -> None:
    for moment in range(200):
        _stop_at(shop, moment * 0.0015)


def _stop_at(shop: Start, after: float) -> None:
    corn = shop(start=False, workers=4).start()
    import select

    select.select([], [], [], after)  # the moment is the point of the test: any is as good as another
    corn.signal(signal.SIGTERM)
    assert corn.end() in (0, -signal.SIGTERM)
    corn.gone()


def test_sigterm_while_workers_are_being_forked_over_and_over_ends_everything(shop: Start) -> None:
    corn = shop(PIDS, workers=4)
    for worker in corn.workers():
        os.kill(worker["pid"], signal.SIGKILL)
    corn.signal(signal.SIGTERM)
    assert corn.end() == 0
    corn.gone()


def test_corn_without_systemd_writes_plain_lines_to_standard_error(tmp_path: Path) -> None:
    corn = Corn(
        tmp_path, arguments=["serve", str(tmp_path / "shop.toml")], environment={"CORN_JOURNAL_SOCKET": ""}
    )
    corn.write("shop.toml", "app = 'shop:application'\nstart_timeout = 'x'\n")
    assert corn.start().end() == 78
    corn.close()
