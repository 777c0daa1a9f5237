"""What only the kernel can be asked for: orphans, death with the parent or for want of memory, names for
ps(1)."""

import ctypes
import os
import resource
import signal

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent_pid: int) -> None:
    """This process is killed when its parent dies; leaves at once if that has happened already.

    Must be called when the parent is `parent_pid`: a change of parent after it counts as its death.
    """
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        os._exit(1)


def be_no_safer() -> None:
    """Where memory runs out the unit protects the master (OOMScoreAdjust=), not whoever is forked from it."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as file:
            if int(file.read()) < 0:
                file.write(b"0")
    except OSError:
        pass


def become_subreaper(yes: bool = True) -> None:
    """Orphans among our descendants become our children from now on, and so do not outlive us unseen; or they
    do no more."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def limit_data(size: int) -> None:
    """This process may ask for so many bytes of memory and no more, 0 is no limit; for less than before, as
    the kernel refuses more."""
    if size:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = size if hard == resource.RLIM_INFINITY else min(size, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


class Title:
    """The words that ps(1) shows: written over the room that the argument list left for them."""

    def __init__(self) -> None:
        self._start = self._size = 0
        try:
            with open("/proc/self/stat", "rb") as file:
                # Fields 48 and 49 of proc(5), counted from behind the name, which may hold anything.
                fields = file.read().rpartition(b")")[2].split()
            start, end = int(fields[45]), int(fields[46])
        except (OSError, IndexError, ValueError):
            return
        if 0 < start < end:
            self._start, self._size = start, end - start

    def set(self, text: str) -> None:
        data = text.encode()[: max(self._size - 1, 0)]
        if self._start:
            ctypes.memmove(self._start, data.ljust(self._size, b"\0"), self._size)
        _libc.prctl(PR_SET_NAME, b"corn " + text.split(" ", 1)[-1].encode()[:10], 0, 0, 0)
