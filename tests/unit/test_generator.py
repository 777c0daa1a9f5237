"""units/corn-generator: what it writes for one instance."""

from collections.abc import Callable
from pathlib import Path

import pytest

from corn_systemd.settings.load import load

from .programs import program

Written = Callable[[str], dict[str, list[str]]]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """The lines of the units that come of a file, by their names, without the first, which is a comment."""
    generator = program("corn-generator")

    def write(text: str) -> dict[str, list[str]]:
        file = tmp_path / "shop.toml"
        file.write_text('app = "shop:app"\n' + text)
        out = tmp_path / "out"
        out.mkdir()
        generator.write(str(out), "shop", load(str(file)))
        paths = (path for path in out.rglob("*") if path.is_file())
        return {
            str(path.relative_to(out)): [line for line in path.read_text().splitlines()[1:] if line]
            for path in paths
        }

    return write


SOCKET, SERVICE = "corn@shop.socket.d/50-corn.conf", "corn@shop.service.d/50-corn.conf"
WAKE = "corn-wake@shop.service.d/50-corn.conf"


def test_an_instance_without_settings_of_its_own_gets_nothing(written: Written) -> None:
    assert written("") == {}


def test_its_addresses_and_its_user_become_drop_ins(written: Written) -> None:
    assert written('listen = "127.0.0.1:80"\nuser = "shop"\n') == {
        SOCKET: [
            "[Socket]",
            "ListenStream=",
            "ListenStream=127.0.0.1:80",
            "BindIPv6Only=ipv6-only",
            "FreeBind=yes",
        ],
        SERVICE: ["[Service]", "User=shop"],
    }


def test_with_idle_exit_its_socket_outlives_the_service_which_knows_that(written: Written) -> None:
    assert written('idle_exit = "10min"\n') == {
        SOCKET: ["[Unit]", "StopWhenUnneeded=no", "Wants=corn-wake@shop.service"],
        SERVICE: [
            "[Unit]",
            "OnSuccess=corn-wake@shop.service",
            "OnFailure=corn-wake@shop.service",
            "After=corn-wake@shop.service",
            "[Service]",
            'Environment="CORN_WOKEN_BY=corn@shop.socket corn@shop.timer"',
        ],
    }


def test_with_idle_exit_all_its_socket_units_stay_and_the_first_starts_the_others(written: Written) -> None:
    units = written('idle_exit = "10min"\nlisten = ["127.0.0.1:80", "/run/corn/shop.sock"]\n')
    wants = "Wants=corn-shop-2.socket corn-wake@shop.service"
    assert units[SOCKET][:3] == ["[Unit]", "StopWhenUnneeded=no", wants]
    assert "After=corn@shop.socket" in units["corn-shop-2.socket"]
    assert "StopWhenUnneeded=no" in units["corn-shop-2.socket"]
    assert "ListenStream=/run/corn/shop.sock" in units["corn-shop-2.socket"]
    assert "Sockets=corn@shop.socket corn-shop-2.socket" in units[SERVICE]


JOB = '[[cron.jobs]]\nname = "tidy"\ncall = "shop:tidy"\nevery = "1h"\n'


@pytest.mark.parametrize("text", [JOB, '[cron]\npoll = "shop:poll"\n'])
def test_what_wakes_one_for_its_jobs_knows_that_there_are_some(written: Written, text: str) -> None:
    assert written(f'idle_exit = "10min"\n{text}')[WAKE] == [
        *("[Unit]", "ConditionPathExists="),
        *("[Service]", "Environment=CORN_HAS_JOBS=1"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        JOB,
        f'idle_exit = "10min"\n{JOB}enabled = false\n',
        f'idle_exit = "10min"\n{JOB}[cron]\nworkers = 0\n',
        'idle_exit = "10min"\n[cron]\npoll = "shop:poll"\nworkers = 0\n',
    ],
)
def test_and_of_one_without_or_that_never_sleeps_it_does_not(written: Written, text: str) -> None:
    assert WAKE not in written(text)


def test_where_nothing_runs_jobs_nothing_is_done_when_the_socket_is_opened(written: Written) -> None:
    assert written('idle_exit = "10min"\n[cron]\nworkers = 0\n')[SOCKET] == ["[Unit]", "StopWhenUnneeded=no"]


def test_without_it_they_end_with_the_service(written: Written) -> None:
    units = written('listen = ["127.0.0.1:80", "/run/corn/shop.sock"]\n')
    assert "[Unit]" not in units[SOCKET]
    assert {"StopWhenUnneeded=yes", "StartLimitIntervalSec=0"} <= set(units["corn-shop-2.socket"])
    assert units[SERVICE] == ["[Service]", "Sockets=corn@shop.socket corn-shop-2.socket"]
