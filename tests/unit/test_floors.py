"""The house: who may import whom, who is pure, and what runs in the application's interpreter.

Reads the imports of the tree (ast), imports nothing of it. DESIGN: floors, bottom up.
"""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "corn_systemd"

# A module belongs to the row with the longest prefix. A module imports from lower floors, or its own package.
FLOORS = {
    "errors": 0,
    "settings": 0,
    "settings.render": 1,
    "settings.load": 2,
    "settings.reader": 2,
    "settings.lines": 2,
    "systemd.messages": 0,
    "systemd": 2,
    "http": 1,
    "wsgi": 1,
    "wsgi.target": 2,
    "policy": 1,
    "cron": 1,
    "cron.local": 2,
    "scoreboard": 2,
    "slot": 2,
    "lifeline": 2,
    "relay": 2,
    "roster": 2,
    "listeners": 2,
    "signals": 2,
    "worker": 3,
    "mold": 4,
    "master": 4,
    "cli": 5,
    "limits": 1,
    "limits.cgroup": 2,
    "limits.memory": 2,
    "limits.allotment": 2,
    "__main__": 6,
    "deadlines": 0,
    "declarations": 1,
    "clerk": 3,
    "contrib": 1,
    "": 2,
}
# Named exceptions: (importer, imported) on one floor.
SIDEWAYS = {("wsgi", "http"), ("relay", "lifeline"), ("scoreboard", "slot")}

PURE = (
    "errors",
    "settings.kinds",
    "settings.sections",
    "settings.workers",
    "systemd.messages",
    "http",
    "policy",
    "cron.zone",
    "cron.schedule",
    "cron.events",
    "cron.agenda",
    "limits.verdict",
    "limits.growth",
    "limits.paths",
    "limits.retirement",
    "wsgi.environ",
    "wsgi.gateway",
)
IMPURE_MODULES = {
    "os", "socket", "select", "signal", "time", "mmap", "subprocess", "threading", "logging", "random",
    "resource", "asyncio", "multiprocessing", "pathlib", "tempfile",
}  # fmt: skip

# What runs in the application's interpreter: the standard library alone.
WORKER_SIDE = (
    "", "deadlines", "declarations", "errors", "settings.kinds", "settings.sections", "systemd.messages",
    "systemd.journal", "http", "limits.cgroup", "limits.growth", "limits.paths", "wsgi", "scoreboard",
    "slot", "lifeline", "relay", "roster", "signals", "policy.share", "worker", "mold",
)  # fmt: skip
LEAN = {
    "asyncio",
    "email",
    "logging",
    "tempfile",
    "inspect",
    "http.client",
    "urllib.request",
    "argparse",
    "tomllib",
}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found[".".join(parts)] = path
    return found


MODULES = modules()


def imports(name: str) -> set[tuple[str, bool]]:
    """(dotted name, is it ours) of everything that a module imports, within functions too."""
    path = MODULES[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    found: set[tuple[str, bool]] = set()
    tree = ast.parse(path.read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {(alias.name, False) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1] + (
                    node.module.split(".") if node.module else []
                )
            elif (node.module or "").split(".")[0] == "corn_systemd":
                base = (node.module or "").split(".")[1:]
            else:
                found.add((node.module or "", False))
                continue
            for alias in node.names:
                whole = ".".join([*base, alias.name])
                found.add((whole if whole in MODULES else ".".join(base), True))
    return found


def longest(name: str, table: "dict[str, int] | tuple[str, ...]") -> str | None:
    fitting = [key for key in table if key == name or (key and name.startswith(key + "."))]
    return max(fitting, key=len, default=None)


def floor(name: str) -> int:
    key = longest(name, FLOORS)
    assert key is not None, f"{name} has no floor: give it one in FLOORS"
    return FLOORS[key]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_from_lower_floors_or_from_its_own_package(name: str) -> None:
    for other, is_ours in imports(name):
        if not is_ours or other == name:
            continue
        mine, theirs = name.split(".")[0], other.split(".")[0]
        if mine == theirs and floor(other) <= floor(name):
            continue
        assert floor(other) < floor(name) or (mine, theirs) in SIDEWAYS, f"{name} may not import {other}"


@pytest.mark.parametrize("name", [name for name in MODULES if longest(name, PURE)])
def test_a_rule_is_pure(name: str) -> None:
    impure = {
        other for other, is_ours in imports(name) if not is_ours and other.split(".")[0] in IMPURE_MODULES
    }
    assert not impure
    calls = {
        node.func.id
        for node in ast.walk(ast.parse(MODULES[name].read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "open" not in calls


@pytest.mark.parametrize("name", [name for name in MODULES if longest(name, WORKER_SIDE)])
def test_the_application_s_interpreter_needs_the_standard_library_alone(name: str) -> None:
    if longest(name, WORKER_SIDE) == "" and name != "":
        pytest.skip("not on the worker's side")
    for other, is_ours in imports(name):
        if is_ours:
            assert longest(other, WORKER_SIDE), f"{name} imports {other}, which is the master's"
        else:
            assert other.split(".")[0] in sys.stdlib_module_names, f"{name} imports {other}"
            assert other not in LEAN, f"{name} imports {other}, which costs start time"


def test_processes_are_started_and_killed_in_few_places() -> None:
    deeds = {"fork", "kill", "posix_spawn", "execv", "execve", "pidfd_send_signal"}
    found = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in deeds and getattr(node.value, "id", "") == "os"
    }
    assert found == {"master.spawn", "mold.mold"}


@pytest.mark.parametrize("name", [n for n in MODULES if n not in ("settings.sections", "systemd.messages")])
def test_a_file_has_at_most_300_lines(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= 300
