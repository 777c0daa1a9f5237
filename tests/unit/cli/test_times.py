"""Instants and durations as people read them."""

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from corn_systemd.cli.times import instant, moment, span, zone_of

SUMMER = datetime(2026, 7, 28, 1, 17, tzinfo=timezone.utc).timestamp()


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as context:
        context.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def test_an_instant_has_its_weekday_and_its_offset() -> None:
    assert instant(SUMMER) == "Tue 2026-07-28 03:17:00+02:00"
    assert instant(SUMMER, ZoneInfo("America/New_York")) == "Mon 2026-07-27 21:17:00-04:00"


def test_a_moment_is_told_by_the_clock_on_the_wall_and_by_how_far_it_is() -> None:
    assert moment(SUMMER, SUMMER - 3 * 3600) == "2026-07-28 03:17 (in 3h 0min)"
    assert moment(SUMMER, SUMMER + 45) == "2026-07-28 03:17 (45s ago)"


def test_a_moment_beyond_a_change_of_clocks_has_its_offset() -> None:
    assert zone_of(SUMMER) == "CEST, +0200"
    assert moment(SUMMER + 100 * 86400, SUMMER) == "2026-11-05 02:17 +0100 (in 100d 0h)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (9.94, "9.9s"), (59.4, "59s"), (182, "3min 2s"), (10921, "3h 2min"), (183600, "2d 3h")],
)
def test_a_span_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
