"""From settings to a running master: what `corn serve` and `corn run` have in common.

Takes what systemd passed, finds or binds the sockets, makes the instance's place, and hands all of it to the
master. What goes wrong before the master lives is told in the same way as after it.
"""

import faulthandler
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .. import listeners as sockets
from ..clerk import clerk
from ..clerk.witness import ended_well
from ..cron.ledger import Ledger
from ..errors import ConfigError, CornError
from ..lifeline import Lifeline
from ..limits.cgroup import Groups
from ..listeners import Listeners
from ..master.control import Control
from ..master.master import Master
from ..master.refusal import answer_waiting
from ..master.voice import Voice
from ..relay import Relay
from ..scoreboard import Scoreboard
from ..settings.kinds import Address
from ..settings.load import Loaded
from ..settings.reader import user_name
from ..settings.sections import Settings
from ..systemd import activation, messages
from ..systemd.journal import Journal
from ..systemd.notify import Notifier
from ..worker import kernel
from . import place, wakers, workers

# Workers of two generations side by side at the largest count, and those still draining.
SLOTS = 1024
_STORED = wakers.STORED
_STARTED = f"{time.time():.3f}"


def launch(name: str, read: Callable[[], Loaded], default: Address | None = None) -> int:
    """Runs an instance until it is stopped; returns its exit status.

    `default` is where it listens when neither its settings nor passed sockets say: without one, in the
    instance's own directory.
    """
    # A watchdog that finds the master stuck ends it by SIGABRT: the journal shows where (faulthandler).
    faulthandler.enable(file=2)
    kernel.Title().set(f"corn: master {name}")
    passed = activation.take(os.environ)  # first: nothing that is opened here is taken for a passed one
    woken_by = os.environ.pop("CORN_WOKEN_BY", "")
    notifier = Notifier(os.environ)
    journal = Journal.of_environment(name)
    voice = Voice(journal, notifier)
    is_service = notifier.is_listening
    at_hand = [(label, sock) for label, fd in passed.fds if (sock := activation.listening(fd)) is not None]
    user = user_name()
    try:
        loaded = read()
        settings = _fit(loaded.settings, user)
        directory = place.claimed(name)
        own = default or Address("unix", path=os.path.join(directory, "http.sock"))
        listeners = sockets.take(settings.listen or _addresses(at_hand) or (own,), at_hand)
        control = Control.create(os.path.join(directory, "control"))
        scoreboard = Scoreboard.create(SLOTS, os.path.join(directory, "scoreboard"))
        relay = Relay.create()
        groups = _groups(journal)
    except CornError as error:
        voice.refuse(error)
        answer_waiting([sock for _label, sock in at_hand])
        return error.exit_status
    missing = f"{passed.missing} descriptors of LISTEN_FDS are not open" if passed.missing else ""
    for warning in filter(None, (*loaded.warnings, missing)):
        journal.emit(messages.SETTINGS_WARNING, warning=warning)
    state = place.state(name)
    waker = wakers.of(listeners, at_hand, woken_by, name, state)  # before any is taken for systemd's
    _tell(listeners, journal, notifier, name, is_service)
    ledger = Ledger(os.path.join(state, "ledger"))
    master = Master(
        settings,
        read_settings=lambda: _fit(read().settings, user),
        count_workers=workers.of_process,
        listeners=listeners,
        voice=voice,
        environment=dict(os.environ),
        python=sys.executable,
        scoreboard=scoreboard,
        relay=relay,
        groups=groups,
        ledger=ledger,
        clerk=partial(_be_clerk, ledger, name, scoreboard),
        control=control,
        stops_at_hangup=default is not None,
        wakers=waker,
    )
    return master.run()


def _fit(settings: Settings, user: str) -> Settings:
    """The settings with what the environment adds; ConfigError when they are not those of `user`."""
    if settings.user and settings.user != user:
        raise ConfigError(
            f"user = {settings.user!r}, but this runs as {user}; corn never changes its user, systemd does: "
            f"run systemctl daemon-reload, then systemctl restart corn@{settings.name}"
        )
    spool = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    return replace(settings, http=replace(settings.http, spool_directory=spool))


def _be_clerk(
    ledger: Ledger, name: str, scoreboard: Scoreboard, lifeline: Lifeline, master_pid: int
) -> None:
    """The life of the clerk, in a process of its own."""
    kernel.Title().set(f"corn: clerk {name}")
    # One life of one master: what it holds in a database is nobody else's, not its successor's either.
    owner = f"{socket.gethostname()}, pid {master_pid} ({_STARTED})"
    clerk.live(lifeline, ledger, name, owner, partial(ended_well, scoreboard))


def _addresses(passed: list[tuple[str, socket.socket]]) -> tuple[Address, ...]:
    """Where the passed sockets listen; not those that an earlier master bound and left in the store."""
    return tuple(sockets.where(sock) for label, sock in passed if not label.startswith(_STORED))


def stored_name(address: Address) -> str:
    """Under what a socket is stored (FDNAME=, sd_pid_notify_with_fds(3): ASCII without ":", 255 at most)."""
    text = f"{_STORED}-{address}".replace(":", "_")
    return "".join(character if "!" <= character <= "~" else "?" for character in text)[:255]


def _groups(journal: Journal) -> Groups | None:
    """The control groups that are ours to make, if there are any."""
    try:
        return Groups.delegated()
    except OSError as error:
        journal.emit(messages.GROUPS_REFUSED, cause=error.strerror or str(error), path=error.filename or "")
        return None


def _tell(listeners: Listeners, journal: Journal, notifier: Notifier, name: str, is_service: bool) -> None:
    """Reports sockets that are not as the settings want them, and leaves our own with systemd."""
    # A restart of both units at once fails more often than not: the sockets are still taken (252, 257).
    units = f"corn@{name}.socket corn@{name}"
    cure = f"systemctl daemon-reload && systemctl stop {units} && systemctl start corn@{name}"
    for label, sock, address in listeners.surplus:
        if label.startswith(_STORED):
            notifier.forget(label)
        else:
            journal.emit(messages.LISTENER_SURPLUS, address=address, cure=cure)
        sock.close()
    for skipped in listeners.skipped:
        journal.emit(messages.SETTINGS_WARNING, warning=f"not served, this machine has no IPv6: {skipped}")
    for number, listener in enumerate(listeners.served):
        if is_service and listener.is_own:
            journal.emit(messages.LISTENER_BOUND, address=str(listener.address), cure=cure)
            if notifier.store(stored_name(listener.address), listener.socket.fileno()):
                # The next master finds it in the store: the name of a unix socket must outlive this one.
                listeners.served[number] = replace(listener, is_own=False)
