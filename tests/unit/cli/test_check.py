"""corn check: what is wrong is found before systemd finds it."""

import argparse
import grp
import os
import pwd
from pathlib import Path

import pytest

from corn_systemd.cli import check

ME = pwd.getpwuid(os.geteuid()).pw_name
APP = 'app = "shop:app"\n'

Captured = pytest.CaptureFixture[str]


def checked(directory: Path, *names: str) -> int:
    return check.run(argparse.Namespace(instances=list(names)), str(directory))


def test_a_python_that_does_not_exist_is_an_error_with_its_line(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "shop.toml").write_text(APP + '\npython = "/nowhere/venv"\n')
    assert checked(tmp_path) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{tmp_path}/shop.toml:3: python")


def test_a_python_that_is_no_program_is_an_error(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "shop.toml").write_text(APP + f'python = "{tmp_path}/shop.toml"\n')
    assert checked(tmp_path) == 78
    assert "shop.toml:2: python" in capsys.readouterr().err


def test_an_environment_whose_python_was_upgraded_away_is_told_as_such(
    tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to("/usr/bin/python3.9-gone")
    (tmp_path / "shop.toml").write_text(APP + f'python = "{tmp_path}/venv"\n')
    assert checked(tmp_path) == 78
    said = capsys.readouterr().err
    assert "leads to /usr/bin/python3.9-gone, which does not exist" in said
    assert "make the environment anew" in said


def test_an_environment_of_an_old_python_is_an_error(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to("/bin/sh")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.9.2\n")
    (tmp_path / "shop.toml").write_text(APP + f'python = "{tmp_path}/venv"\n')
    assert checked(tmp_path) == 78
    assert "is Python 3.9; corn needs 3.10 or newer" in capsys.readouterr().err


def test_a_directory_that_is_none_is_an_error(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "one.toml").write_text(APP + 'chdir = "/nowhere"\nlisten = "127.0.0.1:1"\n')
    (tmp_path / "two.toml").write_text(APP + 'chdir = "/etc/passwd"\nlisten = "127.0.0.1:2"\n')
    assert checked(tmp_path) == 78
    said = capsys.readouterr().err
    assert "one.toml:2: chdir: /nowhere does not exist" in said
    assert "two.toml:2: chdir: /etc/passwd is not a directory" in said


def test_users_and_groups_that_do_not_exist_are_errors(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "shop.toml").write_text(
        APP + 'user = "nobody-such"\nlisten = [{path = "/run/x", group = "no-such-group"}]\n'
    )
    assert checked(tmp_path) == 78
    said = capsys.readouterr().err
    assert "shop.toml:2: there is no user 'nobody-such'; make it: adduser --system" in said
    assert "shop.toml:3: listen: there is no group 'no-such-group'" in said


def test_a_file_that_its_user_cannot_read_is_an_error_with_the_cure(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "shop.toml").write_text(APP + 'user = "nobody"\n')
    (tmp_path / "shop.toml").chmod(0o600)
    assert checked(tmp_path) == 78
    said = capsys.readouterr().err
    assert "user 'nobody', who is to run it, cannot read it; chgrp " in said


def test_errors_of_the_files_themselves_are_told_as_they_are(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.toml").write_text(APP + "preload = 1\nx = 1\n")
    (tmp_path / "b.toml").write_text("nonsense\n")
    (tmp_path / "c.toml").write_text(APP)
    assert checked(tmp_path) == 78
    said = capsys.readouterr()
    assert [line.split(": ")[0] for line in said.err.splitlines()] == [
        f"{tmp_path}/a.toml:2",
        f"{tmp_path}/a.toml:3",
        f"{tmp_path}/b.toml:1",
    ]
    assert said.out.startswith("c: app shop:app")


def test_two_instances_at_one_address_are_an_error(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.toml").write_text(APP + 'listen = ":8080"\n')
    (tmp_path / "b.toml").write_text(APP + '\nlisten = "127.0.0.1:8080"\n')
    (tmp_path / "c.toml").write_text(APP + 'listen = "127.0.0.1:8081"\n')
    assert checked(tmp_path) == 78
    said = capsys.readouterr()
    assert f"a ({tmp_path}/a.toml:2) and b ({tmp_path}/b.toml:3) both listen on 0.0.0.0:8080" in said.err
    assert [line.split(":")[0] for line in said.out.splitlines()] == ["c"]


def test_an_instance_is_compared_with_those_that_were_not_asked_for(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.toml").write_text(APP + 'listen = ":8080"\n')
    (tmp_path / "b.toml").write_text(APP + 'listen = ":8080"\n')
    (tmp_path / "broken.toml").write_text("x")
    assert checked(tmp_path, "a") == 78
    said = capsys.readouterr().err
    assert "both listen" in said
    assert "broken" not in said


def test_a_file_elsewhere_is_not_compared_with_the_instance_of_its_name(
    tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "etc").mkdir()
    for directory in (tmp_path, tmp_path / "etc"):
        (directory / "a.toml").write_text(APP + 'listen = ":8080"\n')
    assert checked(tmp_path / "etc", f"{tmp_path}/a.toml") == 0
    assert capsys.readouterr().err == ""


def test_two_instances_of_one_user_are_a_warning(tmp_path: Path, capsys: Captured) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(APP)
    assert checked(tmp_path) == 0
    said = capsys.readouterr()
    assert said.err == (
        "warning: a, b run as the same user 'corn' and can read and kill each other; give each its own with "
        "`user`\n"
    )
    assert len(said.out.splitlines()) == 2


def test_an_instance_that_runs_as_root_is_a_warning(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "a.toml").write_text(APP + 'user = "root"\n')
    assert checked(tmp_path) == 0
    assert "a.toml:2: a runs as root" in capsys.readouterr().err


def test_a_good_instance_says_what_it_would_do(tmp_path: Path, capsys: Captured) -> None:
    group = grp.getgrgid(os.getegid()).gr_name
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to("/bin/sh")
    (tmp_path / "venv" / "pyvenv.cfg").write_text("version = 3.13.0\n")
    (tmp_path / "shop.toml").write_text(
        APP + f'python = "{tmp_path}/venv"\nchdir = "{tmp_path}"\nuser = "{ME}"\n'
        f'listen = ["127.0.0.1:1", {{path = "/run/x", group = "{group}"}}]\n[workers]\ncount = 4\n'
    )
    assert checked(tmp_path, "shop") == 0
    assert capsys.readouterr().out == (
        f"shop: app shop:app, python {tmp_path}/venv, listen 127.0.0.1:1 unix:/run/x, workers 4\n"
    )


def test_auto_is_explained(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "shop.toml").write_text(APP)
    assert checked(tmp_path) == 0
    cpus = len(os.sched_getaffinity(0))
    assert f"workers {2 * cpus + 1} (2 × {cpus} CPU" in capsys.readouterr().out


def test_without_any_instance_that_is_said_and_is_no_failure(tmp_path: Path, capsys: Captured) -> None:
    assert checked(tmp_path) == 0
    assert "no instance: there is no" in capsys.readouterr().err


def test_a_misspelt_instance_is_an_error(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "shop.toml").write_text(APP)
    assert checked(tmp_path, "shpo") == 78
    assert "the instances are: shop" in capsys.readouterr().err
