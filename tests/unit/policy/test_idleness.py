"""The stories of an instance that nobody uses, as lists of what is seen and what then follows."""

from math import inf

import pytest

from corn_systemd.policy.idleness import SELDOM, TICK, Idle, Seen, idleness

ALLOWED = 100.0
QUIET = Seen(7, False)


def story(*what: tuple[float, Seen], allowed: float = ALLOWED) -> list[str]:
    """What follows at each instant: "awake", "resting" (all that serve shall leave) or "over"."""
    idle: Idle | None = None
    told = []
    for now, seen in what:
        idle, is_over, _ = idleness(seen, idle, allowed, now)
        told.append("over" if is_over else "resting" if idle is not None and idle.is_resting else "awake")
    return told


def test_it_rests_when_it_has_been_idle_for_so_long_and_is_over_when_all_have_gone() -> None:
    assert story(
        (0, QUIET),
        (99.9, QUIET),
        (100, QUIET),
        (100.1, QUIET),
        (100.2, QUIET._replace(is_empty=True)),
    ) == ["awake", "awake", "resting", "resting", "over"]


def test_it_is_never_over_at_once_though_nobody_is_there() -> None:
    gone = QUIET._replace(is_empty=True)
    assert story((0, gone), (100, gone), (100.1, gone)) == ["awake", "resting", "over"]


def test_what_is_in_use_is_not_idle_and_its_time_begins_at_the_end_of_that() -> None:
    used = QUIET._replace(is_in_use=True)
    assert story((0, QUIET), (99, used), (100, QUIET), (198, QUIET), (199, QUIET)) == [
        "awake", "awake", "awake", "awake", "resting",
    ]  # fmt: skip


def test_a_request_that_nobody_has_seen_counts_from_when_it_is_counted() -> None:
    assert story((0, QUIET), (50, Seen(8, False)), (149, Seen(8, False)), (150, Seen(8, False))) == [
        "awake", "awake", "awake", "resting",
    ]  # fmt: skip


@pytest.mark.parametrize("seen", [Seen(7, True), Seen(8, False), Seen(7, True, True), Seen(8, False, True)])
def test_who_comes_while_they_leave_calls_them_back_and_the_time_begins_anew(seen: Seen) -> None:
    after = Seen(seen.requests, False)
    assert story((0, QUIET), (100, QUIET), (100.1, seen), (200, after), (200.2, after)) == [
        "awake", "resting", "awake", "awake", "resting",
    ]  # fmt: skip


def test_without_idle_exit_it_is_never_idle() -> None:
    assert story((0, QUIET), (1e9, QUIET._replace(is_empty=True)), allowed=0) == ["awake", "awake"]
    assert idleness(QUIET, None, 0, 5.0).look_at == inf


def test_a_reload_that_takes_idle_exit_away_calls_back() -> None:
    assert idleness(QUIET, Idle(0, 7, is_resting=True), 0, 5.0).idle is None


@pytest.mark.parametrize(("allowed", "pause"), [(1.0, 0.1), (10.0, 1.0), (600.0, SELDOM)])
def test_it_looks_ten_times_before_it_is_idle_and_at_least_every_five_seconds(
    allowed: float, pause: float
) -> None:
    assert idleness(QUIET, None, allowed, 1000.0).look_at == 1000 + pause
    assert idleness(QUIET, Idle(1000.0, 7), allowed, 1000.0).look_at == 1000 + pause


def test_it_looks_at_the_very_moment_and_often_while_they_leave() -> None:
    assert idleness(QUIET, Idle(1000.0, 7), 10.0, 1009.5).look_at == 1010.0
    assert idleness(QUIET, Idle(1000.0, 7), 10.0, 1010.0).look_at == 1010.0 + TICK
