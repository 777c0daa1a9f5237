"""corn check: what is wrong is found before systemd finds it."""

import argparse
import grp
import os
import pwd
import sys
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType

import pytest

from corn_systemd.cli import check, check_idle, workers
from corn_systemd.cron import schedule
from corn_systemd.settings.load import load

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


def test_jobs_that_cannot_be_scheduled_here_are_errors_with_their_line(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = '[[cron.jobs]]\nname = "tidy"\ncall = "shop.jobs:tidy"\nschedule = "17 5 * * *"\n'
    (tmp_path / "shop.toml").write_text(APP + job)
    assert checked(tmp_path) == 0
    schedule._calendar.cache_clear()
    monkeypatch.setitem(sys.modules, "croniter", None)
    assert checked(tmp_path) == 78
    start = f"{tmp_path}/shop.toml:2: cron.jobs: job 'tidy': jobs need croniter: apt install python3-croniter"
    assert start in capsys.readouterr().err


def test_a_lock_without_its_client_is_a_warning_with_its_line(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    file = tmp_path / "shop.toml"
    file.write_text(APP + '[cron]\nlock = "postgresql://corn@db.example/corn"\n')
    assert checked(tmp_path) == 0
    start = f"warning: {file}:3: cron.lock needs psycopg: apt install python3-psycopg ("
    assert start in (said := capsys.readouterr().err)
    assert said.endswith("; until then no run that is due begins\n")
    file.write_text(file.read_text() + "workers = 0\n")
    assert checked(tmp_path) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setitem(sys.modules, "psycopg", ModuleType("psycopg"))
    file.write_text(file.read_text().replace("workers = 0", "workers = 1"))
    assert checked(tmp_path) == 0
    assert capsys.readouterr().err == ""


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
    count = workers.of_process(load(str(tmp_path / "shop.toml")).settings)
    assert f"workers {count.start} ({count.reason})" in capsys.readouterr().out
    (tmp_path / "shop.toml").write_text(APP + "[workers]\nmin = 1\nmax = 400\n")
    assert checked(tmp_path) == 0
    assert f"workers {count.start} at first, 1 to 400 ({count.reason})" in capsys.readouterr().out


def test_without_any_instance_that_is_said_and_is_no_failure(tmp_path: Path, capsys: Captured) -> None:
    assert checked(tmp_path) == 0
    assert "no instance: there is no" in capsys.readouterr().err


def test_a_misspelt_instance_is_an_error(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "shop.toml").write_text(APP)
    assert checked(tmp_path, "shpo") == 78
    assert "the instances are: shop" in capsys.readouterr().err


JOBS = """
[[cron.jobs]]
name = "clear-sessions"
schedule = "17 3 * * 1"
timezone = "America/New_York"
call = "shop.jobs:clear"
[[cron.jobs]]
name = "mail"
every = "90s"
jitter = "10s"
call = "shop.jobs:mail"
[[cron.jobs]]
name = "half"
schedule = "*/30 * * * *"
timezone = "Europe/Berlin"
call = "shop.jobs:half"
[[cron.jobs]]
name = "old"
schedule = "@daily"
enabled = false
call = "shop.jobs:old"
"""


def test_each_job_says_when_it_is_due_next_by_the_clocks_of_its_zone(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(APP + JOBS)
    now = datetime(2026, 10, 25, 0, 35, tzinfo=timezone.utc).timestamp()
    clear, mail, half, old = check.agenda(load("shop", directory=str(tmp_path)), now)
    assert clear == (
        "  job clear-sessions (17 3 * * 1, America/New_York): Mon 2026-10-26 03:17:00-04:00, "
        "Mon 2026-11-02 03:17:00-05:00, Mon 2026-11-09 03:17:00-05:00"
    )
    assert half == (
        "  job half (*/30 * * * *, Europe/Berlin): Sun 2026-10-25 02:00:00+01:00, "
        "Sun 2026-10-25 02:30:00+01:00, Sun 2026-10-25 03:00:00+01:00"
    )
    assert mail.startswith("  job mail (every 90s, local time): ")
    instants = [
        datetime.fromisoformat(text[4:]).timestamp() - now for text in mail.split(": ")[1].split(", ")[:3]
    ]
    assert instants == [60, 150, 240]
    assert mail.endswith(", each up to 10s later (jitter)")
    assert old == "  job old (@daily, local time): disabled (enabled = false)"


def test_jobs_are_told_below_their_instance(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "shop.toml").write_text(APP + JOBS)
    assert checked(tmp_path) == 0
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("shop: app shop:app")
    assert [line.split()[1] for line in others] == ["clear-sessions", "mail", "half", "old"]


def test_an_instance_without_cron_workers_says_that_it_runs_no_job(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(APP + "[cron]\nworkers = 0\n" + JOBS)
    lines = list(check.agenda(load("shop", directory=str(tmp_path)), 0.0))
    assert [line.rpartition(": ")[2] for line in lines] == [
        *["not run here (cron.workers = 0)"] * 3,
        "disabled (enabled = false)",
    ]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            '[[cron.jobs]]\nname = "tidy"\ncall = "shop:tidy"\nevery = "20min"\n',
            "while jobs are due at least every 20min",
        ),
        (
            '[[cron.jobs]]\nname = "a"\ncall = "shop:a"\nschedule = "5,35 * * * *"\n'
            '[[cron.jobs]]\nname = "b"\ncall = "shop:b"\nschedule = "20,50 * * * *"\n',
            "while jobs are due at least every 20min",
        ),
        ('[cron]\npoll = "shop:poll"\n', "while cron.poll looks for jobs"),
        ('listen = "127.0.0.1:0"\n', "systemd does not hold a socket at port 0"),
    ],
)
def test_what_keeps_an_instance_from_sleeping_is_told(
    tmp_path: Path, capsys: Captured, more: str, words: str
) -> None:
    (tmp_path / "shop.toml").write_text(APP + 'idle_exit = "10min"\n' + more)
    assert checked(tmp_path) == 0
    assert f"warning: {tmp_path}/shop.toml:2: idle_exit has no effect" in (said := capsys.readouterr().err)
    assert words in said


@pytest.mark.parametrize(
    "more",
    [
        "",
        '[cron]\nworkers = 0\n[[cron.jobs]]\nname = "tidy"\ncall = "shop:tidy"\nevery = "1min"\n',
        '[[cron.jobs]]\nname = "tidy"\ncall = "shop:tidy"\nevery = "1min"\nenabled = false\n',
        '[[cron.jobs]]\nname = "tidy"\ncall = "shop:tidy"\nevery = "21min"\n',
        '[[cron.jobs]]\nname = "tidy"\ncall = "shop:tidy"\nschedule = "* * * * 1-5"\n',
    ],
)
def test_jobs_that_are_not_run_or_seldom_keep_nobody_awake(
    tmp_path: Path, capsys: Captured, more: str
) -> None:
    (tmp_path / "shop.toml").write_text(APP + 'idle_exit = "10min"\n' + more)
    assert checked(tmp_path) == 0
    assert "idle_exit" not in capsys.readouterr().err


def test_a_unit_that_does_not_know_of_idle_exit_yet_is_told(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated = tmp_path / "generator" / "corn@shop.socket.d"
    generated.mkdir(parents=True)
    monkeypatch.setattr(check_idle, "DIRECTORY", str(tmp_path))
    monkeypatch.setattr(check_idle, "_GENERATED", str(tmp_path / "generator"))
    (tmp_path / "shop.toml").write_text(APP + 'idle_exit = "10min"\n')
    checked(tmp_path)
    assert "before: systemctl daemon-reload && systemctl restart corn@shop" in capsys.readouterr().err
    (generated / "50-corn.conf").write_text("[Unit]\nStopWhenUnneeded=no\n")
    checked(tmp_path)
    assert "idle_exit" not in capsys.readouterr().err
