"""cron.lock: an address that may hold a password, which nobody gets to see."""

import json
from pathlib import Path

import pytest

from corn_systemd.cli import config
from corn_systemd.errors import ConfigError
from corn_systemd.settings.kinds import DATABASE
from corn_systemd.settings.load import Loaded, load

GOOD = [
    "postgresql://corn@db.example/corn",
    "postgres:///corn",
    "postgresql://",
    "postgresql://corn:s%40cret@db.example:5433/corn?sslmode=verify-full",
    "postgresql://a.example:5432,b.example:5433/corn?target_session_attrs=read-write",
    "postgresql://corn@[2001:db8::1]:5432/corn",
    "postgresql:///corn?host=/run/postgresql&password=a:b@c/d",
    "host=db.example dbname=corn",
    "service = shop",
    r"host=db password='it\'s s3cret' dbname=corn",
    "dbname=postgresql://db",
]


def test_an_address_is_a_url_or_a_connection_string() -> None:
    for address in GOOD:
        assert DATABASE.parse(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://corn:s3cret/x@db/corn",
        "postgresql://corn:s3cret@x@db/corn",
        "postgresql://corn:s3cret?x@db/corn",
        "postgresql://corn:db/s3cret",
        "mysql://corn:s3cret@db/corn",
        "s3cret",
        "host=db s3cret",
        "host=db password='s3cret",
        "host=db password=s3cret'x' 'y",
        " ",
        5,
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(address: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError) as told:
        DATABASE.parse(address)
    assert "s3cret" not in str(told.value)
    file = tmp_path / "shop.toml"
    file.write_text(f'app = "a:b"\n[cron]\nlock = {json.dumps(address)}\n')
    with pytest.raises(
        ConfigError, match=r"shop.toml:3: cron.lock: expected the address of a Post"
    ) as refused:
        load(str(file))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://corn:s3cret@db/corn", "postgresql://corn:***@db/corn"),
        ("postgresql://corn:s:3@db/corn", "postgresql://corn:***@db/corn"),
        ("postgresql://:s3cret@db:5432", "postgresql://:***@db:5432"),
        ("postgresql:///x?password=s3cret&user=a", "postgresql:///x?password=***&user=a"),
        ("postgres://db/x?a=b&sslpassword=s3cret", "postgres://db/x?a=b&sslpassword=***"),
        ("host=db password=s3cret user=a", "host=db password=*** user=a"),
        (r"password = 'it\'s s3cret' user=a", "password = *** user=a"),
        (r"user=a password=s3\ cret", "user=a password=***"),
        ("sslpassword=s3cret", "sslpassword=***"),
    ],
)
def test_a_password_is_left_out_of_what_is_public(address: str, shown: str) -> None:
    assert DATABASE.parse(address) == address
    assert DATABASE.public(address) == shown


def test_an_address_without_a_password_is_public() -> None:
    for address in GOOD:
        if "cret" not in address and "password" not in address:
            assert DATABASE.public(address) == address


def loaded(directory: Path, address: str) -> Loaded:
    (directory / "shop.toml").write_text(f'app = "a:b"\n[cron]\nlock = "{address}"\nretries = 0\n')
    return load(str(directory / "shop.toml"))


def test_corn_config_prints_no_password(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "postgresql://corn:s3cret@db/corn")
    text = config.as_toml(settings)
    assert f'# lock = "postgresql://corn:***@db/corn", with its password  # {tmp_path}/shop.toml:3\n' in text
    values = config.as_json(settings)["settings"]
    assert values["cron.lock"]["value"] == "postgresql://corn:***@db/corn"
    assert values["cron.lock"]["origin"] == f"{tmp_path}/shop.toml:3"
    assert values["cron.retries"]["value"] == 0
    assert "s3cret" not in text + json.dumps(values)


def test_corn_config_prints_an_address_without_a_password_as_it_is(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "postgresql://corn@db/corn")
    (tmp_path / "again.toml").write_text(config.as_toml(settings))
    again = load(str(tmp_path / "again.toml")).settings
    assert (again.cron.lock, again.cron.retries) == ("postgresql://corn@db/corn", 0)


def test_without_an_address_machines_share_nothing(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text('app = "a:b"\n')
    settings = load(str(tmp_path / "shop.toml"))
    assert (settings.settings.cron.lock, settings.settings.cron.retries) == ("", 1)
    assert "# lock is not set\n" in config.as_toml(settings)
