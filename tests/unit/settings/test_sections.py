"""The declarations: whole, consistent, and fit to travel over a lifeline."""

import json

import pytest

from corn_systemd.settings.kinds import ADDRESSES, PATH
from corn_systemd.settings.lines import tomllib
from corn_systemd.settings.sections import (
    Http,
    Row,
    Settings,
    Workers,
    as_message,
    from_message,
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
    http=Http(keepalive=0.5, spool_directory="/var/cache/corn/shop", trusted_proxies=("10.0.0.0/8", "unix")),
)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        SETTINGS.app = "other"  # type: ignore[misc]
    assert Settings(name="a", app="b:c").environment == {}


def test_settings_survive_the_way_to_a_worker() -> None:
    assert from_message(json.loads(json.dumps(as_message(SETTINGS)))) == SETTINGS


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
