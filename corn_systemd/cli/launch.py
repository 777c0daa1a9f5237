"""From settings to a running master: what `corn serve` and `corn run` have in common.

Takes what systemd passed, finds or binds the sockets, makes the instance's place, and hands all of it to the
master. What goes wrong before the master lives is told in the same way as after it.
"""

import faulthandler
import os
import pwd
import socket
import sys
from collections.abc import Callable
from dataclasses import replace

from .. import listeners as sockets
from ..errors import ConfigError, CornError
from ..listeners import Listeners
from ..master.control import Control
from ..master.master import Master
from ..master.refusal import answer_waiting
from ..master.voice import Voice
from ..scoreboard import Scoreboard
from ..settings.kinds import Address
from ..settings.load import Loaded
from ..settings.sections import Settings
from ..systemd import activation, messages
from ..systemd.journal import Journal
from ..systemd.notify import Notifier
from ..worker import kernel
from . import place, workers

# Workers of two generations side by side at the largest count, and those still draining.
SLOTS = 1024
_STORED = "corn-listener"


def launch(name: str, read: Callable[[], Loaded], default: Address | None = None) -> int:
    """Runs an instance until it is stopped; returns its exit status.

    `default` is where it listens when its settings do not say: without one, at the socket that the socket
    unit has by default, /run/corn/NAME.sock, or in the instance's own directory.
    """
    # A watchdog that finds the master stuck ends it by SIGABRT: the journal shows where (faulthandler).
    faulthandler.enable()
    kernel.Title().set(f"corn: master {name}")
    notifier = Notifier(os.environ)
    passed = activation.take(os.environ)
    journal = Journal.of_environment(name)
    voice = Voice(journal, notifier)
    is_service = notifier.is_listening
    at_hand = [(label, sock) for label, fd in passed if (sock := activation.listening(fd)) is not None]
    try:
        loaded = read()
        settings = _fit(loaded.settings)
        directory = place.own(name)
        wanted = settings.listen or (default or _default_address(name, directory, at_hand),)
        listeners = sockets.take(wanted, at_hand)
        control = Control(*_control(name, directory))
    except CornError as error:
        voice.refuse(error)
        answer_waiting([sock for _label, sock in at_hand])
        return error.exit_status
    for warning in loaded.warnings:
        journal.emit(messages.SETTINGS_WARNING, warning=warning)
    _tell(listeners, journal, notifier, name, is_service)
    master = Master(
        settings,
        read_settings=lambda: _fit(read().settings),
        count_workers=workers.number,
        listeners=listeners,
        voice=voice,
        environment=dict(os.environ),
        python=sys.executable,
        scoreboard=Scoreboard.create(SLOTS, os.path.join(directory, "scoreboard")),
        control=control,
    )
    return master.run()


def _fit(settings: Settings) -> Settings:
    """The settings with what the environment adds; ConfigError when they are another user's."""
    user = pwd.getpwuid(os.geteuid()).pw_name if _has_name(os.geteuid()) else str(os.geteuid())
    if settings.user and settings.user != user:
        raise ConfigError(
            f"user = {settings.user!r}, but this runs as {user}; corn never changes its user, systemd does: "
            f"run systemctl daemon-reload, then systemctl restart corn@{settings.name}"
        )
    spool = os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]
    return replace(settings, http=replace(settings.http, spool_directory=spool))


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _default_address(name: str, directory: str, passed: list[tuple[str, socket.socket]]) -> Address:
    """/run/corn/NAME.sock when systemd holds it, else a socket in the instance's own directory."""
    usual = Address("unix", path=os.path.join(place.RUN, f"{name}.sock"))
    if any(sockets.where(sock).path == usual.path for _label, sock in passed):
        return usual
    return Address("unix", path=os.path.join(directory, "http.sock"))


def _control(name: str, directory: str) -> tuple[str, socket.socket]:
    path = os.path.join(directory, "control")
    try:
        return path, sockets.bind(Address("unix", path=path, mode=0o660))
    except ConfigError as error:
        raise ConfigError(f"instance {name} runs already, or {error}") from error


def _tell(listeners: Listeners, journal: Journal, notifier: Notifier, name: str, is_service: bool) -> None:
    """Reports sockets that are not as the settings want them, and leaves our own with systemd."""
    # A restart of both units at once fails more often than not: the sockets are still taken (252, 257).
    units = f"corn@{name}.socket corn@{name}"
    cure = f"systemctl daemon-reload && systemctl stop {units} && systemctl start corn@{name}"
    for label, sock, address in listeners.surplus:
        if label == _STORED:
            notifier.forget(label)
        else:
            journal.emit(messages.LISTENER_SURPLUS, address=address, cure=cure)
        sock.close()
    for skipped in listeners.skipped:
        journal.emit(messages.SETTINGS_WARNING, warning=f"not served, this machine has no IPv6: {skipped}")
    for number, listener in enumerate(listeners.served):
        if is_service and listener.is_own:
            journal.emit(messages.LISTENER_BOUND, address=str(listener.address), cure=cure)
            if notifier.store(_STORED, listener.socket.fileno()):
                # The next master finds it in the store: the name of a unix socket must outlive this one.
                listeners.served[number] = replace(listener, is_own=False)
