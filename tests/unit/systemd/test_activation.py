import os
import socket

import pytest

from corn_systemd.systemd import activation


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> int:
    """A listening socket where systemd would put its first."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind("")
    sock.listen()
    monkeypatch.setattr(activation, "FIRST_FD", sock.fileno())
    return sock.detach()


def test_what_was_passed_is_taken_with_its_name_and_the_variables_are_gone(passed: int) -> None:
    environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "web", "OTHER": "x"}
    assert activation.take(environment) == [("web", passed)]
    assert environment == {"OTHER": "x"}
    assert not os.get_inheritable(passed)
    os.close(passed)


def test_sockets_without_names_are_taken_as_well(passed: int) -> None:
    assert activation.take({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}) == [("unknown", passed)]
    os.close(passed)


def test_what_was_passed_to_another_process_is_not_ours(passed: int) -> None:
    assert activation.take({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []
    assert activation.take({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}) == []
    os.close(passed)


def test_only_a_listening_stream_socket_is_a_listener(passed: int) -> None:
    sock = activation.listening(passed)
    assert sock is not None
    sock.close()
    reader, writer = os.pipe()
    assert activation.listening(reader) is None
    with socket.socket() as not_listening:
        assert activation.listening(not_listening.fileno()) is None
    for fd in (reader, writer):
        os.close(fd)
