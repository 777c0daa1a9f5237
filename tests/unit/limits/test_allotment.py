"""What a service was given, read from files as the kernel shows them."""

import os
from math import inf
from pathlib import Path

import pytest

from corn_systemd.limits import allotment
from corn_systemd.limits.allotment import memory_left, memory_pressure, of_instance
from corn_systemd.settings.workers import Allotment

GIB = 2**30
MACHINE = len(os.sched_getaffinity(0))
SERVICE = "system.slice/system-corn.slice/corn@shop.service"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / SERVICE).mkdir(parents=True)
    return tmp_path


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(f"{text}\n")


def given(root: Path) -> Allotment:
    return of_instance("shop", str(root))


def test_without_limits_it_is_the_machine(root: Path) -> None:
    write(root / SERVICE, cpu__max="max 100000", memory__max="max", memory__high="max")
    assert given(root) == Allotment(float(MACHINE))


def test_time_on_cpus_is_limited_by_the_tightest_of_all_groups(root: Path) -> None:
    write(root, cpuset__cpus__effective="0-63")
    write(root / SERVICE, cpu__max="600000 100000", cpuset__cpus__effective="0-3,8-11")
    assert given(root) == Allotment(6.0, "corn@shop.service")
    write(root / "system.slice", cpu__max="75000 50000")
    assert given(root) == Allotment(1.5, "system.slice")
    write(root, cpu__max="50000 100000")
    assert given(root) == Allotment(0.5, "the container")


def test_more_time_than_the_cpuset_has_cpus_is_no_limit(root: Path) -> None:
    write(root / SERVICE, cpu__max="900000 100000", cpuset__cpus__effective="0-3,8")
    assert given(root) == Allotment(5.0)


def test_memory_is_limited_by_the_tightest_of_all_groups_and_where_it_throttles(root: Path) -> None:
    write(root / SERVICE, memory__max=str(2 * GIB), memory__high="max")
    assert given(root) == Allotment(float(MACHINE), "", 2 * GIB, "corn@shop.service")
    write(root / "system.slice", memory__high=str(GIB))
    assert given(root) == Allotment(float(MACHINE), "", GIB, "system.slice")


def test_an_instance_that_does_not_run_is_given_what_asks_is_given(tmp_path: Path) -> None:
    assert of_instance("absent", str(tmp_path)) == allotment.of_process(str(tmp_path))


def test_what_is_left_does_not_count_files_that_can_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allotment, "_available", lambda: 64.0 * GIB)
    path = str(root / SERVICE)
    assert memory_left(path, str(root)) == (64 * GIB, "the machine's memory")
    write(
        root / SERVICE, memory__max=str(2 * GIB), memory__current=str(GIB),
        memory__stat=f"anon 5\ninactive_file {GIB // 4}\nactive_file {GIB // 8}",
    )  # fmt: skip
    assert memory_left(path, str(root)) == (GIB * 1.25, "the memory of corn@shop.service")
    write(root / "system.slice", memory__max=str(3 * GIB), memory__current=str(4 * GIB))
    assert memory_left(path, str(root)) == (0.0, "the memory of system.slice")
    monkeypatch.setattr(allotment, "_available", lambda: -1.0)
    assert memory_left(path, str(root)).of == memory_left(None).of == "the machine's memory"


def test_pressure_is_that_of_the_last_ten_seconds(root: Path) -> None:
    write(
        root / SERVICE,
        memory__pressure="some avg10=12.34 avg60=5.00 avg300=1.00 total=9\nfull avg10=1.00 avg60=0.00",
    )
    assert memory_pressure(str(root / SERVICE)) == 12.34


def test_what_this_machine_says_can_be_read() -> None:
    """Whatever it is: with control groups or without."""
    own = allotment.of_process()
    assert 0 < own.cpus <= MACHINE and own.memory > 0
    assert 0 < memory_left(allotment.own()).size < inf
    assert 0.0 <= memory_pressure(allotment.own()) <= 100.0
