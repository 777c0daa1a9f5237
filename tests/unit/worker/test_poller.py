"""What a poller may answer, and what of it counts."""

from typing import Any

import pytest

from corn_systemd.worker.poller import Poller


class Connection:
    """Something of a database that can wake."""

    def __init__(self, fd: Any = 7) -> None:
        self.fd = fd

    def fileno(self) -> Any:
        if isinstance(self.fd, Exception):
            raise self.fd
        return self.fd


@pytest.mark.parametrize(
    ("answer", "again", "fd"),
    [
        (60, 60.0, -1),
        (0, 0.0, -1),
        (0.25, 0.25, -1),
        ((60, 5), 60.0, 5),
        ((0.5, Connection()), 0.5, 7),
        ((None, 5), None, 5),
        ((None, Connection()), None, 7),
        ((60, None), 60.0, -1),
        ((60, 0), 60.0, 0),
    ],
)
def test_a_poller_says_when_it_wants_to_be_called_and_what_wakes_it(
    answer: Any, again: float | None, fd: int
) -> None:
    poller = Poller()
    assert poller.answered(answer) == again
    assert poller.fileno() == fd


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (None, None),
        "60",
        -1,
        float("nan"),
        float("inf"),
        True,
        (),
        (60, 5, 1),
        [60, 5],
        ("60", 5),
        (True, 5),
        (60, -1),
        (60, Connection(-1)),
        (60, Connection(ValueError("closed"))),
        (60, Connection(OSError("gone"))),
        (60, Connection(None)),
        (60, "5"),
        (60, object()),
        Connection(),
    ],
)
def test_an_answer_that_says_neither_is_refused_with_what_it_was(answer: Any) -> None:
    poller = Poller()
    poller.answered((60, 5))
    with pytest.raises(ValueError, match="the poller has"):
        poller.answered(answer)
    assert poller.fileno() == -1, "what has woken it before does so no longer"


def test_what_would_never_be_called_again_is_told_with_the_cure() -> None:
    with pytest.raises(ValueError, match=r"never be called again.*\(60, connection\)"):
        Poller().answered(None)


def test_a_poller_that_has_been_woken_is_not_woken_again_before_it_has_been_called() -> None:
    poller = Poller()
    assert poller.fileno() == -1
    poller.answered((None, 5))
    poller.rest()
    assert poller.fileno() == -1
    poller.answered((None, 6))
    assert poller.fileno() == 6


def test_a_poller_that_names_nothing_any_more_is_woken_by_nothing() -> None:
    poller = Poller()
    poller.answered((None, 5))
    poller.answered(60)
    assert poller.fileno() == -1
