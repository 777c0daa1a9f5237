"""Prints the journal of a test that fails, and makes instances that end with their test."""

import subprocess
import time
from collections.abc import Callable, Iterator

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed:
        since = f"--since=@{int(time.time() - call.duration) - 1}"
        command = ["journalctl", "--no-pager", "--output=short-monotonic", "--lines=400", since]
        journal = subprocess.run(command, capture_output=True, text=True).stdout
        report.sections.append(("journal", journal))


@pytest.fixture
def instance() -> Iterator[Callable[..., object]]:
    """Makes instances (machine.Instance) that are gone when the test ends."""
    from machine import Instance

    made: list[Instance] = []

    def make(name: str, app: str = "shop", *, reload: bool = True, **settings: object) -> Instance:
        one = Instance(name, app, **settings)
        made.append(one)
        if reload:
            subprocess.run(["systemctl", "daemon-reload"], check=True)
        return one

    yield make
    for one in reversed(made):
        one.close()
