"""What the plan asks for, done: molds started, workers forked, children asked to leave or killed.

A deed that the system refuses raises; what that means is the master's to say.
"""

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import Unavailable
from ..lifeline import Lifeline
from ..limits.cgroup import Group, Groups
from ..limits.retirement import requests_most
from ..listeners import Listener
from ..policy.view import Action, Desired, Drain, Fork, Kill, Role, StartClerk, StartMold, State
from ..relay import Relay
from ..scoreboard import Scoreboard
from ..settings.sections import Settings, as_message, limits_of
from ..systemd.journal import Journal
from . import spawn
from .children import Children
from .generations import Generations
from .record import Record

ClerkLife = Callable[[Lifeline, int], None]
"""Given its end of the lifeline and the master's pid."""

# The clerk is of none.
NO_GENERATION = 0
NOT_IN_TIME = "it has not become a mold within stop_timeout"


class Deeds:
    """The hands of the master. `environment` is what the application gets before its own [environment],
    `python` the interpreter when the settings name none, `journal` where its workers write too, `groups`
    where control groups can be made for them, and `clerk` what the clerk does for the whole of its life."""

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
        clerk: ClerkLife,
    ) -> None:
        self._children = children
        self._scoreboard = scoreboard
        self._listeners = listeners
        self._environment = environment
        self._python = python
        self._journal = journal.path
        self._relay = relay
        self._groups = groups
        self._clerk = clerk
        self._has_orphans = False
        self._unheard: dict[int, dict[str, Any]] = {}
        # Who became corn by execve(2) may have had children of his own.
        self._strangers = spawn.children()

    def do(self, action: Action, desired: Desired, generations: Generations, now: float) -> None:
        """One action of the plan; raises what the deeds raise."""
        match action:
            case StartMold(generation):
                self.start_mold(generation, generations.settings(generation), now)
            case StartClerk():
                self.start_clerk(now)
            case Fork(generation, role):
                is_checked = role is Role.HTTP and generations.is_checked(generation)
                self.fork(generation, role, generations.settings(generation), now, is_checked=is_checked)
            case Drain(key, becomes_mold):
                self.drain(key, desired, now, becomes_mold=becomes_mold)
            case Kill(key, cause):
                self.kill(self._children[key], cause, now)

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
            settings=as_message(self._as_a_mold_sees(settings)),
        )
        if not was_sent and not mine.is_over():
            # One that has ended already tells why by its end.
            self.kill(record, "it does not listen", now)

    def _as_a_mold_sees(self, settings: Settings) -> Settings:
        """The sockets stay what they are over a reload, whatever its `listen` says; and the address of the
        lock, which may hold a password, is none of the application's."""
        listen = tuple(one.address for one in self._listeners)
        return replace(settings, listen=listen, cron=replace(settings.cron, lock=""))

    def start_clerk(self, now: float) -> None:
        """Forks the clerk off the master itself. Raises Unavailable."""
        mine, theirs = Lifeline.pair()
        with theirs:
            life = partial(self._clerk, Lifeline(theirs), os.getpid())
            try:
                pid = spawn.fork(life, theirs.fileno())
            except BaseException:
                mine.close()
                raise
        record = self._children.add(Role.CLERK, NO_GENERATION, mine, now)
        record.pid = pid

    def fork(
        self, generation: int, role: Role, settings: Settings, now: float, *, is_checked: bool = False
    ) -> None:
        """Asks the mold of a generation for a worker; a refusal comes as an event. `is_checked`: it waits to
        be asked before it takes in clients. Raises Unavailable."""
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
            limits = record.limits = limits_of(settings) if role is Role.CRON else settings.limits
            record.warmth = mold.warmth
            record.requests_most = requests_most(limits, random.random())
            record.id_field = settings.http.request_id_header if settings.http.request_id_answer else ""
            record.group = self._group(f"{role.value}-{record.key}", limits.memory_hard)
            was_sent = mold.lifeline.send(
                "fork",
                (theirs.fileno(), record.nudge_fd),
                key=record.key,
                slot=record.slot,
                role=role.value,
                group=record.group.path if record.group is not None else "",
                is_checked=is_checked,
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

    def drain(self, key: int, desired: Desired, now: float, *, becomes_mold: bool = False) -> None:
        """Asks a child to leave; where others stay, they go on with its clients. Or, without clients, to
        become a mold."""
        record = self._children[key]
        if record.state is State.MOLDING:
            record.retires = record.retires or NOT_IN_TIME
            if desired.patience and now - record.since >= desired.patience and self._is_idle(record):
                # It waits for nobody, but for a hook of the application's perhaps, which no word reaches.
                self.kill(record, NOT_IN_TIME, now)
                return
        elif not becomes_mold and record.generation == desired.generation and not desired.stopping:
            # One too many finishes what it does, however long its limits let that take.
            record.retires = record.retires or "fewer workers are wanted"
        record.is_asked, record.has_been_chosen = not becomes_mold, record.has_been_chosen or becomes_mold
        record.enter(State.MOLDING if becomes_mold else State.DRAINING, now)
        self._unheard[key] = {"linger": desired.linger, "hand_over": not desired.stopping}
        if becomes_mold:
            self._unheard[key]["becomes_mold"] = True
        self.ask_again()

    def _is_idle(self, record: Record) -> bool:
        if record.slot is None:
            return True
        seen = self._scoreboard.slot(record.slot).glance()
        return not seen.request and not seen.connections

    def ask_again(self) -> bool:
        """Asks those to leave who had no room for the question; whether there are any left. Their time to
        leave runs all the same."""
        there = {record.key: record for record in self._children}
        self._unheard = {
            key: question
            for key, question in self._unheard.items()
            if key in there and not there[key].lifeline.send("drain", **question)
        }
        return bool(self._unheard)

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

    def has_company(self, mold: Record) -> bool:
        """Whether what a mold has imported has started processes, which would end with it."""
        if mold.group is not None:
            return mold.group.count() > 1
        return spawn.has_children(mold.pid)

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
