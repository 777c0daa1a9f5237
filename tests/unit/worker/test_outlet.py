"""Whether the kernel may hold small packets back: only while pieces come quickly."""

import socket
from collections.abc import Iterator
from math import inf

import pytest

from corn_systemd.roster import Roster
from corn_systemd.worker.outlet import Outlet
from corn_systemd.worker.spool import Spools
from tests.process.engine import FakeSlot


class FakeWorker:
    clock = 0.0
    write_timeout = 10.0
    roster = Roster.create()
    spools = Spools("", 0, FakeSlot())  # type: ignore[arg-type]

    def head_leaves(self) -> None: ...
    def date_line(self) -> str:
        return ""

    def watch(self, outlet: Outlet, for_room: bool) -> None: ...
    def spool_failed(self, error: OSError) -> None: ...


@pytest.fixture
def outlet() -> Iterator[Outlet]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with socket.create_connection(listener.getsockname()), listener.accept()[0] as sock:
            yield Outlet(FakeWorker(), sock, 0, inf)


def leaves_at_once(outlet: Outlet) -> bool:
    return bool(outlet.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))


def test_what_comes_quickly_may_be_gathered_until_the_last_piece(outlet: Outlet) -> None:
    outlet.pace()
    assert leaves_at_once(outlet)
    # As if the burst before had ended at this moment or later.
    outlet.paced_at = inf
    outlet.pace()
    assert not leaves_at_once(outlet)
    outlet.hurry()
    assert leaves_at_once(outlet)
    # The next answer shows for itself how quickly it comes.
    outlet.pace()
    assert leaves_at_once(outlet)


def test_what_comes_slowly_is_not(outlet: Outlet) -> None:
    outlet.paced_at = inf
    outlet.pace()
    outlet.paced_at = -inf
    outlet.pace()
    assert leaves_at_once(outlet)


def test_unix_sockets_have_no_packets() -> None:
    one, other = socket.socketpair()
    with one, other:
        outlet = Outlet(FakeWorker(), one, 0, inf)
        outlet.paced_at = inf
        outlet.pace()
        outlet.hurry()
        outlet.send((b"hello",))
        assert other.recv(10) == b"hello"
