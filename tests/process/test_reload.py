"""A reload brings up new code and settings beside the old, and a failed one changes nothing."""

import os
import signal
import subprocess
import sys

from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .harness import REPOSITORY, Corn, connect

NEW = HELLO.replace("hello", "changed")


def reload(corn: Corn) -> subprocess.CompletedProcess[str]:
    """`corn reload`, as the unit's ExecReload= runs it."""
    return subprocess.run(
        [sys.executable, "-c", _ASK, str(corn.directory)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def ask_for_reload(corn: Corn) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _ASK, str(corn.directory)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    )


# The instance of a test lives in a directory of its own: the verb is told to look there.
_ASK = """
import sys
from corn_systemd.cli import main, place
place.candidates = lambda name: [sys.argv[1]]
sys.exit(main(["reload", "shop"]))
"""


def test_a_reload_serves_new_code_with_new_settings_and_the_old_is_gone(shop: Start) -> None:
    corn = shop(settings="[environment]\nGREETING = 'one'\n")
    old = {worker["pid"] for worker in corn.workers()}
    corn.write("shop.py", NEW)
    text = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", text.replace("count = 2", "count = 3"))
    result = reload(corn)
    assert (result.returncode, result.stdout) == (0, "reloaded: generation 2 serves\n")
    assert corn.get().text == "changed"
    workers = corn.workers()
    assert len(workers) == 3 and {worker["generation"] for worker in workers} == {2}
    corn.until(lambda: not old & set(corn.processes()), "the end of the old workers")
    assert corn.expects(messages.GENERATION_RELOADED)["CORN_GENERATION"] == "2"
    reloading = corn.until(lambda: corn.notified(RELOADING="1"), "RELOADING=1")
    assert reloading["MONOTONIC_USEC"].isdecimal()
    after = corn.states.index(reloading)
    corn.until(lambda: any(state.get("READY") == "1" for state in corn.states[after:]), "READY=1 again")


def test_a_reload_of_code_that_does_not_import_changes_nothing_and_says_why(shop: Start) -> None:
    corn = shop()
    old = {worker["pid"] for worker in corn.workers()}
    corn.write("shop.py", "import absent\n")
    result = reload(corn)
    assert result.returncode == 1
    assert "No module named 'absent'" in result.stderr and "Traceback" in result.stderr
    entry = corn.expects(messages.GENERATION_REFUSED, generation=2, serving=1)
    assert "Traceback" in entry["MESSAGE"]
    assert {worker["pid"] for worker in corn.workers()} == old
    assert corn.get().text == "hello"
    assert "reload failed" in corn.report()["status"]
    corn.write("shop.py", NEW)
    assert reload(corn).returncode == 0
    assert corn.get().text == "changed"
    assert "reload failed" not in corn.report()["status"]


def refuses(corn: Corn, program: str, cause: str) -> None:
    """A reload to such an application fails and says why, and the old one goes on serving."""
    corn.write("shop.py", program)
    result = reload(corn)
    assert result.returncode == 1 and cause in result.stderr
    assert corn.get().text == "hello"


def test_a_traceback_of_any_length_and_script_fails_the_reload_and_nothing_else(shop: Start) -> None:
    refuses(shop(), "raise RuntimeError('漢字のエラー\\n' * 40000 + '\\udcff the end')\n", "the end")


def test_an_environment_longer_than_a_packet_reaches_the_application(shop: Start) -> None:
    corn = shop()
    corn.write("shop.py", "import os\n" + NEW.replace('b"changed"', 'str(len(os.environ["LONG"])).encode()'))
    text = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", f"{text}\n[environment]\nLONG = '{'x' * 100_000}'\n")
    assert reload(corn).returncode == 0
    assert corn.get().text == "100000"


def test_a_reload_that_works_for_one_worker_alone_fails_and_all_is_as_before(shop: Start) -> None:
    corn = shop(settings="preload = false\n", workers=3)
    lock = corn.directory / "lock"
    corn.write("shop.py", f"import os\nos.mkdir({str(lock)!r})\n" + NEW)
    result = reload(corn)
    assert result.returncode == 1 and "FileExistsError" in result.stderr
    corn.write("shop.py", NEW.replace("changed", "mended"))
    assert reload(corn).returncode == 0
    assert corn.get().text == "mended"
    assert len(corn.workers()) == 3


def test_who_asks_for_a_reload_during_one_gets_the_code_of_that_moment(shop: Start) -> None:
    corn = shop()
    gate = corn.directory / "gate"
    os.mkfifo(gate)
    corn.write("shop.py", f"open({str(gate)!r}).read()\n" + NEW)
    first = ask_for_reload(corn)
    with gate.open("w"):  # which opens when the new mold stands at the other side
        corn.write("shop.py", NEW.replace("changed", "latest"))
        second = ask_for_reload(corn)
        corn.until(lambda: corn.report()["waiting"] == 2, "two who wait")
    assert first.wait(20) == 0 and second.wait(20) == 0
    assert corn.get().text == "latest"
    assert corn.report()["generation"] == 3


def test_a_reload_of_settings_that_are_wrong_touches_nobody(shop: Start) -> None:
    corn = shop()
    before = corn.processes()
    text = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", text + "\nnonsense = 1\n")
    result = reload(corn)
    assert result.returncode == 1 and "nonsense" in result.stderr
    assert sorted(before) == sorted(corn.processes())


def test_a_worker_that_dies_at_its_birth_fails_the_reload(shop: Start) -> None:
    refuses(shop(settings="preload = false\n"), "import os\nos._exit(3)\n", "exit status 3")


def test_a_changed_listen_is_reported_as_needing_a_restart(shop: Start) -> None:
    corn = shop()
    text = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", text.replace("listen = [", 'listen = ["127.0.0.1:1", '))
    assert reload(corn).returncode == 0
    assert "127.0.0.1:1" in corn.expects(messages.LISTEN_NEEDS_RESTART)["CORN_WANTED"]


def test_sighup_reloads_without_a_report(shop: Start) -> None:
    corn = shop()
    corn.write("shop.py", NEW)
    corn.signal(signal.SIGHUP)
    corn.expects(messages.GENERATION_RELOADED)
    assert corn.get().text == "changed"


def test_stopping_during_a_reload_ends_everything_and_tells_whoever_waits(
    shop: Start, tmp_path: object
) -> None:
    corn = shop()
    gate = corn.directory / "gate"
    os.mkfifo(gate)
    corn.write("shop.py", f"open({str(gate)!r}).read()\n")
    waiting = ask_for_reload(corn)
    corn.until(lambda: corn.notified(RELOADING="1"), "RELOADING=1")
    assert corn.stop() == 0
    assert "stopped" in waiting.communicate(timeout=20)[1]
    assert waiting.returncode == 1
    corn.gone()


def test_a_hangup_while_stopping_does_not_bring_the_instance_back(shop: Start) -> None:
    corn = shop()
    client = connect(corn.sockets[0])
    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    assert b"hello" in client.recv(4096)
    corn.signal(signal.SIGTERM)
    corn.until(lambda: corn.workers("draining"), "a worker that waits for its client")
    corn.signal(signal.SIGHUP)
    assert corn.end() == 0
    assert not corn.notified(RELOADING="1")
    corn.gone()
    client.close()


def test_a_hangup_while_starting_reloads_when_there_is_something_to_go_back_to(shop: Start) -> None:
    corn = shop(start=False)
    gate = corn.directory / "gate"
    os.mkfifo(gate)
    corn.write("shop.py", f"open({str(gate)!r}).read()\n" + HELLO)
    corn.start()
    with gate.open("w"):
        corn.write("shop.py", "import absent\n")
        corn.signal(signal.SIGHUP)
        corn.until(lambda: corn.notified(STATUS="starting shop:application"), "STATUS=starting")
    corn.ready()
    corn.expects(messages.GENERATION_REFUSED, generation=2, serving=1)
    assert corn.get().text == "hello"
