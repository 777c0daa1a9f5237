"""What can go wrong around an instance, made to happen and undone: disks, descriptors, forks, clocks.

The instance has a mount namespace of its own, with a small disk for its state and one for its spools, and a
clock that this process can shift. Judges nothing.
"""

import errno
import mmap
import os
import resource
import struct
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from .harness import DEADLINE, Corn

# Becomes the master: with disks of its own, in the group in which processes are counted, with that clock.
# Whoever is not root is root in a user namespace of its own, and may mount there.
START = """\
#!{python}
import ctypes, mmap, os, runpy, struct, sys, time

NEW_USER, NEW_MOUNTS, PRIVATE = 0x10000000, 0x00020000, (1 << 18) | (1 << 14)
libc = ctypes.CDLL(None, use_errno=True)

def done(result):
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def write(path, text):
    with open(path, "w") as file:
        file.write(text)

user, group = os.geteuid(), os.getegid()
done(libc.unshare(NEW_MOUNTS | (NEW_USER if user else 0)))
if user:
    write("/proc/self/setgroups", "deny")
    write("/proc/self/uid_map", f"{{user}} {{user}} 1")
    write("/proc/self/gid_map", f"{{group}} {{group}} 1")
done(libc.mount(b"none", b"/", None, PRIVATE, None))
for directory, size in (("{state}", "{state_size}"), ("{spool}", "{spool_size}")):
    done(libc.mount(b"tmpfs", directory.encode(), b"tmpfs", 0, f"size={{size}}".encode()))
if "{counted}":
    write("{counted}/cgroup.procs", "0")

with open("{clock}", "r+b") as file:
    shared = mmap.mmap(file.fileno(), 8)
real = time.time
time.time = lambda: real() + struct.unpack("d", shared[:8])[0]
sys.argv = sys.argv[2:]
runpy.run_module("corn_systemd", run_name="__main__", alter_sys=True)
"""
STATE_SIZE, SPOOL_SIZE = 4 << 20, 32 << 20
NOFILE, NPROC = resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC


class World:
    """What is around one instance. To be made before it is started, and closed behind its end."""

    def __init__(self, directory: Path) -> None:
        self.state, self.spool = directory / "state", directory / "spool"
        for one in (self.state, self.spool):
            one.mkdir()
        clock = directory / "clock"
        clock.write_bytes(bytes(8))
        with clock.open("r+b") as file:
            self._shift = mmap.mmap(file.fileno(), 8)
        self.counted = _counted()
        self.environment = {"STATE_DIRECTORY": str(self.state), "CACHE_DIRECTORY": str(self.spool)}
        self.python = directory / "python"
        self.python.write_text(
            START.format(
                python=sys.executable, clock=clock, counted=self.counted or "",
                state=self.state, state_size=STATE_SIZE, spool=self.spool, spool_size=SPOOL_SIZE,
            )
        )  # fmt: skip
        self.python.chmod(0o755)

    def close(self) -> None:
        self._shift.close()
        if self.counted is not None:
            end = time.monotonic() + DEADLINE
            while (self.counted / "cgroup.procs").read_text() and time.monotonic() < end:
                os.sched_yield()  # who has been killed is still on its way out
            self.counted.rmdir()

    def step(self, seconds: float) -> None:
        """Puts the clock of the wall forward, or back."""
        (shift,) = struct.unpack("d", self._shift[:8])
        self._shift[:8] = struct.pack("d", shift + seconds)

    @contextmanager
    def full(self, corn: Corn, disk: Path) -> Iterator[None]:
        """There is no room left on a disk of the instance."""
        ballast = _seen_by(corn, disk) / "ballast"
        fd = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        try:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        os.write(fd, bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC
            yield
        finally:
            os.close(fd)
            ballast.unlink()

    def in_spools(self, corn: Corn) -> int:
        """Bytes that are taken on the disk of the spools, which have no names."""
        disk = os.statvfs(_seen_by(corn, self.spool))
        return (disk.f_blocks - disk.f_bfree) * disk.f_frsize

    @contextmanager
    def no_forks(self, corn: Corn) -> Iterator[None]:
        """No process of the instance gets another one."""
        with ExitStack() as stack:
            if self.counted is None:
                # Root would not heed it.
                for pid in corn.processes():
                    stack.enter_context(limited(corn, pid, NPROC, 0))
            else:
                (self.counted / "pids.max").write_text("1")
                stack.callback((self.counted / "pids.max").write_text, "max")
            yield


@contextmanager
def limited(corn: Corn, pid: int, what: int, most: int) -> Iterator[None]:
    """A process has less of a resource. Its children inherit that: behind it all have what it had before."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, before[1]))
    try:
        yield
    finally:
        for one in corn.processes():
            try:
                resource.prlimit(one, what, before)
            except ProcessLookupError:
                pass


def no_descriptors(corn: Corn, pid: int) -> AbstractContextManager[None]:
    """A process keeps the descriptors that it has, and gets no other."""
    used = descriptors(pid)
    return limited(corn, pid, NOFILE, next(fd for fd in range(len(used) + 1) if fd not in used))


def descriptors(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def proportional_bytes(pid: int) -> int:
    """PSS: what a process would set free, shared pages by their share (proc_pid_smaps(5))."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def _seen_by(corn: Corn, path: Path) -> Path:
    return Path(f"/proc/{corn.pid}/root") / path.relative_to("/")


def _counted() -> Path | None:
    """A new control group in which the number of processes can be limited; None for who is not root."""
    for top in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")):
        group = top / f"corn-chaos-{uuid.uuid4().hex[:12]}"
        try:
            group.mkdir()
        except OSError:
            continue
        if (group / "pids.max").exists():
            return group
        group.rmdir()
    return None
