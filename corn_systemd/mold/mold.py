"""The mold: imports the application once, and then only forks. A worker that has served may become one, too.

It serves nobody and decides nothing: the master asks for each worker over the lifeline. Standard library
alone: this runs in the application's interpreter.
"""

import faulthandler
import gc
import os
import select
import signal
import socket
import sys
from dataclasses import asdict

from ..declarations import declared
from ..errors import AppError
from ..lifeline import Lifeline, Message
from ..relay import Relay
from ..scoreboard import Scoreboard
from ..settings.sections import Settings, from_message
from ..signals import STACKS
from ..systemd.journal import Journal
from ..worker import base, kernel
from ..worker.output import flush
from ..wsgi import target
from ..wsgi.target import Application
from .fitness import unfit, unfit_to_be_mold

_ALL_SIGNALS = signal.valid_signals()


def main(lifeline_fd: int, master_pid: int) -> int:
    """Runs a mold, or, behind a fork, a worker; returns the exit status of the process."""
    kernel.die_with(master_pid)
    kernel.be_no_safer()
    # The master is who hears Ctrl-C and the terminal's end. A handler, not SIG_IGN, which what the
    # application starts would inherit.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)
    os.set_inheritable(lifeline_fd, False)
    lifeline = Lifeline(socket.socket(fileno=lifeline_fd))
    boot = _hear(lifeline, master_pid)
    title = kernel.Title()
    _put_up(title, boot)
    application = None
    stacks_fd = os.memfd_create("corn-stacks", os.MFD_CLOEXEC)
    # Of an import that does not come to an end; each worker has a file of its own.
    faulthandler.register(STACKS, stacks_fd, all_threads=True)
    lifeline.send("stacks", (stacks_fd,))
    try:
        enter(boot.settings)
        broken = {}
        if boot.settings.preload:
            application = target.load(boot.settings.app)
            broken = _broken(boot.settings)
    except AppError as error:
        lifeline.send("failed", summary=error.summary, traceback=error.traceback)
        return error.exit_status
    warnings = unfit(_ours(lifeline, boot))
    _set()
    jobs = [asdict(job) for job in declared()] if boot.settings.preload else None
    lifeline.send("ready", warnings=warnings, jobs=jobs, broken=broken)
    return _serve(lifeline, boot, title, application)


def _serve(lifeline: Lifeline, boot: base.Boot, title: kernel.Title, application: Application | None) -> int:
    """Forks until the end, and goes on as what was forked: as a worker, and where that becomes a mold, so on.

    Each time in this very frame: a mold holds nothing of what it was as a worker.
    """
    while (birth := _fork_on_request(lifeline)) is not None:
        lifeline.close()
        if application is not None:
            status = base.live(birth, boot, title, lambda: application)
        else:
            status = base.live(birth, boot, title, lambda: target.load(boot.settings.app))
        if status is not None:
            return status
        lifeline = birth.lifeline
        _put_up(title, boot)
        causes = _rehearse() or unfit_to_be_mold(_ours(lifeline, boot))
        if causes:
            lifeline.send("unfit", causes=causes)
            base.end()
        _set()
        lifeline.send("molded")
    return 0


def _put_up(title: kernel.Title, boot: base.Boot) -> None:
    title.set(f"corn: mold {boot.settings.name} g{boot.generation}")


def _ours(lifeline: Lifeline, boot: base.Boot) -> set[int]:
    """The sockets of a mold that are no application's."""
    listeners = {listener.fileno() for listener in boot.listeners}
    return {lifeline.fileno(), *boot.relay.fds, boot.journal.fileno()} | listeners


def _set() -> None:
    """What is there now stays: out of the collector's sight, its pages stay shared with the workers."""
    gc.collect()
    gc.freeze()


def _rehearse() -> list[str]:
    """Forks once for nothing: by os.register_at_fork(before=...) the application closes what it would not
    share. Why not even that can be done, if so."""
    flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
    except OSError as error:
        return [f"it can not fork: {error.strerror}"]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return []


def enter(settings: Settings) -> None:
    """Goes where the application is at home, and makes its modules importable from there."""
    if settings.chdir:
        try:
            os.chdir(settings.chdir)
        except OSError as error:
            raise AppError(f"can not enter chdir = {settings.chdir!r}: {error.strerror}") from error
    sys.path.insert(0, os.getcwd())
    sys.argv = [settings.app]


def _broken(settings: Settings) -> dict[str, str]:
    """Why jobs can not be called, by their names: known now, and not at three in the morning. What they need
    is imported here for all workers."""
    causes = {}
    for job in settings.cron.jobs if settings.cron.workers else ():
        try:
            target.load(job.call, "a job")
        except AppError as error:
            causes[job.name] = error.summary
    return causes


def _hear(lifeline: Lifeline, master_pid: int) -> base.Boot:
    message = _next(lifeline)
    if message is None or message.kind != "boot":
        raise SystemExit(0)
    fields = message.fields
    board, wake, giving, taking, *listeners = message.fds
    return base.Boot(
        settings=from_message(fields["settings"]),
        generation=fields["generation"],
        master_pid=master_pid,
        scoreboard=Scoreboard(board, wake),
        relay=Relay(socket.socket(fileno=giving), socket.socket(fileno=taking)),
        listeners=tuple(socket.socket(fileno=fd) for fd in listeners),
        journal=Journal(fields["instance"], fields["journal"]),
    )


def _next(lifeline: Lifeline) -> Message | None:
    """Waits for the master's next word; None when the master is gone."""
    poller = select.poll()
    poller.register(lifeline.fileno(), select.POLLIN)
    while True:
        try:
            message = lifeline.receive()
        except EOFError:
            return None
        if message is not None:
            return message
        poller.poll()


def _fork_on_request(lifeline: Lifeline) -> base.Birth | None:
    """Forks whenever asked to: returns in each worker its Birth, and in the mold None at the very end."""
    while True:
        message = _next(lifeline)
        if message is None:
            return None
        if message.kind == "fork":
            fd, nudge_fd = message.fds
            birth, error = _fork(message, fd, nudge_fd)
            if birth is not None:
                return birth
            if error:
                lifeline.send("fork-failed", key=message.fields["key"], cause=error)
            # After the words: whoever hears this end close looks for them.
            os.close(fd)
            os.close(nudge_fd)
        elif message.kind == "drain":
            # It was to be a mold, and shall not any more.
            return None


def _fork(message: Message, lifeline_fd: int, nudge_fd: int) -> tuple[base.Birth | None, str]:
    """Forks twice, so that the worker becomes the child of the master.

    All signals are blocked around it: none is ever handled, or lost, half-way between two processes.
    Returns the Birth in the worker; in the mold (None, why it failed or "").
    """
    flush()
    mold_pid = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL_SIGNALS)
    try:
        # Over a pipe, not by the exit status: the application may ignore SIGCHLD, or reap all it finds.
        reader, writer = os.pipe2(os.O_CLOEXEC)
        with open(reader, "rb") as outcome:
            try:
                pid = os.fork()
                if pid == 0:
                    between = os.getpid()
                    try:
                        if os.fork():
                            os._exit(0)
                    except OSError as error:
                        os.write(writer, os.strerror(error.errno or 0).encode())
                        os._exit(1)
                    lifeline = Lifeline(socket.socket(fileno=lifeline_fd))
                    place = {name: message.fields[name] for name in ("slot", "role", "group")}
                    is_checked = bool(message.fields.get("is_checked"))
                    birth = base.Birth(lifeline, nudge_fd, between, before, is_checked=is_checked, **place)
                    return birth, ""
            finally:
                os.close(writer)
            cause = outcome.read().decode()
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            pass
        return None, cause
    except OSError as error:
        return None, error.strerror or str(error)
    finally:
        # In a worker the mask stays until base.live() has made it fit for signals.
        if os.getpid() == mold_pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
