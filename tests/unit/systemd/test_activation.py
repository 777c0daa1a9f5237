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
    assert activation.take(environment) == ([("web", passed)], 0)
    assert environment == {"OTHER": "x"}
    assert not os.get_inheritable(passed)
    os.close(passed)


def test_sockets_without_names_are_taken_as_well(passed: int) -> None:
    assert activation.take({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}).fds == [("unknown", passed)]
    os.close(passed)


def test_what_was_passed_to_another_process_is_not_ours(passed: int) -> None:
    assert activation.take({"LISTEN_PID": "1", "LISTEN_FDS": "1"}).fds == []
    assert activation.take({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "many"}).fds == []
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


def test_descriptors_that_are_not_open_are_skipped_and_counted(passed: int) -> None:
    found = activation.take({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "100000000"})
    assert found.fds[0] == ("unknown", passed)
    assert found.missing == 100000000 - len(found.fds) > 0
    os.close(passed)


def test_a_number_that_is_none_passes_nothing() -> None:
    assert activation.take({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "9" * 5000}).fds == []


def test_a_socket_of_a_family_that_is_not_served_is_no_listener() -> None:
    with socket.socket(socket.AF_VSOCK) as other:
        assert activation.listening(other.fileno()) is None
