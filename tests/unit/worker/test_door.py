import socket
from pathlib import Path

import pytest

from corn_systemd.settings.kinds import Address
from corn_systemd.worker.door import speaks_proxy


def listening(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.bind((host, 0))
    return sock


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_listener_speaks_the_proxy_protocol_where_its_address_says_so(host: str) -> None:
    with listening(host) as sock:
        port = sock.getsockname()[1]
        family = "tcp6" if ":" in host else "tcp4"
        plain, proxied = (Address(family, host, port, proxy_protocol=yes) for yes in (False, True))
        elsewhere = Address(family, host, port - 1, proxy_protocol=True)
        other_host = Address("tcp4", "0.0.0.0", port, proxy_protocol=True)
        any_port = Address(family, host, 0, proxy_protocol=True)
        assert speaks_proxy(sock, [plain, proxied, elsewhere]) and speaks_proxy(sock, [any_port])
        assert not speaks_proxy(sock, [])
        assert not speaks_proxy(sock, [plain, elsewhere, other_host])
        # The port itself says more than "any".
        assert not speaks_proxy(sock, [plain, any_port])


def test_so_does_one_in_the_file_system(tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        assert speaks_proxy(sock, [Address("unix", path=path, proxy_protocol=True)])
        assert not speaks_proxy(
            sock, [Address("unix", path=path), Address("unix", path="/x", proxy_protocol=True)]
        )
