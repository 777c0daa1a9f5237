"""The files of a control group, played by files: what is written, what is read, what is refused."""

import time
from pathlib import Path

import pytest

from corn_systemd.limits.cgroup import Group, Groups


def group(tmp_path: Path, **files: str) -> Group:
    for name, text in files.items():
        (tmp_path / name.replace("__", ".")).write_text(text)
    return Group(str(tmp_path))


def test_private_memory_is_what_is_no_page_cache(tmp_path: Path) -> None:
    one = group(tmp_path, memory__stat="anon 1000\nfile 5000\nkernel 7\nshmem 200\nfile_mapped 9\n")
    assert one.private_bytes() == 1200


def test_cpu_time_is_in_seconds(tmp_path: Path) -> None:
    one = group(tmp_path, cpu__stat="usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    assert one.cpu_seconds() == 1.5


@pytest.mark.parametrize(
    ("events", "whose"),
    [
        ("low 0\nhigh 12\nmax 3\noom 0\noom_kill 0\noom_group_kill 0\n", ""),
        ("low 0\nhigh 12\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n", "its own"),
        ("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\noom_group_kill 0\n", "the machine's or a slice's"),
    ],
)
def test_the_kernel_says_whose_limit_it_was(tmp_path: Path, events: str, whose: str) -> None:
    assert group(tmp_path, memory__events=events).out_of_memory() == whose


def test_the_limit_of_the_service_is_told_from_those_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    groups = Groups(str(tmp_path))

    def whose(name: str, shortages: int) -> str:
        (tmp_path / "memory.events.local").write_text(f"max 9\noom {shortages}\noom_kill 0\n")
        path = tmp_path / name
        path.mkdir()
        for file in ("memory.events", "memory.oom.group"):
            (path / file).write_text("oom 0\noom_kill 1\n")
        return groups.make(name).out_of_memory()

    assert whose("http-1", shortages=0) == "the machine's or a slice's"
    # One lack of memory may end several, one after the other.
    assert whose("http-2", shortages=1) == whose("http-3", shortages=1) == "the service's"
    now += 60
    assert whose("http-4", shortages=1) == "the machine's or a slice's"
    assert whose("http-5", shortages=2) == "the service's"


def test_what_is_not_there_tells_nothing(tmp_path: Path) -> None:
    one = group(tmp_path)
    assert (one.private_bytes(), one.cpu_seconds(), one.out_of_memory()) == (0, 0.0, "")
    assert Group(str(tmp_path / "gone")).remove()
    one.end()


def test_the_hard_limit_has_a_tripwire_and_room_for_what_is_no_private_memory(tmp_path: Path) -> None:
    one = group(tmp_path, memory__oom__group="0", memory__high="max", memory__max="max")
    one.limit_memory(1000 << 20)
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {
        "memory.oom.group": "1",
        "memory.high": str(1016 << 20),
        "memory.max": str(1250 << 20),
    }


def test_no_limit_sets_none(tmp_path: Path) -> None:
    one = group(tmp_path, memory__oom__group="0", memory__max="max", memory__swap__max="max")
    one.limit_memory(0)
    assert (tmp_path / "memory.max").read_text() == "max"


def test_nothing_is_taken_that_was_not_delegated(tmp_path: Path) -> None:
    """Neither on a machine without the unified hierarchy, nor in somebody's session as root."""
    assert Groups.delegated(str(tmp_path)) is None
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    assert Groups.delegated(str(tmp_path)) is None


def test_a_group_that_is_not_empty_yet_is_removed_later(tmp_path: Path) -> None:
    groups = Groups(str(tmp_path))
    left = tmp_path / "http-1"
    left.mkdir()
    (left / "busy").mkdir()
    groups.leave(Group(str(left)))
    assert groups.look()
    (left / "busy").rmdir()
    for file in left.iterdir():
        file.unlink()
    assert not groups.look()
    assert not left.exists()


def test_a_worker_that_becomes_a_mold_may_take_what_the_service_may(tmp_path: Path) -> None:
    limited = {"memory__high": "1", "memory__max": "2", "memory__swap__max": "0"}
    one = group(tmp_path, **limited, cgroup__procs="7\n8\n")
    assert one.count() == 2
    one.free_memory()
    assert {(tmp_path / name.replace("__", ".")).read_text() for name in limited} == {"max"}
    # A kernel without swap, and a group that has gone.
    gone = Group(str(tmp_path / "gone"))
    gone.free_memory()
    assert gone.count() == 0
