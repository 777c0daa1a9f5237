"""The Django application of the demo: by its own tests, and behind corn with wsgiref.validate between."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from corn_systemd.systemd import messages
from examples import demo

from .conftest import Start
from .harness import request

# The first run on a machine makes a virtual environment and downloads Django.
pytestmark = pytest.mark.timeout(240)

VALIDATED = f"""
import sys
sys.path.insert(0, {str(demo.SOURCE)!r})
from wsgiref.validate import validator
from demo.wsgi import application as django
application = validator(django)
"""


@pytest.fixture(scope="module")
def venv() -> Path:
    return demo.own_venv()


def manage(venv: Path, data: Path, *words: str) -> str:
    command = [str(venv / "bin" / "python"), "-B", "manage.py", *words]
    done = subprocess.run(
        command, cwd=demo.SOURCE, env={"DEMO_DATA": str(data)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_guest_book_passes_its_own_tests(venv: Path, tmp_path: Path) -> None:
    assert "OK" in manage(venv, tmp_path, "test")
    assert "No changes" in manage(venv, tmp_path, "makemigrations", "--check", "--dry-run")


def test_a_management_command_is_a_job(venv: Path, tmp_path: Path, shop: Start) -> None:
    data = tmp_path / "data"
    manage(venv, data, "migrate", "-v", "0")
    job = 'name = "harvest"\nevery = "1h"\ncall = "corn_systemd.contrib.django:command"\nargs = ["harvest"]'
    settings = f'python = "{venv}"\n[environment]\nDEMO_DATA = "{data}"\n[[cron.jobs]]\n{job}\n'
    corn = shop(VALIDATED, settings)
    corn.until(lambda: corn.workers(role="cron"), "a cron worker")
    status, body = corn.ask("POST /jobs/harvest/run?wait=1")
    assert status == 200
    line, outcome = map(json.loads, filter(None, body.splitlines()))
    assert "harvested" in line["line"] or "no cob is full yet" in line["line"]
    assert outcome["outcome"] == "done"
    assert not corn.told(messages.JOB_BROKEN)


def test_wsgiref_finds_nothing_between_corn_and_django(venv: Path, tmp_path: Path, shop: Start) -> None:
    data = tmp_path / "data"
    manage(venv, data, "migrate", "-v", "0")
    settings = f'python = "{venv}"\n[environment]\nDEMO_DATA = "{data}"\n'
    corn = shop(VALIDATED, settings)
    listener = corn.sockets[0]
    local = {"Host": "localhost"}

    home = corn.get("/", **local)
    assert home.status == 200 and "Plant a kernel" in home.text
    for path in ("/kernels/1/", "/harvests/", "/husk/", "/word", "/guestbook.csv", "/static/cob.css"):
        assert corn.get(path, **local).status == 200, path
    assert request(listener, "HEAD", "/", local).body == b""
    assert corn.get("/nowhere", **local).status == 404
    assert corn.get("/", Host="elsewhere.example").status == 400
    assert request(listener, "PUT", "/", local, b"x" * 100).status in (403, 405)

    sheet = corn.get("/static/cob.css", **local)
    assert sheet.body == (demo.SOURCE / "guestbook/static/cob.css").read_bytes()
    fresh = {**local, "If-Modified-Since": sheet.headers["Last-Modified"]}
    assert corn.get("/static/cob.css", **fresh).status == 304

    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', home.text)
    assert found
    cookie = home.headers["Set-Cookie"].partition(";")[0]
    form = f"csrfmiddlewaretoken={found[1]}&name=Test&message=planted+by+a+test&colour=%23b23a48"
    headers = {**local, "Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    assert request(listener, "POST", "/", headers, form.encode()).status == 302
    assert "planted by a test" in corn.get("/", **local).text
    assert request(listener, "POST", "/", local, form.encode()).status == 403

    assert corn.stop() == 0
    assert "AssertionError" not in corn.story()
