"""The machine's own time zone, from where tzset(3) takes it."""

from datetime import timezone
from pathlib import Path
from zoneinfo import TZPATH, ZoneInfo

import pytest

from corn_systemd.cron.local import local_zone

BERLIN = next(str(file) for path in TZPATH if (file := Path(path, "Europe/Berlin")).exists())


@pytest.mark.parametrize("name", ["Europe/Berlin", BERLIN])
@pytest.mark.parametrize("colon", ["", ":"])
def test_a_zone_may_be_named_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, colon: str
) -> None:
    monkeypatch.setenv("TZ", colon + name)
    zone = local_zone()
    assert isinstance(zone, ZoneInfo) and zone.key == name


def test_without_a_name_the_zone_is_that_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TZ", raising=False)
    zone = local_zone(BERLIN)
    assert isinstance(zone, ZoneInfo) and zone.key == BERLIN
    assert local_zone("/nonexistent") is timezone.utc


def test_an_empty_name_is_utc_and_a_rule_is_the_c_library_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "")
    assert local_zone() is timezone.utc
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    assert local_zone() is None
