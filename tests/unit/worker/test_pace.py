from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from corn_systemd.worker.pace import GRACE, Pace, is_too_slow


@pytest.mark.parametrize(
    ("timeout", "rate", "size", "seconds"),
    [
        (300.0, 240, 0, GRACE),
        (300.0, 240, 2400, GRACE + 10),
        (300.0, 240, 10_000_000, 300.0),
        (5.0, 240, 10_000_000, 5.0),
        (0.0, 240, 24_000_000, GRACE + 100_000),
        (300.0, 0, 0, 300.0),
        (0.0, 0, 0, inf),
    ],
)
def test_bytes_buy_time_up_to_the_whole(timeout: float, rate: int, size: int, seconds: float) -> None:
    assert Pace(timeout, rate).allowance(size) == pytest.approx(seconds)


def a_client(clock: float, body_size: int | None, buffer: bytes = b"") -> Any:
    host = SimpleNamespace(clock=clock, head_pace=Pace(30.0, 10), body_pace=Pace(300.0, 1000))
    body = None if body_size is None else SimpleNamespace(size=body_size)
    parser = SimpleNamespace(buffer=buffer)
    return SimpleNamespace(host=host, body=body, parser=parser, since=0.0, deadline=0.0)


def test_the_deadline_goes_as_far_as_the_bytes_that_have_come() -> None:
    client = a_client(100.0, None)
    client.host.body_pace.start(client)
    assert client.deadline == 100.0 + GRACE
    client.body = SimpleNamespace(size=50_000)
    for clock, is_over in ((100.0 + GRACE, False), (149.9 + GRACE, False), (150.0 + GRACE, True)):
        client.host.clock = clock
        assert is_too_slow(client) is is_over
        assert client.deadline == pytest.approx(150.0 + GRACE)


def test_a_head_is_measured_by_what_has_come_of_it() -> None:
    client = a_client(100.0, None, b"GET / HTTP/1.1\r\nX: ")
    client.host.head_pace.start(client)
    client.host.clock = 100.0 + GRACE
    assert not is_too_slow(client)
    assert client.deadline == pytest.approx(100.0 + GRACE + 1.9)
