"""What a process tree has cost, as the kernel counts it: CPU time and memory. Reads /proc, starts nothing."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")


def tree(root: int) -> Iterator[int]:
    """The process and its living descendants, parents first."""
    yield root
    for task in _tasks(root):
        try:
            children = (task / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            yield from tree(int(child))


def _tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def cpu_seconds(root: int) -> float:
    """User and system time of the whole tree so far.

    Living threads by schedstat (nanoseconds, proc(5)); children that were waited for by their parent's cutime
    and cstime (ticks of 10 ms), so that one which ends between two readings is not lost.
    """
    return sum(_living(pid) + _ended_children(pid) for pid in tree(root))


def _living(pid: int) -> float:
    total = 0
    for task in _tasks(pid):
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    # Threads that have ended are in the process's own clock alone: CPUCLOCK_SCHED of clock_getcpuclockid(3).
    try:
        clock = time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        clock = 0
    return max(total, clock) / 1e9


def _ended_children(pid: int) -> float:
    try:
        # The name may hold spaces and brackets: what counts follows the last bracket.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[13]) + int(fields[14])) * _TICK


def proportional_bytes(pid: int) -> int:
    """PSS of one process: its private pages, and its share of those it shares."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"no Pss of {pid}")


def tree_bytes(root: int) -> int:
    """PSS of the whole tree; who has ended meanwhile has none."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            total += proportional_bytes(pid)
    return total
