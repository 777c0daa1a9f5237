import os
import resource
import socket

import pytest

from corn_systemd.lifeline import Lifeline, Nonsense
from corn_systemd.relay import BATCH, FDS_PER_MESSAGE, Relay


def test_what_is_given_is_taken_once_with_its_descriptors() -> None:
    relay = Relay.create()
    left, right = socket.socketpair()
    with left, right:
        assert relay.give([({"door": 1}, (right.fileno(),)), ({"x": "é"}, (right.fileno(), left.fileno()))])
        (first, first_fds), (second, second_fds) = relay.take()
        assert (first, second) == ({"door": 1}, {"x": "é"})
        assert (len(first_fds), len(second_fds)) == (1, 2)
        for fd in (*first_fds, *second_fds):
            assert os.fstat(fd).st_ino in (os.fstat(left.fileno()).st_ino, os.fstat(right.fileno()).st_ino)
            os.close(fd)
    assert relay.take() == []


def test_it_outlives_who_gave_and_holds_thousands() -> None:
    relay = Relay.create()
    reader, writer = os.pipe()
    parcel = ({"door": 0, "left": 74.123456789}, (writer,))
    count = 0
    while relay.give([parcel] * BATCH):
        count += BATCH
    os.close(writer)
    assert count >= 1000
    taken = 0
    while parcels := relay.take():
        for _, fds in parcels:
            taken += 1
            os.close(fds[0])
    assert taken == count
    assert os.read(reader, 1) == b"", "nobody holds the pipe any more"
    os.close(reader)


def test_more_descriptors_than_a_message_carries_are_refused() -> None:
    relay = Relay.create()
    assert not relay.give([({}, (0,) * (FDS_PER_MESSAGE + 1))])
    assert relay.give([({}, (0,) * FDS_PER_MESSAGE)])


def test_long_values_go_as_a_file() -> None:
    relay = Relay.create()
    assert relay.give([({"buffer": "x" * 200_000}, (0,))])
    ((values, fds),) = relay.take()
    assert len(values["buffer"]) == 200_000
    for fd in fds:
        os.close(fd)


@pytest.mark.parametrize("fields", [{}, {"parcels": 1}, {"parcels": [[{}, 9]]}, {"parcels": [[1, 1]]}])
def test_nonsense_is_refused_and_its_descriptors_closed(fields: dict[str, object]) -> None:
    relay = Relay.create()
    reader, writer = os.pipe()
    giving = Lifeline(socket.socket(fileno=os.dup(relay.fds[0])))
    assert giving.send("connections", (writer,), **fields)
    os.close(writer)
    with pytest.raises(Nonsense):
        relay.take()
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_who_is_near_the_limit_of_descriptors_has_no_room() -> None:
    """Also where the limit has been lowered only now."""
    relay = Relay.create()
    assert relay.has_room()
    limit, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, hard))
    try:
        assert not relay.has_room()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
