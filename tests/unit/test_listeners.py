import os
import socket
from pathlib import Path

import pytest

from corn_systemd import listeners
from corn_systemd.errors import ConfigError
from corn_systemd.settings.kinds import Address


def passed(host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.bind((host, 0))
    sock.listen()
    return sock


def test_a_passed_socket_is_found_by_its_address_whatever_its_place_or_name() -> None:
    one, two = passed(), passed("::1")
    wanted = (
        Address("tcp6", "::1", two.getsockname()[1]),
        Address("tcp4", "127.0.0.1", one.getsockname()[1]),
    )
    found = listeners.take(wanted, [("x", one), ("x", two)])
    assert [listener.socket for listener in found.served] == [two, one]
    assert not found.bound and not found.surplus
    assert not one.getblocking()


def test_a_missing_one_is_bound_and_a_surplus_one_is_reported() -> None:
    extra = passed()
    found = listeners.take((Address("tcp4", "127.0.0.1", 0),), [("old", extra)])
    (own,) = found.bound
    assert own.address.port == own.socket.getsockname()[1] != 0
    assert [(name, sock) for name, sock, _address in found.surplus] == [("old", extra)]


def test_a_machine_without_ipv6_serves_what_it_can(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(listeners, "_IPV6", str(tmp_path / "absent"))
    found = listeners.take((Address("tcp4", "127.0.0.1", 0), Address("tcp6", "::1", 0)), [])
    assert [listener.address.family for listener in found.served] == ["tcp4"]
    assert found.skipped == [Address("tcp6", "::1", 0)]


def test_what_a_socket_cannot_know_is_kept_when_it_is_bound(tmp_path: Path) -> None:
    wanted = (
        Address("tcp4", "127.0.0.1", 0, proxy_protocol=True),
        Address("unix", path=str(tmp_path / "a.sock"), mode=0o600, proxy_protocol=True),
    )
    tcp, unix = listeners.take(wanted, []).bound
    assert tcp.address == Address("tcp4", "127.0.0.1", tcp.address.port, proxy_protocol=True)
    assert unix.address == wanted[1]
    assert not listeners.where(tcp.socket).proxy_protocol


def test_all_addresses_that_can_not_be_bound_are_named(tmp_path: Path) -> None:
    taken = passed()
    port = taken.getsockname()[1]
    wanted = (Address("tcp4", "127.0.0.1", port), Address("unix", path=str(tmp_path / "no" / "where.sock")))
    with pytest.raises(ConfigError) as raised:
        listeners.take(wanted, [])
    first, second = str(raised.value).splitlines()
    assert f"127.0.0.1:{port}" in first and "another process" in first
    assert "where.sock" in second and "create the directory" in second


def test_a_unix_socket_gets_its_mode_and_its_name_is_removed_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    (own,) = listeners.take((Address("unix", path=str(path), mode=0o600),), []).bound
    assert path.stat().st_mode & 0o777 == 0o600
    own.unlink()
    assert not path.exists()


def test_a_dead_socket_is_replaced_and_a_living_one_or_another_file_never(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    dead = listeners.bind(Address("unix", path=str(path)))
    dead.close()
    alive = listeners.bind(Address("unix", path=str(path)))
    assert listeners.is_alive(str(path))
    with pytest.raises(ConfigError, match="in use"):
        listeners.bind(Address("unix", path=str(path)))
    alive.close()
    (tmp_path / "data").write_text("precious")
    with pytest.raises(ConfigError, match="no socket"):
        listeners.bind(Address("unix", path=str(tmp_path / "data")))
    assert (tmp_path / "data").read_text() == "precious"


def test_an_unknown_group_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no group 'nobody-has-this'"):
        listeners.bind(Address("unix", path=str(tmp_path / "a.sock"), group="nobody-has-this"))


def test_the_umask_of_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    before = os.umask(0o022)
    listeners.bind(Address("unix", path=str(tmp_path / "a.sock"), mode=0o666)).close()
    assert os.umask(before) == 0o022


def dual_stack() -> socket.socket:
    """As ListenStream=PORT of a socket unit makes it."""
    sock = socket.socket(socket.AF_INET6)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", 0))
    sock.listen()
    return sock


@pytest.mark.parametrize("order", [1, -1])
def test_a_dual_stack_socket_serves_both_protocols_and_is_taken_once(order: int) -> None:
    sock = dual_stack()
    port = sock.getsockname()[1]
    wanted = (Address("tcp4", "0.0.0.0", port), Address("tcp6", "::", port))[::order]
    found = listeners.take(wanted, [("web", sock)])
    assert [(listener.socket, str(listener.address)) for listener in found.served] == [(sock, f"[::]:{port}")]
    assert not found.bound and not found.surplus
    (alone,) = listeners.take((Address("tcp4", "0.0.0.0", port),), [("web", sock)]).served
    assert alone.socket is sock and not sock.getblocking()


def test_a_socket_for_ipv6_alone_does_not_serve_ipv4() -> None:
    with listeners.bind(Address("tcp6", "::", 0)) as sock:
        port = sock.getsockname()[1]
        found = listeners.take((Address("tcp4", "0.0.0.0", port),), [("web", sock)])
        assert [listener.address.family for listener in found.bound] == ["tcp4"]
        assert [name for name, _sock, _address in found.surplus] == ["web"]
        found.bound[0].socket.close()


def test_a_socket_of_another_type_is_no_dead_one_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "datagrams"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(path))
        assert listeners.is_alive(str(path))
        with pytest.raises(ConfigError, match="in use"):
            listeners.bind(Address("unix", path=str(path)))
    assert path.exists()


def test_a_socket_that_may_not_be_asked_is_no_dead_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forbidding(socket.socket):
        def connect(self, address: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(listeners.socket, "socket", Forbidding)
    assert listeners.is_alive(str(tmp_path / "a.sock"))


def test_a_path_that_is_too_long_for_a_socket_is_told_with_the_limit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most 107 bytes"):
        listeners.bind(Address("unix", path=str(tmp_path / ("x" * 107))))
