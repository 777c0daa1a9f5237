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
