"""Reloads while clients ask: nobody notices, and nothing of what was before is left."""

from pathlib import Path
from venv import create

import pytest

from corn_systemd.systemd import messages

from .conftest import Start
from .harness import Corn, connect
from .load import Load, Lookout
from .test_reload import reload

# Loaded code is told apart by its text, and each generation holds memory that the next must not add to.
CODE = """
BALLAST = bytearray(b"x") * 8_000_000
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"code {number}"]
"""


def pss(corn: Corn) -> int:
    """The memory of all processes together in bytes, what they share counted once."""
    total = 0
    for pid in corn.processes():
        try:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                total += int(line.split()[1]) * 1024 if line.startswith("Pss:") else 0
        except OSError:
            continue
    return total


def settle(corn: Corn, workers: int) -> None:
    """Waits until the master, one mold and the workers are all there is."""
    corn.until(lambda: len(corn.processes()) == 2 + workers, "one generation alone")


def reload_under_load(shop: Start, times: int, settings: str = "") -> None:
    workers = 3
    corn = shop(CODE.format(number=0), settings, workers=workers)
    settle(corn, workers)
    with Load(corn) as load, Lookout(lambda: len(corn.workers())) as lookout:
        corn.until(lambda: load.count > 100, "some answers")
        before = pss(corn)
        for number in range(1, times + 1):
            corn.write("shop.py", CODE.format(number=number))
            result = reload(corn)
            assert result.returncode == 0, result.stderr
            answered = load.count
            corn.until(lambda seen=answered: load.count > seen + 50, "answers of the new code")
        settle(corn, workers)
        assert {worker["generation"] for worker in corn.workers()} == {times + 1}
        load.answers.clear()
        corn.until(lambda: load.count > 50, "answers of the last code")
        assert set(load.answers) == {f"code {times}"}
        after = pss(corn)
    print(f"{lookout.looks} looks, slowest {load.slowest:.3f} s, {before >> 20} MiB, then {after >> 20} MiB")
    assert load.failures == []
    assert lookout.lowest >= workers and lookout.looks > 10 * times
    assert after < before * 1.15
    assert len(corn.told(messages.GENERATION_RELOADED)) == times
    assert not corn.told(messages.CONNECTIONS_LOST) and not corn.told(messages.WORKER_DIED)


@pytest.mark.parametrize("settings", ["", "[reload]\ncheck = '/'\n"])
def test_two_reloads_under_load_fail_no_request(shop: Start, settings: str) -> None:
    reload_under_load(shop, 2, settings)


@pytest.mark.full
@pytest.mark.timeout(300)
def test_twenty_reloads_under_load_fail_no_request_and_leave_the_memory_of_one(shop: Start) -> None:
    reload_under_load(shop, 20, "[reload]\ncheck = '/'\n")


WHERE = """
import os, sys
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{sys.prefix} {os.environ.get('COLOUR')}".encode()]
"""


def test_a_reload_exchanges_the_venv_the_workers_the_environment_and_the_settings(
    shop: Start, tmp_path: Path
) -> None:
    venvs = [tmp_path / "one", tmp_path / "two"]
    for venv in venvs:
        create(venv, symlinks=True)
    settings = f"python = '{venvs[0]}'\n[environment]\nCOLOUR = 'red'\n"
    corn = shop(WHERE, settings, workers=3)
    assert corn.get().text == f"{venvs[0]} red"
    text = (corn.directory / "shop.toml").read_text()
    text = text.replace(str(venvs[0]), str(venvs[1])).replace("red", "blue").replace("count = 3", "count = 2")
    corn.write("shop.toml", text + "\n[http]\nhosts = ['shop.example']\n")
    with Load(corn) as load:
        corn.until(lambda: load.count > 20, "some answers")
        load.failures.clear()
        assert reload(corn).returncode == 0
    # Those who name another host than the new settings serve are told so: that is what was asked for.
    assert {failure.partition(":")[0] for failure in load.failures} <= {"421"}
    assert corn.get(Host="shop.example").text == f"{venvs[1]} blue"
    assert corn.get().status == 421
    settle(corn, 2)


ANSWERS = """
PIECE = b"0123456789abcdef" * 4096
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if environ["PATH_INFO"] == "/whole":
        return [PIECE * 256]
    return (PIECE for _ in range(256))
"""


@pytest.mark.parametrize("path", ["/whole", "/pieces"])
def test_a_reader_that_pauses_keeps_no_old_code_alive_and_gets_all_its_bytes(shop: Start, path: str) -> None:
    corn = shop(ANSWERS)
    settle(corn, 2)
    old = set(corn.processes()) - {corn.pid}
    with connect(corn.sockets[0], receive_buffer=4096) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
        answer = client.recv(1000)
        corn.write("shop.py", ANSWERS.replace("abcdef", "ghijkl"))
        assert reload(corn).returncode == 0
        corn.until(lambda: not old & set(corn.processes()), "the end of all old processes")
        answer += b"".join(iter(lambda: client.recv(1 << 20), b""))
    assert answer.count(b"0123456789abcdef") == 256 * 4096
    assert not corn.told(messages.CONNECTIONS_LOST)
