"""The declarations: whole, consistent, and fit to travel over a lifeline."""

import json

import pytest

from corn_systemd.settings.kinds import ADDRESSES, PATH, Job, PathLimits
from corn_systemd.settings.lines import tomllib
from corn_systemd.settings.sections import (
    Cron,
    Http,
    JobLimits,
    Limits,
    Row,
    Settings,
    Workers,
    as_message,
    from_message,
    limits_of,
    rows,
    sections,
    value_of,
)
from corn_systemd.settings.workers import auto

SETTINGS = Settings(
    name="shop",
    app="shop:app",
    listen=ADDRESSES.parse(
        [":80", {"path": "/run/x", "mode": "0660", "group": "x"}, {"address": ":81", "proxy_protocol": True}]
    ),
    environment={"A": "ü\n"},
    workers=Workers(count=3),
    cron=Cron(
        jobs=(
            Job("tidy", "a:b", schedule="17 3 * * *", timezone="Europe/Berlin", args=(1, ["x", {"y": None}])),
            Job("look", "a:c", every=1.5, args={"days": 3, "names": ["ü"]}, overlap="queue", time_cpu=0.0),
        ),
        limits=JobLimits(grace=1.0),
    ),
    http=Http(keepalive=0.5, spool_directory="/var/cache/corn/shop", trusted_proxies=("10.0.0.0/8", "unix")),
)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SETTINGS.app = "other"  # type: ignore[misc]
    assert Settings(name="a", app="b:c").environment == {}


def test_settings_survive_the_way_to_a_worker() -> None:
    assert from_message(json.loads(json.dumps(as_message(SETTINGS)))) == SETTINGS


def test_a_job_has_its_own_limits_over_those_of_jobs_over_those_of_requests() -> None:
    settings = Settings(
        name="shop",
        app="a:b",
        limits=Limits(rlimit_data=7, time_cpu=3.0, path=(PathLimits("*", 1.0),)),
        cron=Cron(limits=JobLimits(memory_hard=5, time_cpu=9.0)),
    )
    limits = limits_of(settings, Job("x", "a:b", every=60.0, time_real=10.0, time_cpu=0.0))
    assert (limits.time_real, limits.time_cpu) == (10.0, 0.0)
    assert (limits.memory_hard, limits.rlimit_data, limits.path) == (5, 7, ())
    assert limits_of(settings, Job("x", "a:b", every=60.0)).time_cpu == 9.0
    assert limits_of(Settings(name="a", app="b"), Job("x", "a:b")).time_real == 1800.0


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row.key)
def test_a_row_is_whole(row: Row) -> None:
    assert row.help.endswith((".", ")"))
    assert row.kind.expects
    assert row.kind.metavar
    if not row.is_required and row.default not in ("", (), {}):
        rendered = tomllib.loads(f"value = {row.kind.render(row.default)}")["value"]
        assert row.kind.parse(rendered) == row.default
    else:
        assert row.example


@pytest.mark.parametrize("row", [row for row in rows() if row.example], ids=lambda row: row.key)
def test_an_example_is_valid(row: Row) -> None:
    text = row.example if row.kind.is_table else f"value = {row.example}"
    parsed = tomllib.loads(text)
    row.kind.parse(parsed if row.kind.is_table else parsed["value"])


def test_flags_and_keys_are_unique() -> None:
    flags = [row.flag for row in rows() if row.flag]
    assert len(set(flags)) == len(flags)
    assert {"--workers", "--listen", "--environment", "--http-keepalive", "--start-timeout"} <= set(flags)
    assert "--user" not in flags  # systemd's to change


def test_a_section_says_what_it_is() -> None:
    assert all(section.__doc__ for _, section in sections())


def test_values_are_found_by_their_rows() -> None:
    values = {row.key: value_of(SETTINGS, row) for row in rows()}
    assert values["http.keepalive"] == 0.5
    assert values["app"] == "shop:app"


def test_a_path_from_a_file_is_absolute_and_one_that_is_typed_need_not_be() -> None:
    assert PATH.read(["venv"]) == "venv"


@pytest.mark.parametrize(("cpus", "count"), [(0.25, 2), (0.5, 2), (1, 3), (1.5, 4), (2, 5), (64, 129)])
def test_auto_is_two_workers_a_cpu_and_one_more(cpus: float, count: int) -> None:
    assert auto(cpus) == count
