"""Control groups, version 2, below the one that systemd has delegated to us (cgroups(7), Delegate=).

A group for each worker counts its memory and the CPU time of its subprocesses, ends it alone when it takes
too much, and leaves nobody behind. Nothing here waits: these files are the kernel's own.
"""

import os
import time

ROOT = "/sys/fs/cgroup"
# Above memory_hard the kernel lets a worker allocate ever more slowly (memory.high), so that the master sees
# it in time; what it takes all the same ends it (memory.max).
TRIPWIRE = 16 * 2**20
SLACK = 0.25
SLACK_LEAST = 64 * 2**20
CONTROLLERS = ("memory", "cpu", "pids")
# Whoever is killed is buried in moments: what has been counted so long ago was not for him.
RECENT = 5.0


class Group:
    """One control group. Raises OSError where the kernel refuses; what only asks tells nothing then."""

    def __init__(self, path: str, service: "Group | None" = None) -> None:
        """`service` is the group that it lies in, where that is systemd's."""
        self.path = path
        self._service = service
        self._shortages = 0
        self._short_at = float("-inf")

    def write(self, name: str, value: str) -> None:
        # Not O_CREAT, by which the kernel would refuse what is not there for another reason (EACCES).
        fd = os.open(os.path.join(self.path, name), os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)

    def _numbers(self, name: str) -> dict[str, int]:
        """The lines `key value` of a file; nothing when it is not there."""
        try:
            with open(os.path.join(self.path, name), "rb", buffering=0) as file:
                lines = file.read(16384).decode().splitlines()
        except OSError:
            return {}
        return {key: int(value) for key, _, value in (line.partition(" ") for line in lines)}

    def private_bytes(self) -> int:
        """What its processes have for themselves: memory.current would count the page cache."""
        numbers = self._numbers("memory.stat")
        return numbers.get("anon", 0) + numbers.get("shmem", 0)

    def cpu_seconds(self) -> float:
        """CPU time of all processes that have ever been in it."""
        return self._numbers("cpu.stat").get("usage_usec", 0) / 1e6

    def out_of_memory(self) -> str:
        """Whose limit it was, if the kernel has killed in it for want of memory."""
        events = self._numbers("memory.events")
        if not events.get("oom_kill"):
            return ""
        if events.get("oom"):
            return "its own"
        if self._service is not None and self._service.was_short():
            return "the service's"
        return "the machine's or a slice's"

    def was_short(self) -> bool:
        """Whether its own limit, not that of a group within or above it, has just ended somebody. To be asked
        whenever somebody was ended."""
        shortages = self._numbers("memory.events.local").get("oom", 0)
        if shortages != self._shortages:
            self._shortages, self._short_at = shortages, time.monotonic()
        return time.monotonic() - self._short_at < RECENT

    def count(self) -> int:
        """How many processes are in it."""
        try:
            with open(os.path.join(self.path, "cgroup.procs"), "rb") as file:
                return sum(1 for _ in file)
        except OSError:
            return 0

    def free_memory(self) -> None:
        """Whoever is in it may take what the service may."""
        for name in ("memory.high", "memory.max", "memory.swap.max"):
            try:
                self.write(name, "max")
            except OSError:
                pass  # a kernel without swap

    def limit_memory(self, hard_bytes: int) -> None:
        """One that takes too much is ended as a whole, and alone; 0 is no limit."""
        self.write("memory.oom.group", "1")
        if hard_bytes:
            self.write("memory.high", str(hard_bytes + TRIPWIRE))
            self.write("memory.max", str(hard_bytes + max(int(hard_bytes * SLACK), SLACK_LEAST)))
            try:
                self.write("memory.swap.max", "0")
            except FileNotFoundError:
                pass  # a kernel without swap

    def take(self, pid: int) -> bool:
        """Moves a process into it, 0 is this one; whether the kernel lets us."""
        try:
            self.write("cgroup.procs", str(pid))
        except OSError:
            return False
        return True

    def end(self) -> None:
        """Kills all that is in it (Linux 5.14)."""
        try:
            self.write("cgroup.kill", "1")
        except OSError:
            pass

    def remove(self) -> bool:
        """Removes it when nobody is in it any more; whether it is gone."""
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class Groups:
    """What has been delegated to us, and the groups in it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._service = Group(path)
        self._leaving: list[Group] = []

    @classmethod
    def delegated(cls, root: str = ROOT) -> "Groups | None":
        """Takes over the group of this process, which goes into one of its own within; None where nothing is
        delegated. Raises OSError where something is, and the kernel refuses."""
        path = _own(root)
        if path is None or not _is_delegated(path):
            return None
        groups = cls(path)
        groups._make_way()
        # In this order: with our process still in it, the kernel would give it cpu and pids alone, as a
        # threaded group that no process can be moved within.
        groups._make("master").write("cgroup.procs", "0")
        for controller in CONTROLLERS:
            try:
                groups._service.write("cgroup.subtree_control", f"+{controller}")
            except OSError:
                if controller == "memory":
                    raise
        return groups

    def make(self, name: str, memory_hard: int = 0) -> Group:
        """A new group, whose processes may have so much private memory, 0 is no limit; raises OSError."""
        group = self._make(name)
        group.limit_memory(memory_hard)
        return group

    def _make(self, name: str) -> Group:
        path = os.path.join(self._path, name)
        try:
            os.mkdir(path)
        except FileExistsError:
            pass
        return Group(path, self._service)

    def _make_way(self) -> None:
        """Ends what an earlier master has left."""
        for entry in os.scandir(self._path):
            if entry.is_dir(follow_symlinks=False) and entry.name != "master" and entry.name[0] != ".":
                self.leave(Group(entry.path))

    def leave(self, group: Group) -> None:
        """Ends whoever is left in a group, and removes it, now or when they are gone."""
        group.end()
        if not group.remove():
            self._leaving.append(group)

    def look(self) -> bool:
        """Removes those that have become empty; whether there are others."""
        self._leaving = [group for group in self._leaving if not group.remove()]
        return bool(self._leaving)


def _own(root: str) -> str | None:
    """The directory of this process's group in the unified hierarchy; None where there is none, or it is not
    all there is (a machine with controllers of version 1)."""
    try:
        with open("/proc/self/cgroup") as file:
            path = next((line[3:].rstrip("\n") for line in file if line.startswith("0::/")), None)
        if path is None or not os.path.exists(os.path.join(root, "cgroup.controllers")):
            return None
    except OSError:
        return None
    return os.path.join(root, path.lstrip("/"))


def _is_delegated(path: str) -> bool:
    """Whether systemd says so (Delegate=, systemd.resource-control(5)), by an extended attribute: the one of
    the user since 251, the other for root alone. A container's root, or a session's scope, is not for us."""
    for name in ("user.delegate", "trusted.delegate"):
        try:
            if os.getxattr(path, name) == b"1":
                return True
        except OSError:
            pass
    return False
