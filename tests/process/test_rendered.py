"""The rendered documents before the programs that read them: man, journalctl and bash."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=30, env=more or None)


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff here")
@pytest.mark.parametrize("page", ["corn.1", "corn.toml.5"])
def test_a_man_page_is_set_without_warnings(page: str) -> None:
    done = run("groff", "-man", "-ww", "-z", "-Tutf8", str(DOCS / "man" / page))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("lexgrog"), reason="there is no man-db here")
@pytest.mark.parametrize("page", ["corn.1", "corn.toml.5"])
def test_a_man_page_can_be_found_by_apropos(page: str) -> None:
    assert run("lexgrog", str(DOCS / "man" / page)).returncode == 0


@pytest.mark.skipif(not shutil.which("journalctl"), reason="there is no journalctl here")
def test_the_catalogue_is_one_that_journalctl_takes(tmp_path: Path) -> None:
    sources = tmp_path / "usr" / "lib" / "systemd" / "catalog"
    sources.mkdir(parents=True)
    shutil.copy(DOCS / "corn.catalog", sources)
    (tmp_path / "var" / "lib" / "systemd" / "catalog").mkdir(parents=True)
    updated = run("journalctl", f"--root={tmp_path}", "--update-catalog")
    assert (updated.returncode, updated.stderr) == (0, "")
    listed = run("journalctl", f"--root={tmp_path}", "--list-catalog").stdout.splitlines()
    assert len(listed) == (DOCS / "corn.catalog").read_text().count("\n-- ")
    assert all(" corn-systemd: " in line for line in listed)


def completed(*words: str, **more: str) -> set[str]:
    script = (
        f"source {DOCS}/corn.bash-completion; compopt() {{ :; }}; "
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _corn; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = run("bash", "-c", script, "bash", "corn", *words, **more)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_verbs_and_flags() -> None:
    assert completed("re") == {"reload"}
    assert completed("run", "--workers-m") == {"--workers-min", "--workers-max"}
    assert completed("run", "--no-p") == {"--no-preload"}
    assert completed("config", "--j") == {"--json"}
    assert completed("run", "--workers", "") == set()
    assert "docs" in completed("run", "--chdir", "do")
    assert "pyproject.toml" in completed("check", "pypro")


def test_bash_completes_what_may_be_done_about_a_job_and_the_jobs_of_the_instance(tmp_path: Path) -> None:
    report = {"now": 1, "jobs": [{"name": "tidy", "last": {"detail": "name"}}, {"name": "mail"}]}
    (tmp_path / "jobs").write_text(json.dumps(report, indent=2))
    program = tmp_path / "corn"
    program.write_text(f'#!/bin/sh\n[ "$*" = "jobs shop --json" ] && cat {tmp_path}/jobs\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert completed("job", "") == {"run", "pause", "resume"}
    assert "pyproject.toml" in completed("job", "run", "pypro")
    assert completed("job", "run", "shop", "--w", PATH=path) == {"--wait"}
    assert completed("job", "run", "shop", "", PATH=path) == {"tidy", "mail"}
    assert completed("job", "run", "other", "", PATH=path) == set()


def test_the_door_of_render_tells_drift_from_sameness(tmp_path: Path) -> None:
    render = (sys.executable, "-m", "corn_systemd.settings.render")
    assert run(*render, "--check", str(tmp_path)).returncode == 1
    assert run(*render, "--write", str(tmp_path)).returncode == 0
    assert run(*render, "--check", str(tmp_path)).returncode == 0
    (tmp_path / "man" / "corn.1").write_text("other")
    stale = run(*render, "--check", str(tmp_path))
    assert (stale.returncode, stale.stderr) == (
        1,
        f"{tmp_path}/man/corn.1 differs from the declarations: make render\n",
    )
