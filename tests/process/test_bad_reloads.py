"""A reload that can not work: refused within start_timeout, told three times, and nobody has noticed."""

import time
from dataclasses import dataclass, field

import pytest

from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .load import Load
from .test_reload import NEW, reload

TIMEOUT = 3.0


@dataclass
class Row:
    """What is written over what works, what the cause says, and what is told besides it."""

    cause: str
    program: str = NEW
    settings: dict[str, str] = field(default_factory=dict)
    preload: bool = True
    detail: str = "Traceback (most recent call last):"


HANGS = "import time\ndef create():\n    time.sleep(60)\n"
FACTORY = {"shop:application": "shop:create()"}

TABLE = {
    "a syntax error": Row("SyntaxError", "def application(:\n", detail="shop.py"),
    "an import error": Row("ModuleNotFoundError: No module named 'absent'", "import absent\n"),
    "an error in the module": Row("ZeroDivisionError", "1 / 0\n"),
    "no such callable": Row("application", "other = 1\n", detail=""),
    "a factory that fails": Row("RuntimeError: no", "def create():\n    raise RuntimeError('no')\n", FACTORY),
    "a factory that hangs": Row(
        f"the application was not imported within start_timeout ({TIMEOUT:g} s)",
        HANGS,
        FACTORY,
        detail="in create",
    ),
    "a factory that hangs in each worker": Row(
        f"a worker was not ready within start_timeout ({TIMEOUT:g} s), as it started",
        HANGS,
        FACTORY,
        preload=False,
        detail="in create",
    ),
    "a bad setting": Row(
        "workers.count: expected", settings={"count = 2": "count = 'many'"}, detail="shop.toml:"
    ),
    "a missing interpreter": Row(
        "/nowhere/bin/python is no program",
        settings={"[workers]": "python = '/nowhere/bin/python'\n[workers]"},
        detail="",
    ),
    "an interpreter that is none": Row(
        "the interpreter ended while it imported the application: exit status 1",
        settings={"[workers]": "python = '/bin/false'\n[workers]"},
        detail="",
    ),
    "an import that exits": Row("exit status 3", "import os\nos._exit(3)\n", detail=""),
    "an import that crashes": Row("signal SIGSEGV", "import os\nos.kill(os.getpid(), 11)\n", detail=""),
    "a first worker that ends at its birth": Row(
        "the first worker ended while it started: exit status 3",
        "import os\nos._exit(3)\n",
        preload=False,
        detail="",
    ),
    "workers that end when they are forked": Row(
        "no further worker was ready within start_timeout",
        "import os\nos.register_at_fork(after_in_child=lambda: os._exit(3))\n" + NEW,
        detail="while it was being born",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_a_reload_that_can_not_work_is_told_three_times_and_noticed_by_nobody(shop: Start, name: str) -> None:
    row = TABLE[name]
    corn = shop(HELLO, f"preload = {str(row.preload).lower()}\nstart_timeout = '5min'\n")
    text = (corn.directory / "shop.toml").read_text().replace("5min", f"{TIMEOUT:g}s")
    before = {worker["pid"] for worker in corn.workers()}
    bad = text
    for old, new in row.settings.items():
        bad = bad.replace(old, new)
    corn.write("shop.toml", bad)
    corn.write("shop.py", row.program)
    with Load(corn, rate=50) as load:
        began_at = time.monotonic()
        result = reload(corn)
        took = time.monotonic() - began_at
        seen = load.count
        corn.until(lambda: load.count > seen + 10, "answers after it")
    assert load.failures == [] and set(load.answers) == {"hello"}
    assert took < 10 * TIMEOUT, took
    # `corn reload`, the journal and the status line.
    assert result.returncode == 1
    assert row.cause in result.stderr and row.detail in result.stderr, result.stderr
    corn.take_in()
    (entry,) = corn.told(messages.GENERATION_REFUSED)
    assert row.cause in entry["MESSAGE"] and row.detail in entry["MESSAGE"]
    assert entry["CORN_SERVING"] == "1"
    status = corn.report()["status"]
    assert status.startswith("reload failed: ") and row.cause in status and "\n" not in status
    assert any(row.cause in state["STATUS"] for state in corn.states if state.get("READY") == "1")
    assert {worker["pid"] for worker in corn.workers()} == before
    corn.until(lambda: len(corn.processes()) == 4, "nothing of the new generation")
    # Until the next good one.
    corn.write("shop.toml", text)
    corn.write("shop.py", NEW)
    assert reload(corn).returncode == 0
    assert corn.get().text == "changed"
    assert "reload failed" not in corn.report()["status"]
