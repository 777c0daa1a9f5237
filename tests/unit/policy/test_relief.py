from math import inf

import pytest

from corn_systemd.policy.relief import PATIENCE_MAX, TICK, Asked, Deed, relief


def story(*looks: tuple[float, int, int, int]) -> list[Deed]:
    """What is done at each look (instant, request, connections, turns); each request begins at 10.0."""
    asked: Asked | None = None
    deeds = []
    for now, request, connections, turns in looks:
        deed, asked, _ = relief(request, 10.0, connections, turns, asked, now)
        deeds.append(deed)
    return deeds


N, NUDGE, RESCUE = Deed.NOTHING, Deed.NUDGE, Deed.RESCUE


def test_nothing_is_done_for_who_is_alone_idle_or_quick() -> None:
    assert story((10.5, 1, 1, 0), (10.6, 0, 9, 0), (10.04, 2, 9, 0)) == [N, N, N]


def test_a_request_that_is_older_than_a_tick_is_nudged_once() -> None:
    assert story((10.0, 1, 5, 0), (10.05, 1, 5, 0), (10.06, 1, 5, 0), (10.11, 1, 1, 1)) == [N, NUDGE, N, N]


def test_whose_helper_does_not_run_is_rescued() -> None:
    assert story((10.05, 1, 5, 7), (10.11, 1, 5, 7)) == [NUDGE, RESCUE]


def test_whose_helper_runs_is_nudged_again_ever_more_seldom() -> None:
    looks = [(10.05 + step / 10, 1, 5, step) for step in range(60)]
    deeds = story(*looks)
    assert RESCUE not in deeds
    assert deeds[0] is NUDGE and deeds.count(NUDGE) < 12
    assert NUDGE in deeds[-int(PATIENCE_MAX * 10) - 1 :]


def test_another_request_is_another_story() -> None:
    assert story((10.05, 1, 5, 0), (10.12, 2, 5, 0)) == [NUDGE, NUDGE]


def test_the_master_is_told_when_to_look_again() -> None:
    assert relief(0, 10.0, 9, 0, None, 11.0).look_at == inf
    assert relief(1, 10.0, 9, 0, None, 10.02).look_at == 10.0 + TICK
    assert relief(1, 10.0, 9, 0, Asked(1, 10.06, 0, 9), 10.07).look_at == 10.06 + TICK


def test_where_nobody_takes_it_waits_for_a_second() -> None:
    seen = relief(7, 100.0, 5, 0, None, 100.3, is_clogged=True)
    assert (seen.deed, seen.asked) == (Deed.KEEP, None)
    assert seen.look_at == pytest.approx(100.35)
    assert relief(7, 100.0, 5, 0, None, 100.35).deed is Deed.NUDGE
    assert relief(7, 100.0, 5, 0, None, 101.0, is_clogged=True).deed is Deed.NUDGE
