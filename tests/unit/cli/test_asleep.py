"""An instance that sleeps is asked for, with a systemctl that says what it is told to."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from corn_systemd.cli import ask, reload, status
from corn_systemd.cli.asleep import Asleep, asleep
from corn_systemd.errors import ConfigError, Unavailable

from .conftest import NAME

Says = Callable[..., None]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """Says what state the socket and the service of NAME are in."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    def says(of_socket: str, of_service: str, timer: str = "") -> None:
        program = tmp_path / "systemctl"
        program.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            f'*"corn@{NAME}.socket") echo ActiveState={of_socket}\n'
            'echo "Listen=127.0.0.1:80 (Stream)"; echo "Listen=/run/a b.sock (Stream)";;\n'
            f'*"corn@{NAME}.service") echo ActiveState={of_service};;\n'
            f'*"corn@{NAME}.timer") echo NextElapseUSecRealtime={timer};;\n'
            "*) exit 1;;\nesac\n"
        )
        program.chmod(0o755)

    return says


def options(**more: object) -> argparse.Namespace:
    return argparse.Namespace(instance=NAME, **more)


def test_it_sleeps_where_its_socket_listens_and_its_service_has_ended(systemctl: Says) -> None:
    systemctl("active", "inactive")
    sleeper = asleep(NAME)
    assert sleeper is not None and sleeper.addresses == "127.0.0.1:80, /run/a b.sock"
    with pytest.raises(Asleep, match=f"starts it, and so does systemctl start corn@{NAME}"):
        ask.ask(NAME, "GET", "/jobs")


@pytest.mark.parametrize(
    ("of_socket", "of_service"),
    [("inactive", "inactive"), ("active", "failed"), ("active", "activating"), ("failed", "inactive")],
)
def test_otherwise_it_does_not_run(systemctl: Says, of_socket: str, of_service: str) -> None:
    systemctl(of_socket, of_service)
    with pytest.raises(Unavailable, match="does not run"):
        status.run(options(json=False))


def test_without_systemd_nobody_sleeps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asleep(NAME) is None


def test_its_status_says_so_and_is_no_failure(systemctl: Says, capsys: Captured) -> None:
    systemctl("active", "inactive")
    assert status.run(options(json=False)) == 0
    said = capsys.readouterr().out
    assert said == f"{NAME}: asleep; the next connection to 127.0.0.1:80, /run/a b.sock starts it\n"
    assert status.run(options(json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["processes"]) == ("asleep", [])
    assert told["listen"] == ["127.0.0.1:80", "/run/a b.sock"]
    assert told["wakes_at"] is None


def test_its_status_tells_when_its_timer_starts_it(
    systemctl: Says, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    systemctl("active", "inactive", "Thu 2026-01-01 12:00:00 UTC")
    assert status.run(options(json=False)) == 0
    assert "or its timer at Thu 2026-01-01 12:00:00+00:00 for a job, starts it" in capsys.readouterr().out
    assert status.run(options(json=True)) == 0
    assert json.loads(capsys.readouterr().out)["wakes_at"] == 1767268800.0


def test_a_reload_has_nothing_to_do_but_tells_what_is_wrong_with_its_file(
    systemctl: Says, capsys: Captured, tmp_path: Path
) -> None:
    systemctl("active", "inactive")
    file = tmp_path / f"{NAME}.toml"
    file.write_text('app = "shop:app"\n')
    asked = argparse.Namespace(instance=str(file))
    assert reload.run(asked) == 0
    assert f"{NAME} sleeps: it starts with the code and the settings" in capsys.readouterr().out
    file.write_text("nonsense = 1\n")
    with pytest.raises(ConfigError, match="nonsense"):
        reload.run(asked)
