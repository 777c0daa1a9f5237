"""What a service was given: CPUs and memory, by cpusets and by the control groups that it lies in.

Reads the files of its own group and of all above it (cgroups(7), version 2 alone): the tightest counts. Where
there are none, the machine is what was given. Changes nothing, and waits for nobody.
"""

import os
from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from ..settings.workers import Allotment
from .cgroup import ROOT

_MACHINE = "the machine"


def of_process(root: str = ROOT) -> Allotment:
    """What this process was given."""
    return _of(own(root), root, len(os.sched_getaffinity(0)))


def of_instance(name: str, root: str = ROOT) -> Allotment:
    """What the running service of an instance was given; what this process was, if there is none."""
    path = f"{root}/system.slice/system-corn.slice/corn@{name}.service"
    if not os.path.isdir(path):
        return of_process(root)
    cpus = _count_of(_text(path, "cpuset.cpus.effective"))
    return _of(path, root, cpus or len(os.sched_getaffinity(0)))


def own(root: str = ROOT) -> str | None:
    """The directory of this process's group, or of the one that a master divides (cgroup.Groups); None
    without control groups of version 2."""
    try:
        with open("/proc/self/cgroup") as file:
            path = next((line[3:].strip() for line in file if line.startswith("0::/")), None)
    except OSError:
        return None
    if path is None or not os.path.exists(os.path.join(root, "cgroup.controllers")):
        return None
    return root + path.removesuffix("/master").rstrip("/")


class Left(NamedTuple):
    """How many bytes may still be used, and of what."""

    size: float
    of: str


def memory_left(path: str | None, root: str = ROOT) -> Left:
    """What is left for the group at `path`: of its own limit, of those above it, and of the machine."""
    left = [Left(_available(), f"{_MACHINE}'s memory")]
    for directory in _upwards(path, root):
        limit = _memory_limit(directory)
        used = _number(_text(directory, "memory.current"))
        if limit < inf and used < inf:
            # Files that nobody has used of late make way at once.
            cached = _field(_text(directory, "memory.stat"), "inactive_file ")
            size = max(0.0, limit - max(0.0, used - cached))
            left.append(Left(size, f"the memory of {_name(directory, root)}"))
    return min(left)


def memory_pressure(path: str | None) -> float:
    """For how many percent of the last 10 s some process of the group, or of the machine where there is no
    group, had to wait for memory; 0 where the kernel does not count it."""
    text = _text(path, "memory.pressure") if path is not None else ""
    text = text or _text("/proc/pressure", "memory")
    # some avg10=0.00 avg60=0.00 avg300=0.00 total=0
    try:
        return float(text.partition("some avg10=")[2].partition(" ")[0] or 0)
    except ValueError:
        return 0.0


def _of(path: str | None, root: str, cpus: int) -> Allotment:
    time, time_by, memory, memory_by = inf, "", inf, ""
    for directory in _upwards(path, root):
        quota, _, period = _text(directory, "cpu.max").strip().partition(" ")
        share = _number(quota) / _number(period) if period and quota != "max" else inf
        if share < time:
            time, time_by = share, _name(directory, root)
        limit = _memory_limit(directory)
        if limit < memory:
            memory, memory_by = limit, _name(directory, root)
    if time >= cpus:
        return Allotment(float(cpus), "", memory, memory_by)
    return Allotment(time, time_by, memory, memory_by)


def _upwards(path: str | None, root: str) -> Iterator[str]:
    """The directories of a group and of all that it lies in; in a container the root has limits as well."""
    while path is not None and path.startswith(root):
        yield path
        path = os.path.dirname(path) if path != root else None


def _memory_limit(directory: str) -> float:
    # At memory.high the kernel throttles: it is as good as a limit.
    return min(_number(_text(directory, name)) for name in ("memory.max", "memory.high"))


def _available() -> float:
    """The kernel's estimate of what could be used without swapping (proc_meminfo(5)), which is in KiB."""
    return 1024 * _field(_text("/proc", "meminfo"), "MemAvailable:") or inf


def _text(directory: str, name: str) -> str:
    try:
        with open(os.path.join(directory, name), "rb", buffering=0) as file:
            return file.read(16384).decode()
    except OSError:
        return ""


def _number(text: str) -> float:
    text = text.strip()
    return float(text) if text.isdecimal() else inf


def _field(text: str, name: str) -> float:
    words = text.partition(name)[2].split(maxsplit=1)
    return float(words[0]) if words else 0.0


def _count_of(cpus: str) -> int:
    """How many CPUs a list like `0-3,8` names (cpuset(7))."""
    ranges = [part.partition("-") for part in cpus.strip().split(",") if part]
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)



def _name(directory: str, root: str) -> str:
    return os.path.basename(directory) if directory != root else "the container"
