"""corn config: what is in force, in a form that can be read again."""

import argparse
import json
import re
from pathlib import Path

import pytest

from corn_systemd.cli import config, workers
from corn_systemd.settings.load import Loaded, load

TEXT = """\
app = "shop:app"
listen = [":80", {path = "/run/x", mode = "0660", group = "x"}]
python = "/srv/venv"
chdir = "/srv"
user = "shop"
[environment]
"A.b" = "ü # \\n"
B = "%"
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    (tmp_path / "shop.toml").write_text(TEXT)
    (tmp_path / "shop.toml.d").mkdir()
    (tmp_path / "shop.toml.d" / "x.toml").write_text("[http]\nbody-max = '1G'\n")
    return load(str(tmp_path / "shop.toml"))


def test_what_is_printed_means_the_same_when_it_is_read(tmp_path: Path, loaded: Loaded) -> None:
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "shop.toml").write_text(config.as_toml(loaded))
    assert load("shop", directory=str(tmp_path / "again")).settings == loaded.settings


def test_every_line_has_its_origin(tmp_path: Path, loaded: Loaded) -> None:
    lines = {
        line.partition(" = ")[0]: line.rpartition("  # ")[2] for line in config.as_toml(loaded).splitlines()
    }
    assert lines["app"] == f"{tmp_path}/shop.toml:1"
    assert lines['"A.b"'] == f"{tmp_path}/shop.toml:7"
    assert lines["body_max"] == f"{tmp_path}/shop.toml.d/x.toml:2"
    assert lines["keepalive"] == "default"


def test_what_is_not_set_is_said_with_what_that_means(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text('app = "shop:app"\n')
    loaded = load("shop", directory=str(tmp_path))
    text = config.as_toml(loaded)
    assert "# python is not set: the application runs in " in text
    assert 'listen = ["unix:/run/corn/shop.sock"]' in text
    count = workers.of_process(loaded.settings)
    assert f"# {count.start} here: {count.reason}; default" in text
    assert f"min = 0  # {count.start} here, as count; default" in re.sub(" +#", "  #", text)


def test_lists_of_tables_are_printed_in_both_forms(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(
        'app = "a:b"\n[[limits.path]]\nmatch = "/report/*"\ntime_real = 60\n[[cron.jobs]]\nname = "tidy"\n'
        'call = "a.jobs:tidy"\nevery = "90s"\nargs = {days = 3, "kinds" = ["ü", 1.5, true]}\n'
    )
    loaded = load(str(file))
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "shop.toml").write_text(config.as_toml(loaded))
    again = load("shop", directory=str(tmp_path / "again")).settings
    assert (again.cron, again.limits) == (loaded.settings.cron, loaded.settings.limits)
    settings = json.loads(json.dumps(config.as_json(loaded)))["settings"]
    assert settings["limits.path"]["value"][0]["match"] == "/report/*"
    assert settings["cron.jobs"]["value"][0]["args"] == {"days": 3, "kinds": ["ü", 1.5, True]}
    assert settings["cron.jobs"]["origin"] == f"{file}:5"


def test_json_has_numbers_and_origins(
    tmp_path: Path, loaded: Loaded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert config.run(argparse.Namespace(instance=f"{tmp_path}/shop.toml", json=True)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["instance"] == "shop"
    assert told["settings"]["http.body_max"] == {
        "value": 1 << 30,
        "origin": f"{tmp_path}/shop.toml.d/x.toml:2",
    }
    assert told["settings"]["http.keepalive"] == {"value": 75.0, "origin": "default"}
    assert told["settings"]["environment.B"]["value"] == "%"
    assert told["settings"]["listen"]["value"] == ["0.0.0.0:80", "[::]:80", "unix:/run/x"]
    assert told["settings"]["workers.count"]["value"] == workers.of_process(loaded.settings).start
