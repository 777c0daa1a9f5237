import socket
from pathlib import Path

import pytest

from corn_systemd.systemd.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.setblocking(False)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return sock


def a_notifier(**more: str) -> Notifier:
    import os

    return Notifier({"NOTIFY_SOCKET": os.environ["NOTIFY_SOCKET"], **more})


def drain(sock: socket.socket) -> list[str]:
    heard = []
    while True:
        try:
            heard.append(sock.recv(4096).decode())
        except BlockingIOError:
            return heard


def test_states_go_in_one_datagram_as_utf_8_and_each_on_one_line(systemd: socket.socket) -> None:
    a_notifier().ready("é — ready\nREADY=0")
    assert drain(systemd) == ["READY=1\nSTATUS=é — ready READY=0"]


def test_what_systemd_must_know_is_sent_when_it_listens_again_and_in_its_order(
    systemd: socket.socket,
) -> None:
    notifier = a_notifier()
    while notifier.send(STATUS="much"):
        pass
    notifier.reloading()
    notifier.ready("well")
    assert notifier.has_unsent
    assert not notifier.alive(1.0)
    drain(systemd)
    assert notifier.alive(2.0)
    first, second = drain(systemd)
    assert first.startswith("RELOADING=1\nMONOTONIC_USEC=") and second == "READY=1\nSTATUS=well"
    assert not notifier.has_unsent


def test_who_listens_anew_under_the_same_name_is_spoken_to(systemd: socket.socket) -> None:
    notifier = a_notifier()
    path = systemd.getsockname()
    systemd.close()
    assert not notifier.send(STATUS="lost")
    notifier.ready("kept")
    assert not notifier.alive(1.0) and notifier.has_unsent
    Path(path).unlink()
    assert not notifier.alive(2.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        other.setblocking(False)
        assert notifier.alive(3.0)
        assert notifier.send(STATUS="heard")
        assert drain(other) == ["READY=1\nSTATUS=kept", "STATUS=heard"]


def test_where_nothing_is_to_be_sent_nobody_knows_whether_the_manager_listens(
    systemd: socket.socket,
) -> None:
    """Else its loss would be told again and again: at each STATUS=, and taken back at each turn."""
    notifier = a_notifier()
    systemd.close()
    assert notifier.alive(1.0) is None


def test_the_watchdog_is_pinged_at_half_its_interval_and_not_more_often(systemd: socket.socket) -> None:
    notifier = a_notifier(WATCHDOG_USEC="4000000")
    for now in (10.0, 11.0, 12.0, 13.0, 14.0):
        notifier.alive(now)
    assert drain(systemd) == ["WATCHDOG=1"] * 3


def test_a_watchdog_for_another_process_is_not_ours(systemd: socket.socket) -> None:
    assert a_notifier(WATCHDOG_USEC="4000000", WATCHDOG_PID="1").watchdog_interval == 0


def test_without_a_service_manager_nothing_is_said_and_all_is_well() -> None:
    notifier = Notifier({})
    assert notifier.send(STATUS="x") and notifier.alive(1.0) is not False
    assert not notifier.is_listening and not notifier.is_deaf


def test_a_service_manager_that_can_not_be_reached_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nothing"))
    assert a_notifier().is_deaf
