"""`corn run`: an application without any file, and no systemd anywhere."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import HELLO
from .harness import REPOSITORY

BARE = ("NOTIFY_SOCKET", "RUNTIME_DIRECTORY", "CORN_JOURNAL_SOCKET", "XDG_RUNTIME_DIR", "JOURNAL_STREAM")


class Run:
    """One `corn run` in a directory with hello.py, in a process group of its own as a terminal's job is."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        (directory / "hello.py").write_text(HELLO)
        self.process = self.corn("run", "hello:application", *arguments)

    def corn(self, *arguments: str) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if name not in BARE}
        environment |= {"PYTHONPATH": str(REPOSITORY), "XDG_RUNTIME_DIR": str(self.directory)}
        return subprocess.Popen(
            [sys.executable, "-m", "corn_systemd", *arguments],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def port(self) -> int:
        """Waits for the line that says where it listens."""
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if match := re.search(r"ready: .* on 127\.0\.0\.1:(\d+)", line):
                return int(match[1])
        raise AssertionError(f"never ready: {lines}")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    one = Run(tmp_path, "--listen", "127.0.0.1:0", "--workers", "2")
    yield one
    if one.process.poll() is None:
        one.process.kill()
    one.process.communicate()


def ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return client.makefile("rb").read()


def test_it_serves_and_ctrl_c_stops_it_at_once_and_cleanly(run: Run) -> None:
    port = run.port()
    kept = socket.create_connection(("127.0.0.1", port), timeout=20)
    kept.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert kept.recv(4096).endswith(b"hello")
    assert ask(port).endswith(b"hello")
    os.killpg(run.process.pid, signal.SIGINT)
    _out, err = run.process.communicate(timeout=10)
    assert run.process.returncode == 0
    assert "stopping: SIGINT" in err and "Traceback" not in err
    kept.close()


def test_ctrl_c_does_not_wait_for_a_request_that_never_ends(tmp_path: Path) -> None:
    run = Run(tmp_path, "--listen", "127.0.0.1:0", "--workers", "1")
    (tmp_path / "hello.py").write_text(
        "import threading\ndef application(e, s):\n"
        "    print('called', flush=True)\n    threading.Event().wait()\n"
    )
    run.process.kill()
    run.process.communicate()
    run.process = run.corn("run", "hello:application", "--listen", "127.0.0.1:0", "--workers", "1")
    client = socket.create_connection(("127.0.0.1", run.port()), timeout=20)
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert run.process.stdout is not None
    run.process.stdout.readline()
    run.process.send_signal(signal.SIGINT)
    run.process.communicate(timeout=10)
    assert run.process.returncode == 0
    client.close()


def test_status_finds_it_by_its_name(run: Run) -> None:
    port = run.port()
    ask(port)
    asked = run.corn("status", "hello")
    out, err = asked.communicate(timeout=20)
    assert asked.returncode == 0, err
    assert f"listening on 127.0.0.1:{port}" in out
    assert re.search(r"^http 1 +\d+ +1 +ready", out, re.MULTILINE)


def test_status_of_what_does_not_run_says_so_and_fails_for_now(run: Run) -> None:
    asked = run.corn("status", "nothing")
    _out, err = asked.communicate(timeout=20)
    assert asked.returncode == 75
    assert "'nothing' does not run" in err and "systemctl status corn@nothing" in err


def test_a_second_one_of_the_same_name_gets_a_number_and_leaves_the_first_alone(run: Run) -> None:
    run.port()
    first = run.process
    run.process = run.corn("run", "hello:application", "--listen", "127.0.0.1:0", "--workers", "1")
    run.port()
    asked = run.corn("status", "hello-2")
    out, err = asked.communicate(timeout=20)
    assert out.startswith("hello-2: "), err
    run.process.send_signal(signal.SIGTERM)
    run.process.communicate(timeout=20)
    assert first.poll() is None
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
    assert first.returncode == 0


def test_of_several_that_start_at_one_moment_each_gets_a_name(run: Run) -> None:
    others = [
        run.corn("run", "hello:application", "--listen", "127.0.0.1:0", "--workers", "1") for _ in range(5)
    ]
    told = []
    for process in (run.process, *others):
        assert process.stderr is not None
        told.append(next((line for line in process.stderr if " ready: " in line or "can not" in line), ""))
        process.send_signal(signal.SIGTERM)
    for process in others:
        process.communicate(timeout=20)
    assert all(" ready: " in line for line in told), told
    assert len({line.partition(" ready: ")[0] for line in told}) == 6, told


def test_an_address_in_use_is_named_with_the_cure(run: Run) -> None:
    port = run.port()
    second = run.corn("run", "hello:application", "--listen", f"127.0.0.1:{port}")
    _out, err = second.communicate(timeout=20)
    assert second.returncode == 78
    assert f"can not listen on 127.0.0.1:{port}" in err and "another process" in err


def test_a_misspelt_application_is_named_with_what_is_there(run: Run) -> None:
    asked = run.corn("run", "hello:aplication", "--listen", "127.0.0.1:0")
    _out, err = asked.communicate(timeout=20)
    assert asked.returncode == 78
    assert "aplication" in err and "application" in err


def test_a_usage_error_has_status_2(run: Run) -> None:
    asked = run.corn("frobnicate")
    asked.communicate(timeout=20)
    assert asked.returncode == 2
