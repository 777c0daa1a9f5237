"""The application's home: its own interpreter, apart from corn's packages, and corn in any home."""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from corn_systemd.systemd import messages

from .conftest import Start
from .harness import REPOSITORY
from .test_run import BARE, ask

ASKING = """
import json, sys, importlib.util
import only_in_the_venv
def application(environ, start_response):
    import corn_systemd.http
    names = ["psutil", "sdnotify", "systemd", "croniter", "corn_systemd", "tests", "only_in_the_venv"]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({
        "importable": [name for name in names if importlib.util.find_spec(name)],
        "executable": sys.executable, "prefix": sys.prefix, "path": sys.path,
    }).encode()]
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A virtual environment with one package that nobody else has."""
    path = tmp_path / "venv"
    venv.create(path, with_pip=False)
    (site,) = path.glob("lib/python*/site-packages")
    (site / "only_in_the_venv.py").write_text("")
    return path


def test_the_application_lives_in_its_venv_and_sees_nothing_of_corn_but_corn(shop: Start, home: Path) -> None:
    # PYTHONPATH would make the repository importable for the application as well: corn finds itself without.
    corn = shop(ASKING, settings=f'python = "{home}"\n[environment]\nPYTHONPATH = "/nowhere"\n')
    seen = json.loads(corn.get().body)
    assert seen["importable"] == ["corn_systemd", "only_in_the_venv"]
    assert seen["prefix"] == str(home)
    assert str(REPOSITORY) not in seen["path"] and seen["path"][0] == str(corn.directory)


def test_an_interpreter_is_named_as_well_as_the_directory_of_a_venv(shop: Start, home: Path) -> None:
    corn = shop(ASKING, settings=f'python = "{home}/bin/python3"\n')
    assert json.loads(corn.get().body)["prefix"] == str(home)


def test_the_master_never_imports_the_application(shop: Start) -> None:
    corn = shop("import sys, decimal\n" + ASKING.replace("import only_in_the_venv", ""))
    maps = Path(f"/proc/{corn.pid}/maps").read_text()
    mold = next(p["pid"] for p in corn.report()["processes"] if p["role"] == "mold")
    assert "_decimal" in Path(f"/proc/{mold}/maps").read_text()
    assert "_decimal" not in maps


def test_a_module_that_starts_processes_by_spawn_does_not_start_another_mold(shop: Start) -> None:
    corn = shop(
        """
import multiprocessing
def double(queue, number):
    queue.put(2 * number)
def application(environ, start_response):
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    process = context.Process(target=double, args=(queue, 21))
    process.start()
    answer = queue.get()
    process.join()
    start_response("200 OK", [])
    return [str(answer).encode()]
""",
        workers=1,
    )
    assert corn.get().text == "42"


def test_the_interpreter_that_is_missing_is_named_with_the_cure(shop: Start) -> None:
    corn = shop(settings="python = '/srv/nowhere'\n", start=False).start()
    assert corn.end() == 78
    assert "python3 -m venv /srv/nowhere" in corn.told(messages.INSTANCE_REFUSED)[0]["MESSAGE"]


@pytest.mark.timeout(120)
def test_corn_runs_in_any_venv_after_pip_install(tmp_path: Path) -> None:
    home = tmp_path / "any"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    source = tmp_path / "source"
    shutil.copytree(REPOSITORY / "corn_systemd", source / "corn_systemd")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    subprocess.run([home / "bin/pip", "install", "--quiet", str(source)], check=True, timeout=100)
    (tmp_path / "hello.py").write_text(
        "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello']\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in (*BARE, "PYTHONPATH")}
    process = subprocess.Popen(
        [home / "bin/corn", "run", "hello:application", "--listen", "127.0.0.1:0", "--workers", "2"],
        cwd=tmp_path,
        env={**environment, "XDG_RUNTIME_DIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = next(line for line in process.stderr if "ready: " in line)
    port = int(line.rpartition("127.0.0.1:")[2].split(",")[0])
    assert ask(port).endswith(b"hello")
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0
