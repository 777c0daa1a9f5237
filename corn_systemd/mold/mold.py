"""The mold: imports the application once, and then only forks.

It serves nobody and decides nothing: the master asks for each worker over the lifeline. Standard library
alone: this runs in the application's interpreter.
"""

import gc
import os
import select
import signal
import socket
import sys

from ..errors import AppError
from ..lifeline import Lifeline, Message
from ..relay import Relay
from ..scoreboard import Scoreboard
from ..settings.sections import Settings, from_message
from ..systemd.journal import Journal
from ..worker import base, kernel
from ..wsgi import target
from .fitness import unfit

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
    title.set(f"corn: mold {boot.settings.name} g{boot.generation}")
    application = None
    try:
        enter(boot.settings)
        if boot.settings.preload:
            application = target.load(boot.settings.app)
    except AppError as error:
        lifeline.send("failed", summary=error.summary, traceback=error.traceback)
        return error.exit_status
    ours = {lifeline_fd, *boot.relay.fds, boot.journal.fileno()}
    warnings = unfit(known=ours | {listener.fileno() for listener in boot.listeners})
    # What is imported stays: out of the collector's sight, its pages stay shared with the workers.
    gc.collect()
    gc.freeze()
    lifeline.send("ready", warnings=warnings)
    birth = _fork_on_request(lifeline)
    if birth is None:
        return 0
    lifeline.close()
    if application is not None:
        return base.live(birth, boot, title, lambda: application)
    return base.live(birth, boot, title, lambda: target.load(boot.settings.app))


def enter(settings: Settings) -> None:
    """Goes where the application is at home, and makes its modules importable from there."""
    if settings.chdir:
        try:
            os.chdir(settings.chdir)
        except OSError as error:
            raise AppError(f"can not enter chdir = {settings.chdir!r}: {error.strerror}") from error
    sys.path.insert(0, os.getcwd())
    sys.argv = [settings.app]


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


def _fork(message: Message, lifeline_fd: int, nudge_fd: int) -> tuple[base.Birth | None, str]:
    """Forks twice, so that the worker becomes the child of the master.

    All signals are blocked around it: none is ever handled, or lost, half-way between two processes.
    Returns the Birth in the worker; in the mold (None, why it failed or "").
    """
    base.flush()
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
                    return base.Birth(lifeline, nudge_fd, between, before, **place), ""
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
        if os.getpid() == _mold_pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


_mold_pid = os.getpid()
