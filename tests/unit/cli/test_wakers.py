"""Who would start an instance again."""

import socket
import time
from pathlib import Path

import pytest

from corn_systemd import listeners
from corn_systemd.cli import wakers
from corn_systemd.settings.kinds import Address

UNIT = "corn@shop.socket"
CURE = "systemctl daemon-reload && systemctl stop corn@shop.socket corn@shop && systemctl start corn@shop"


@pytest.mark.parametrize(
    ("label", "woken_by", "words"),
    [
        (UNIT, UNIT, ""),
        ("a name of its own", UNIT, ""),
        (UNIT, "", "its socket unit would close with it"),
        ("corn-listener-127.0.0.1_80", UNIT, "no socket unit holds 127.0.0.1:"),
    ],
)
def test_a_socket_of_a_unit_that_stays_wakes_and_one_of_the_store_does_not(
    label: str, woken_by: str, words: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        wanted = [Address("tcp4", "127.0.0.1", sock.getsockname()[1])]
        passed = [(label, sock)]
        told = wakers.obstacle(listeners.take(wanted, passed), passed, woken_by, "shop")
        assert told.startswith(words) and bool(told) == bool(words)
        assert not words or told.endswith(CURE)


@pytest.mark.parametrize(
    ("woken_by", "alarm"),
    [(f"{UNIT} corn@shop.timer", "wake"), (UNIT, ""), ("corn@a.timer.socket", ""), ("", "")],
)
def test_a_timer_wakes_for_jobs_where_the_units_have_one(tmp_path: Path, woken_by: str, alarm: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        passed = [(UNIT, sock)]
        wanted = [Address("tcp4", "127.0.0.1", sock.getsockname()[1])]
        found = wakers.of(listeners.take(wanted, passed), passed, woken_by, "shop", str(tmp_path))
    assert (found.alarm, bool(found.obstacle)) == (str(tmp_path / alarm) if alarm else "", not woken_by)
    assert found.born_at == pytest.approx(wakers.born_at(), abs=0.001) and not found.is_woken


def test_a_socket_that_corn_has_bound_itself_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        passed = [(UNIT, sock)]
        found = listeners.take(
            [Address("tcp4", "127.0.0.1", sock.getsockname()[1]), Address("tcp4", "127.0.0.1", 0)], passed
        )
        (own,) = found.bound
        with own.socket:
            told = wakers.obstacle(found, passed, UNIT, "shop")
            assert f"no socket unit holds {own.address}, and" in told


def test_it_was_woken_if_somebody_waits_and_since_when_it_lives_the_kernel_knows() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = Address("tcp4", "127.0.0.1", sock.getsockname()[1])
        found = listeners.take([address], [(UNIT, sock)])
        assert not wakers.is_awaited(found)
        with socket.create_connection(("127.0.0.1", address.port)):
            assert wakers.is_awaited(found)
    assert 0 < time.monotonic() - wakers.born_at() < 86400
