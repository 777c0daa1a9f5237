"""What stands between settings and a master."""

import socket

import pytest

from corn_systemd.cli import launch
from corn_systemd.settings.kinds import Address


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (Address("tcp4", "127.0.0.1", 8080), "corn-listener-127.0.0.1_8080"),
        (Address("tcp6", "::1", 8080), "corn-listener-[__1]_8080"),
        (Address("unix", path="/run/shop.sock"), "corn-listener-unix_/run/shop.sock"),
        (Address("unix", path="/run/süß 1"), "corn-listener-unix_/run/s???1"),
    ],
)
def test_each_address_has_a_name_in_the_store_that_systemd_takes(address: Address, name: str) -> None:
    assert launch.stored_name(address) == name
    assert len(launch.stored_name(Address("unix", path="/" + "x" * 300))) == 255


def test_passed_sockets_say_where_to_listen_and_those_of_an_earlier_master_do_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed, socket.create_server(("127.0.0.1", 0)) as stored:
        found = launch._addresses([("web", passed), ("corn-listener-127.0.0.1_1", stored)])
        assert found == (Address("tcp4", "127.0.0.1", passed.getsockname()[1]),)
