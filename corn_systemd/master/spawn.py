"""The master's only door to processes: start a mold or the clerk, send a signal, reap.

A mold is a fresh exec of the application's interpreter; workers are forked by the mold and become the
master's children because it is their subreaper (prctl(2)). systemd's guide advises against long-lived
children without exec: corn departs from it knowingly, since what is imported once and shared is the point
of preforking.
"""

import ctypes
import errno
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from ..errors import ConfigError, Unavailable

_SYS_PIDFD_GETFD = 438
_libc = ctypes.CDLL(None, use_errno=True)
_BOOT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "mold", "boot.py")
# Room for the titles of a mold and its workers, who write over their argument list (worker/kernel.py).
_TITLE_ROOM = "corn: mold".ljust(120)


@dataclass(frozen=True)
class Death:
    """One reaped process, and in words how it ended."""

    pid: int
    cause: str
    is_clean: bool


def interpreter(python: str, default: str) -> str:
    """The executable that `python =` names: an interpreter or the directory of a venv.

    Raises ConfigError when there is none: only the operator can mend that.
    """
    if not python:
        return default
    path = os.path.join(python, "bin", "python") if os.path.isdir(python) else python
    if not os.access(path, os.X_OK) or os.path.isdir(path):
        raise ConfigError(
            f"python = {python!r}: {path} is no program that this user may run; "
            f"make the venv (python3 -m venv {python}) or name its interpreter"
        )
    return path


def start_mold(executable: str, lifeline_fd: int, environment: Mapping[str, str]) -> int:
    """Executes the application's interpreter; returns the mold's pid. Raises Unavailable, and
    ConfigError when it is no program.

    Only the standard streams and the lifeline are inherited; the rest goes over the lifeline.
    """
    arguments = [executable, _BOOT, str(lifeline_fd), str(os.getpid()), _TITLE_ROOM]
    try:
        return os.posix_spawn(
            executable,
            arguments,
            environment,
            # The same number twice clears close-on-exec, in the child alone (posix_spawn_file_actions).
            file_actions=[(os.POSIX_SPAWN_DUP2, lifeline_fd, lifeline_fd)],
            # A group of its own: the terminal's Ctrl-C is for the master.
            setpgroup=0,
            setsigmask=[],
            setsigdef=sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}),
        )
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise ConfigError(
                "the environment is too large for a program to start with (execve(2): 128 KiB for one "
                "variable, a quarter of the stack's limit for all): shorten [environment] or the unit's"
            ) from error
        if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOEXEC):
            raise ConfigError(f"{executable} can not be run: {error.strerror}") from error
        raise Unavailable(f"{executable}: {error.strerror}") from error


def fork(life: Callable[[], None], kept: int) -> int:
    """A copy of this process that lives `life` and ends; returns its pid. It has the standard streams and the
    descriptor `kept` alone, no handlers of signals, and a group of its own. Raises Unavailable."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _live(life, kept)
    except OSError as error:
        raise Unavailable(f"no process: {error.strerror}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return pid


def _live(life: Callable[[], None], kept: int) -> NoReturn:
    """Nothing of the master goes on in its copy: neither its frames nor what they would do at their end."""
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        os.closerange(3, kept)
        os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        life()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def kill(pid: int) -> None:
    """Kills a child that has not been reaped yet (so that its pid can be nobody else's), and with it what
    it has started and left in its process group."""
    for deed in (os.killpg, os.kill):
        try:
            deed(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def interrupt(pid: int, number: int) -> None:
    """Sends a signal to the main thread of a child, where Python handles signals, so that it interrupts what
    that thread is waiting for."""
    if not hasattr(_libc, "tgkill") or _libc.tgkill(pid, pid, number):
        os.kill(pid, number)


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a child until now (clock_getcpuclockid(3)); 0.4 µs."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def getfd(pidfd: int, fd: int) -> int:
    """A duplicate of another process's descriptor (pidfd_getfd(2)); raises OSError."""
    copy: int = _libc.syscall(_SYS_PIDFD_GETFD, pidfd, fd, 0)
    if copy < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd")
    return copy


def duplicate(pid: int, fd: int) -> int:
    """The same of a child that has not been reaped, by its pid; raises OSError."""
    pidfd = os.pidfd_open(pid)
    try:
        return getfd(pidfd, fd)
    finally:
        os.close(pidfd)


def dead_children(pid: int) -> int:
    """How many children of a process have ended without its having waited for them."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return sum(b"Z" in _states(int(child)) for child in file.read().split())
    except OSError:
        return 0


def has_children(pid: int) -> bool:
    """Whether a process has children, living or not waited for."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return bool(file.read().split())
    except OSError:
        return False


def children() -> set[int]:
    """The children of this process that have not been reaped, adopted ones too (proc_tid_children(5))."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return set(map(int, file.read().split()))
    except OSError:
        return set()


# A stop takes microseconds.
_STOP_PATIENCE = 0.02


@contextmanager
def stopped(pid: int) -> Iterator[bool]:
    """A child that has not been reaped is stopped within the `with`, and goes on behind it unless somebody
    else had stopped it before. Gives whether none of its threads runs code of its own any more."""
    was_stopped = is_held(pid)
    stands = _STOPPED | {b"Z", b"X"}
    if not was_stopped:
        if hasattr(_libc, "tgkill"):
            # Each by itself: a thread that the kernel holds would keep the signal of all to itself. It stops
            # before it runs again; within memory.high or vfork(2) that may take seconds.
            for thread in _threads(pid):
                _libc.tgkill(pid, thread, signal.SIGSTOP)
            stands |= {b"D"}
        else:
            os.kill(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + _STOP_PATIENCE
        while not (is_stopped := _states(pid) <= stands) and time.monotonic() < deadline:
            time.sleep(0.0002)
        yield is_stopped
    finally:
        if not was_stopped:
            os.kill(pid, signal.SIGCONT)


def is_held(pid: int) -> bool:
    """Whether somebody has stopped a child, all its threads."""
    return _states(pid) <= _STOPPED


# In job control, or under a debugger (proc(5)).
_STOPPED = frozenset((b"T", b"t"))


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def _states(pid: int) -> set[bytes]:
    """The states of a process's threads (proc(5)); those that have just ended have none."""
    states = set()
    for thread in _threads(pid):
        try:
            with open(f"/proc/{pid}/task/{thread}/stat", "rb") as file:
                states.add(file.read().rpartition(b")")[2].split()[0])
        except OSError:
            pass
    return states or {b"X"}


def reap() -> list[Death]:
    """All children that have ended, adopted orphans too, without waiting."""
    deaths: list[Death] = []
    while True:
        try:
            result = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return deaths
        if result is None:
            return deaths
        if result.si_code == os.CLD_EXITED:
            deaths.append(Death(result.si_pid, f"exit status {result.si_status}", result.si_status == 0))
        else:
            core = " (core dumped)" if result.si_code == os.CLD_DUMPED else ""
            name = _signal_name(result.si_status)
            deaths.append(Death(result.si_pid, f"signal {name}{core}", is_clean=False))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
