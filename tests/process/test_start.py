"""Starts from odd places: streams closed, a directory gone, too much or too little passed, a wrong python."""

import ast
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from corn_systemd.errors import ConfigError
from corn_systemd.master import refusal, spawn
from corn_systemd.systemd import messages

from .conftest import Start
from .harness import REPOSITORY, address, request
from .test_run import Run

BOOT = REPOSITORY / "corn_systemd" / "mold" / "boot.py"


def through_a_shell(directory: Path, line: str) -> str:
    """An interpreter that is a script; its line ends in what runs the real one."""
    script = directory / "python"
    script.write_text(f'#!/bin/sh\n{line.format(python=sys.executable)} "$@"\n')
    script.chmod(0o755)
    return str(script)


def python(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *(("-c", program) if program else ()), *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_are_nobodys_descriptors(shop: Start, tmp_path: Path, closed: str) -> None:
    corn = shop(python=through_a_shell(tmp_path, f"exec {closed} {{python}}"))
    assert corn.get().text == "hello"
    for redirection in closed.split():
        assert os.readlink(f"/proc/{corn.pid}/fd/{redirection[0]}") == "/dev/null"
    assert corn.stop() == 0


@pytest.mark.parametrize("verb", ["check", "status"])
def test_a_verb_without_standard_streams_ends_as_it_would_with_them(tmp_path: Path, verb: str) -> None:
    shell = through_a_shell(tmp_path, "exec 0<&- 1>&- 2>&- {python}")
    command = [shell, "-m", "corn_systemd", verb, str(tmp_path / "nothing.toml")]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    status = subprocess.run(command, env=environment, timeout=20).returncode
    assert status == {"check": 78, "status": 75}[verb]


def test_a_reload_does_not_need_the_directory_that_it_was_started_from(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text('app = "hello:application"\nlisten = "127.0.0.1:0"\n')
    (tmp_path / "gone").mkdir()
    run = Run(tmp_path, "--listen", "127.0.0.1:0")
    run.process.kill()
    run.process.communicate()
    run.directory = tmp_path / "gone"
    run.process = run.corn("serve", "../shop.toml", "--chdir", "..", "--workers", "1")
    try:
        run.port()
        (tmp_path / "gone" / "corn").rename(tmp_path / "corn")
        (tmp_path / "gone").rmdir()
        run.directory = tmp_path
        out, err = run.corn("reload", "shop").communicate(timeout=20)
        assert (out, err) == ("reloaded: generation 2 serves\n", "")
    finally:
        run.process.terminate()
        run.process.communicate(timeout=20)
    assert run.process.returncode == 0


def test_a_reload_that_meets_a_pipe_in_place_of_the_file_fails_and_the_master_goes_on(shop: Start) -> None:
    corn = shop()
    drop_ins = corn.directory / "shop.toml.d"
    drop_ins.mkdir()
    os.mkfifo(drop_ins / "10.toml")
    corn.signal(signal.SIGHUP)
    entry = corn.expects(messages.GENERATION_REFUSED)
    assert "10.toml: is not a regular file" in entry["MESSAGE"]
    assert corn.get().text == "hello"


@pytest.mark.parametrize("verb", ["run", "serve"])
def test_passed_sockets_are_served_where_the_settings_name_none(shop: Start, verb: str) -> None:
    corn = shop(start=False)
    corn.write("shop.toml", f'app = "shop:application"\nchdir = "{corn.directory}"\n')
    if verb == "run":
        corn.arguments = ("run", "shop:application", "--name", "shop")
    corn.start().ready()
    assert corn.get().text == "hello"
    assert corn.report()["listen"] == [address(corn.sockets[0])]
    assert not corn.told(messages.LISTENER_SURPLUS) and not corn.told(messages.LISTENER_BOUND)


def test_a_dual_stack_socket_of_the_unit_serves_a_wildcard_of_ipv4(shop: Start) -> None:
    with socket.socket(socket.AF_INET6) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        sock.listen()
        port = sock.getsockname()[1]
        corn = shop(sockets=[sock], start=False)
        text = (corn.directory / "shop.toml").read_text()
        corn.write("shop.toml", text.replace(f"[::]:{port}", f"*:{port}"))
        corn.start().ready()
        assert corn.report()["listen"] == [f"[::]:{port}"]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
            assert client.makefile("rb").read().endswith(b"hello")


def test_more_promised_sockets_than_there_are_is_a_warning(shop: Start, tmp_path: Path) -> None:
    corn = shop(python=through_a_shell(tmp_path, "LISTEN_FDS=70000000 exec {python}"))
    assert request(corn.sockets[0], "GET", "/").text == "hello"
    entry = corn.expects(messages.SETTINGS_WARNING)
    assert "69999999 descriptors of LISTEN_FDS are not open" in entry["MESSAGE"]


def test_ctrl_c_before_the_master_lives_leaves_no_traceback() -> None:
    ended = python(
        "import importlib, os, signal\n"
        # Whoever runs the tests in the background ignores it, and so would this.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from corn_systemd import cli\n"
        "importlib.import_module = lambda *names: os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.main(['run', 'hello:app'])\n"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    ended = python(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from corn_systemd import cli\n"
        "cli.main(['check', '/nowhere/shop.toml'])\n"
        "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)\n"
    )
    assert ended.stdout == "True\n"


def test_an_interpreter_that_is_too_old_is_named_with_what_is_needed() -> None:
    ended = python(
        f"import runpy, sys\nsys.version_info = (3, 9, 2, 'final', 0)\nsys.argv = ['boot', '3', '1']\n"
        f"runpy.run_path({str(BOOT)!r}, run_name='__main__')\n"
    )
    assert ended.returncode == 78
    cause = "is Python 3.9.2, and corn needs 3.10 or newer"
    assert ended.stderr == f"corn: python = {sys.executable!r}: {cause}\n"


def test_an_interpreter_that_is_not_the_masters_own_child_is_told_to_exec() -> None:
    ended = python("", str(BOOT), "3", str(os.getppid()))
    assert ended.returncode == 78
    assert "must replace itself" in ended.stderr and ended.stderr.count("\n") == 1
    gone = subprocess.Popen(["true"])
    gone.wait()
    ended = python("", str(BOOT), "3", str(gone.pid))
    assert (ended.returncode, ended.stderr) == (1, "")


def test_a_python_that_is_a_script_serves_if_it_execs(shop: Start, tmp_path: Path) -> None:
    corn = shop(settings=f'python = "{through_a_shell(tmp_path, "exec {python}")}"\n')
    assert corn.get().text == "hello"


def test_a_python_that_is_a_script_and_does_not_exec_is_given_up_at_once(shop: Start, tmp_path: Path) -> None:
    corn = shop(settings=f'python = "{through_a_shell(tmp_path, "{python}")}"\n', start=False).start()
    assert corn.end() in (75, 78)
    assert "exit status 78" in corn.expects(messages.INSTANCE_REFUSED)["MESSAGE"]
    corn.gone()


def test_the_boot_file_can_be_parsed_by_any_python_3() -> None:
    tree = ast.parse(BOOT.read_text(), feature_version=(3, 4))
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.JoinedStr, ast.NamedExpr))]


def test_an_environment_that_no_program_can_be_started_with_is_the_operators_to_mend() -> None:
    with pytest.raises(ConfigError, match="environment is too large"):
        spawn.start_mold("/bin/true", 3, {"LARGE": "x" * 200_000})


def test_a_client_that_never_stops_sending_does_not_hold_up_a_refusal() -> None:
    class Endless(socket.socket):
        reads = 0

        def recv(self, size: int, flags: int = 0) -> bytes:
            self.reads += 1
            assert self.reads <= 16
            return b"x"

    one, other = socket.socketpair()
    with Endless(fileno=one.detach()) as client, other:
        refusal._read(client)
        refusal._end(client, refusal._CAN_NOT_START)
        assert other.recv(4096).startswith(b"HTTP/1.1 503 ")
