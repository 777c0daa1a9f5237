"""Settings as flags."""

import argparse
from pathlib import Path

import pytest

from corn_systemd.cli import flags
from corn_systemd.settings.load import from_flags


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    parser.add_argument("app")
    flags.add_settings(parser)
    return parser


def test_what_is_not_given_is_not_there(parser: argparse.ArgumentParser) -> None:
    assert flags.given(parser.parse_args(["shop:app"])) == {}


def test_flags_are_settings(parser: argparse.ArgumentParser) -> None:
    words = (
        "--listen :1 --no-preload shop:app --listen /run/x --workers 3 --http-keepalive 2min "
        "--environment A=1 --environment B=x=y"
    )
    options = parser.parse_args(words.split())
    settings = from_flags(options.app, flags.given(options)).settings
    assert [str(address) for address in settings.listen] == ["0.0.0.0:1", "[::]:1", "unix:/run/x"]
    assert (settings.preload, settings.workers.count, settings.http.keepalive) == (False, 3, 120.0)
    assert settings.environment == {"A": "1", "B": "x=y"}


def test_the_last_of_two_contrary_switches_counts(parser: argparse.ArgumentParser) -> None:
    options = parser.parse_args(["shop:app", "--no-preload", "--preload"])
    assert from_flags(options.app, flags.given(options)).settings.preload


def test_help_has_no_marks_and_says_the_default(parser: argparse.ArgumentParser) -> None:
    text = " ".join(parser.format_help().split())
    assert "`" not in text
    assert "Default: 75s." in text
    assert "--listen ADDRESS" in text


def test_paths_are_absolute_from_where_they_were_typed(
    parser: argparse.ArgumentParser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = flags.given(parser.parse_args(["shop:app", "--chdir", "site", "--python=/venv"]))
    monkeypatch.chdir("/")
    settings = from_flags("shop:app", given).settings
    assert (settings.chdir, settings.python) == (str(tmp_path / "site"), "/venv")
