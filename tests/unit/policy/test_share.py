import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.policy.share import Sibling, surplus


@pytest.mark.parametrize(
    ("waiting", "others", "expected"),
    [
        (32, [0, 0, 0], (24, 3)),
        (32, [0], (16, 1)),
        (8, [8, 8, 8], (0, 0)),
        (8, [6, 7, 8], (0, 0)),
        (3, [0], (0, 0)),
        (20, [20, 20, 0], (0, 0)),
        (30, [20, 20, 0], (12, 1)),
        (30, [], (0, 0)),
    ],
)
def test_who_has_many_waiting_gives_what_is_beyond_the_mean(
    waiting: int, others: list[int], expected: tuple[int, int]
) -> None:
    assert surplus(waiting, [Sibling(one, False) for one in others]) == expected


def test_who_is_kept_by_a_request_is_given_nothing_and_does_not_count() -> None:
    assert surplus(30, [Sibling(0, True)]) == (0, 0)
    assert surplus(30, [Sibling(0, True), Sibling(0, False)]) == (15, 1)


@given(st.integers(0, 500), st.lists(st.builds(Sibling, st.integers(0, 500), st.booleans())))
def test_nobody_gives_himself_below_the_mean_nor_to_nobody(waiting: int, siblings: list[Sibling]) -> None:
    count, takers = surplus(waiting, siblings)
    assert (count > 0) == (takers > 0)
    if count:
        free = [one.waiting for one in siblings if not one.is_kept]
        assert waiting - count >= (waiting + sum(free)) // (len(free) + 1)
