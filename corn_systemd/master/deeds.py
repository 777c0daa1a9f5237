"""What the plan asks for, done: molds started, workers forked, children asked to leave or killed.

A deed that the system refuses raises; what that means is the master's to say.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..errors import Unavailable
from ..lifeline import Lifeline
from ..limits.cgroup import Group, Groups
from ..limits.retirement import requests_most
from ..listeners import Listener
from ..policy.view import Desired, Role, State
from ..relay import Relay
from ..scoreboard import Scoreboard
from ..settings.sections import Settings, as_message
from ..systemd.journal import Journal
from . import spawn
from .children import Children
from .record import Record


class Deeds:
    """The hands of the master. `environment` is what the application gets before its own [environment],
    `python` the interpreter when the settings name none, `journal` where its workers write too, `groups`
    where control groups can be made for them."""

    def __init__(
        self,
        children: Children,
        scoreboard: Scoreboard,
        listeners: Sequence[Listener],
        environment: Mapping[str, str],
        python: str,
        journal: Journal,
        relay: Relay,
        groups: Groups | None,
    ) -> None:
        self._children = children
        self._scoreboard = scoreboard
        self._listeners = listeners
        self._environment = environment
        self._python = python
        self._journal = journal.path
        self._relay = relay
        self._groups = groups
        self._has_orphans = False
        # Who became corn by execve(2) may have had children of his own.
        self._strangers = spawn.children()

    def start_mold(self, generation: int, settings: Settings, now: float) -> None:
        """Executes the interpreter that is to import the application.

        Raises ConfigError (there is no such interpreter) or Unavailable (no process to be had).
        """
        mine, theirs = Lifeline.pair()
        with theirs:
            try:
                executable = spawn.interpreter(settings.python, self._python)
                environment = {**self._environment, **settings.environment}
                pid = spawn.start_mold(executable, theirs.fileno(), environment)
            except BaseException:
                mine.close()
                raise
        record = self._children.add(Role.MOLD, generation, mine, now)
        record.pid = pid
        record.group = self._group(f"mold-{record.key}")
        if record.group is not None:
            record.group.take(pid)
        was_sent = mine.send(
            "boot",
            (
                self._scoreboard.fd,
                self._scoreboard.wake_fd,
                *self._relay.fds,
                *(listener.socket.fileno() for listener in self._listeners),
            ),
            instance=settings.name,
            generation=generation,
            journal=self._journal,
            # The sockets stay what they are over a reload, whatever its `listen` says.
            settings=as_message(replace(settings, listen=tuple(one.address for one in self._listeners))),
        )
        if not was_sent:
            self.kill(record, "it does not listen", now)

    def fork(self, generation: int, role: Role, settings: Settings, now: float) -> None:
        """Asks the mold of a generation for a worker; a refusal comes as an event. Raises Unavailable."""
        mold = self._children.mold(generation)
        if mold is None:
            return
        mine, theirs = Lifeline.pair()
        with theirs:
            try:
                record = self._children.add(role, generation, mine, now)
            except (IndexError, OSError) as error:
                mine.close()
                raise Unavailable(str(error)) from error
            record.limits = settings.limits
            record.requests_most = requests_most(settings.limits, random.random())
            record.id_field = settings.http.request_id_header if settings.http.request_id_answer else ""
            record.group = self._group(f"{role.value}-{record.key}", settings.limits.memory_hard)
            was_sent = mold.lifeline.send(
                "fork",
                (theirs.fileno(), record.nudge_fd),
                key=record.key,
                slot=record.slot,
                role=role.value,
                group=record.group.path if record.group is not None else "",
            )
            if not was_sent:
                self._children.remove(record)
                self.clear_away(record)
                raise Unavailable("the mold does not listen")

    def _group(self, name: str, memory_hard: int = 0) -> Group | None:
        """A control group for a child, if there can be one."""
        if self._groups is None:
            return None
        try:
            return self._groups.make(name, memory_hard)
        except OSError:
            return None

    def drain(self, key: int, desired: Desired, now: float) -> None:
        """Asks a child to leave; where others stay, they go on with its clients."""
        record = self._children[key]
        record.is_asked = True
        record.enter(State.DRAINING, now)
        record.lifeline.send("drain", linger=desired.linger, hand_over=not desired.stopping)

    def kill(self, record: Record, cause: str, now: float) -> None:
        """Ends a child at once; one that has not told its pid yet is killed when it does."""
        record.kill_cause = record.kill_cause or cause
        record.enter(State.KILLED, now)
        if record.pid:
            spawn.kill(record.pid)
        if record.group is not None:
            record.group.end()

    def clear_away(self, record: Record) -> None:
        """A child has ended: whatever it has started ends too."""
        if record.group is not None and self._groups is not None:
            self._groups.leave(record.group)
        elif self._groups is None:
            self._has_orphans = True

    def spare_orphans(self, record: Record) -> None:
        """A child is ready. What a mold's import has left is for all its workers, and ends with nobody of
        them."""
        if record.role is Role.MOLD and self._groups is None:
            self._strangers |= spawn.children() - {record.pid for record in self._children}

    def sweep(self) -> bool:
        """Ends what earlier children have left behind; whether there is more to do."""
        is_leaving = self._groups is not None and self._groups.look()
        # An orphan is a child of ours that is on no record; so is a worker that is just being born.
        if self._has_orphans and all(record.pid for record in self._children):
            orphans = spawn.children() - self._strangers - {record.pid for record in self._children}
            for pid in orphans:
                spawn.kill(pid)
            # What they have started themselves becomes ours when they have ended.
            self._has_orphans = bool(orphans)
        return is_leaving or self._has_orphans

    def kill_all(self, now: float) -> None:
        for record in self._children:
            self.kill(record, "stopping", now)
