"""Being a worker: from the fork to the last answer, and perhaps to being a mold.

Adoption by the master, death with it, the slot, the title, readiness; then the role's own loop. Standard
library alone: this runs in the application's interpreter.
"""

import atexit
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import NoReturn, Protocol

from ..deadlines import serve_by
from ..declarations import declared
from ..errors import AppError
from ..lifeline import Lifeline
from ..limits.cgroup import Group
from ..relay import Relay
from ..roster import Roster
from ..scoreboard import Scoreboard
from ..settings.sections import Settings, limits_of
from ..slot import READY, Slot
from ..systemd.journal import Journal
from ..wsgi.gateway import Exchange
from ..wsgi.target import Application
from . import kernel
from .clock import RequestClock
from .cron import CronWorker, stand_back
from .http import HttpWorker
from .interruption import Interruption
from .output import flush


class Closing(Protocol):
    """A socket or a lifeline."""

    def close(self) -> None: ...


_ends: list[Closing] = []
"""What this process has, and a child that the application forks must not have."""
_heeds_forks = False


@dataclass(frozen=True)
class Boot:
    """What a mold was told at its start, and every worker that is forked from it knows."""

    settings: Settings
    generation: int
    master_pid: int
    scoreboard: Scoreboard
    relay: Relay
    listeners: tuple[socket.socket, ...]
    journal: Journal


@dataclass(frozen=True)
class Birth:
    """What a worker is born with: its place, and the mask that was in force before the fork."""

    lifeline: Lifeline
    nudge_fd: int
    between_pid: int
    signal_mask: Iterable[int]
    slot: int
    role: str
    group: str
    """The directory of its control group, if it has one."""
    is_checked: bool = False
    """Whether the master has a question for it before it may take in clients."""


def live(birth: Birth, boot: Boot, title: kernel.Title, load: Callable[[], Application]) -> int | None:
    """The whole life of a worker, entered with all signals blocked; returns its exit status, or None where it
    goes on as a mold, over the same lifeline."""
    os.setpgid(0, 0)
    _await_adoption(birth.between_pid, boot.master_pid)
    kernel.die_with(boot.master_pid)
    is_in_group = bool(birth.group) and Group(birth.group).take(0)
    if not is_in_group:
        kernel.become_subreaper()
    settings = boot.settings
    slot = boot.scoreboard.slot(birth.slot)
    slot.claim(os.getpid(), boot.generation, birth.role)
    title.set(f"corn: {birth.role} {birth.slot + 1} {settings.name} g{boot.generation}")
    signal.pthread_sigmask(signal.SIG_SETMASK, birth.signal_mask)
    roster = Roster.create()
    interruption = Interruption(slot)
    birth.lifeline.send("hello", (roster.fd, interruption.stacks_fd), is_in_group=is_in_group)
    _take_care((birth.lifeline, boot.relay, *boot.listeners))
    try:
        application = load()
        worker: HttpWorker | CronWorker
        if birth.role == "cron":
            worker = _for_jobs(birth, boot, slot, interruption, is_in_group)
        else:
            worker = HttpWorker(
                application,
                boot.listeners,
                settings.http,
                slot,
                boot.journal,
                birth.lifeline,
                boot.relay,
                roster,
                nudge_fd=birth.nudge_fd,
                scoreboard=boot.scoreboard,
                addresses=settings.listen,
            )
        kernel.limit_data(settings.limits.rlimit_data)
        interruption.install()
        serve_by(RequestClock(slot, settings.limits))
        if birth.is_checked and isinstance(worker, HttpWorker):
            worker.be_checked()
        slot.state(READY)
        birth.lifeline.send("ready", jobs=[asdict(job) for job in declared()])
        worker.serve()
        if isinstance(worker, HttpWorker) and worker.becomes_mold:
            _lay_down(birth, roster, interruption, is_in_group)
            return None
    except AppError as error:
        birth.lifeline.send("failed", summary=error.summary, traceback=error.traceback)
        return error.exit_status
    except BaseException as error:
        # A fault of corn itself: the process ends by it, and the master has the words for the journal.
        summary = traceback.format_exception_only(type(error), error)[-1].strip()
        birth.lifeline.send("failed", summary=summary, traceback=traceback.format_exc())
        raise
    return end()


def _for_jobs(
    birth: Birth, boot: Boot, slot: Slot, interruption: Interruption, is_in_group: bool
) -> CronWorker:
    """It has no clients: what leads to them is not for what its jobs start."""
    boot.relay.close()
    for listener in boot.listeners:
        listener.close()
    stand_back(birth.group if is_in_group else "", boot.settings.cron.nice)
    limits = limits_of(boot.settings)
    return CronWorker(limits, slot, boot.journal, birth.lifeline, interruption.renew)


def _lay_down(birth: Birth, roster: Roster, interruption: Interruption, is_in_group: bool) -> None:
    """Nothing of a worker is left in a process that is to be a mold, for its children to inherit; what the
    master has of it, it gives back by itself."""
    serve_by(None)
    interruption.uninstall()
    roster.close()
    os.close(birth.nudge_fd)
    _ends.clear()
    if not is_in_group:
        # Who is forked twice here must become the master's child, not ours.
        kernel.become_subreaper(False)


def end() -> NoReturn:
    """Ends this process as the interpreter does, but for taking all modules apart: that costs ten
    milliseconds for a small application, touches every page that is shared with the mold, and the kernel does
    it better.

    Threads that are no daemons are waited for and what was registered with atexit is run, as multiprocessing
    does it in its processes.
    """
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    atexit._run_exitfuncs()
    flush()
    os._exit(0)


def _take_care(ends: Iterable[Closing]) -> None:
    """What the application forks by itself is no worker: it must neither accept nor speak for one."""
    global _heeds_forks
    _ends[:] = ends
    if not _heeds_forks:
        _heeds_forks = True
        os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    if not _ends:
        # Forked by a mold, which has been a worker: this will be one.
        return
    for one in _ends:
        one.close()
    # Nor go on as a second worker when it comes back from the application, by SystemExit or by a return: the
    # client is the parent's to answer, and so is everybody in the epoll that they share.
    Exchange.disown(_leave)


def _leave(*_: object) -> None:
    """The end of a child that the application has forked."""
    error = sys.exc_info()[1]
    status: object = 1 if error is not None else 0
    if isinstance(error, SystemExit):
        status = error.code or 0
    elif error is not None:
        traceback.print_exc()
    flush()
    os._exit(status if isinstance(status, int) else 1)


def _await_adoption(between_pid: int, master_pid: int) -> None:
    """Waits until the process between has ended and the master is our parent.

    Its pidfd becomes readable after the kernel has re-parented us (exit_notify in the kernel's exit.c).
    """
    while os.getppid() == between_pid:
        try:
            fd = os.pidfd_open(between_pid)
        except OSError:
            continue
        if os.getppid() == between_pid:
            poller = select.poll()
            poller.register(fd, select.POLLIN)
            poller.poll()
        os.close(fd)
    if os.getppid() != master_pid:
        os._exit(1)
