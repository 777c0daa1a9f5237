"""Requests that spend more than they may, and those that end with their worker: each client gets an answer.

Looks at the workers whenever the watch looks. What is to be done is limits.verdict; here it is done: the
application interrupted, or its worker's client answered in its place and the worker killed.
"""

import errno
import os
from dataclasses import dataclass
from math import inf

from ..limits.paths import limits_for
from ..limits.retirement import why_retired
from ..limits.verdict import Allowance, Deed, Limit, Struck, Usage, verdict
from ..policy.relief import TICK
from ..policy.view import Role, State
from ..scoreboard import Scoreboard
from ..signals import CPU_TIME_EXCEEDED, REQUEST_TIMEOUT
from ..slot import Glance, SlotView
from . import spawn
from .deeds import Deeds
from .events import Ended
from .farewell import Farewells, is_client
from .gauge import Gauge
from .record import Overrun, Record
from .rescue import Rescue
from .stacks import ask_for_stacks
from .stacks import stacks as stacks_at
from .voice import TOLD, Voice, over

_SIGNALS = {Limit.TIME_REAL: REQUEST_TIMEOUT, Limit.TIME_CPU: CPU_TIME_EXCEEDED}
# The master looks at who is busy every tick. What goes beyond by so much is time in which it stood still (it
# was stopped, or with the whole machine): no request pays for that.
STANDSTILL = 1.0
# A worker writes its stacks when it is its turn, on a busy machine not at once: so long it may take. One
# that takes memory quickly may take longer: the kernel puts it to sleep (memory.high), for up to 2 s at a
# time, and it can not take much more meanwhile.
WRITING, HELD = 0.5, 2.5


@dataclass
class _Running:
    """A request, from the first look at it: the CPU time of its worker then, when it was looked at last, the
    seconds that do not count, a duplicate of its client's socket (-1 while there is none), why there is none,
    whether there can be none, and what the last verdict said; once its stacks are asked for, where in their
    file they begin, and until when they are waited for."""

    request: int
    cpu: float
    looked_at: float
    excused: float = 0.0
    client: int = -1
    why_none: str = ""
    is_refused: bool = False
    struck: Struck | None = None
    stacks_at: int = -1
    held_until: float = -inf


class Overruns:
    """What all workers are at, and what they have spent on it."""

    def __init__(self, scoreboard: Scoreboard, deeds: Deeds, rescue: Rescue, voice: Voice) -> None:
        self._scoreboard = scoreboard
        self._deeds = deeds
        self._rescue = rescue
        self._voice = voice
        self._farewells = Farewells()
        self._gauge = Gauge()
        self._running: dict[int, _Running] = {}

    def look(self, record: Record, seen: Glance, now: float) -> float:
        """Does what is due about a worker; when to look again."""
        running = self._running.get(record.key)
        if running is not None and running.request != seen.request:
            self._forget(record.key)
            running = None
        memory = self._gauge.read(record, seen, now)
        # What was counted before this request is not what it has taken.
        taken = memory if seen.request and now - seen.began_at >= TICK else 0.0
        is_over = taken >= (record.limits.memory_hard or inf)
        dead = self._gauge.dead(record)
        if not record.retires and not is_over and (why := _why_retired(record, seen, memory, dead, now)):
            record.retires = why
            self._voice.retires(record)
        if seen.request:
            return self._judge(record, running, seen, taken, now)
        may_retire = record.state is State.READY and not record.retires
        old_at = record.born_at + _lifetime(record, seen) if may_retire else inf
        return min(old_at, self._gauge.due(record, seen))

    def look_after(self, now: float) -> float:
        """Looks after what has ended: connections, and what workers have left; when to look again."""
        sweep_at = now + TICK if self._deeds.sweep() else inf
        return min(sweep_at, self._farewells.look(now))

    def end(self) -> None:
        """Before the master ends: a moment for those whose connection has just been ended."""
        self._farewells.finish()

    def dismiss(self, record: Record) -> None:
        """It serves nobody any more."""
        self._gauge.forget(record)
        self._forget(record.key)

    def bury(self, death: Ended, now: float) -> None:
        """A worker has ended: whoever waited for its answer gets one."""
        record, view = death.record, death.view
        self._deeds.clear_away(record)
        self._gauge.forget(record)
        running = self._running.pop(record.key, None)
        is_job = record.role is Role.CRON  # of which others tell
        if view is None or not view.is_busy or record.kill_cause == TOLD or is_job:
            if running is not None:
                _close(running.client)
            return
        if running is not None and running.request != view.requests:
            _close(running.client)
            running = None
        status, detail = 502, "the server failed"
        if death.out_of_memory:
            status, detail = 503, "the server was out of memory"
        elif record.kill_cause:
            status, detail = 503, "the request could not be finished in time"
        elif running is not None and running.struck is not None and _is_by_interruption(death):
            # The application had taken the very signal for itself that was to interrupt it.
            status, detail = 504, "the request took too long"
        answer = self._answer(record, running, status, detail, view, now)
        self._voice.lost(record, view, record.kill_cause or death.cause, answer, death.stacks)

    def _judge(
        self, record: Record, running: _Running | None, seen: Glance, memory: float, now: float
    ) -> float:
        group = record.group
        # With what its subprocesses have used, where it has a group that counts it.
        cpu = group.cpu_seconds() if group is not None else spawn.cpu_seconds(record.pid)
        if running is None:
            running = self._running[record.key] = _Running(seen.request, cpu, seen.began_at)
        stood_still = now - running.looked_at - TICK
        if stood_still > STANDSTILL:
            running.excused += stood_still
            if running.struck is not None:
                running.struck = running.struck.later(stood_still)
        running.looked_at = now
        is_job = record.role is Role.CRON  # which has no client
        if running.client < 0 and not running.is_refused and not is_job and now - seen.began_at >= TICK:
            self._hold_client(record, running, seen)
        usage = Usage(now - seen.began_at - running.excused, cpu - running.cpu, memory)
        allowed = self._allowance(record, seen)
        if usage.real < 2 * TICK and usage.memory < 2 * allowed.memory_hard:
            # Its other clients are just being handed over.
            usage = usage._replace(memory=0.0)
        deed, running.struck, look_at = verdict(allowed, seen.request, usage, running.struck, now)
        if deed is not Deed.NOTHING:
            assert running.struck is not None
            limit = running.struck.limit
            if deed is Deed.INTERRUPT:
                assert record.slot is not None
                self._scoreboard.slot(record.slot).strike(seen.request, allowed.of(limit), usage.of(limit))
                spawn.interrupt(record.pid, _SIGNALS[limit])
                record.retires = record.retires or f"a request was interrupted (limits.{limit.value})"
            else:
                self._take_over(record, running, allowed, usage, now)
        return look_at

    def _allowance(self, record: Record, seen: Glance) -> Allowance:
        """What the request that runs may spend. Read anew each time: its code may ask for more."""
        limits = record.limits
        if limits.path and record.slot is not None:
            limits = limits_for(limits, self._scoreboard.slot(record.slot).view().request)
        extended_by = min(seen.extended_by, limits.extend_max or inf)
        return Allowance(
            time_real=limits.time_real + extended_by if limits.time_real else inf,
            time_cpu=limits.time_cpu or inf,
            memory_hard=limits.memory_hard or inf,
            grace=limits.grace or inf,
        )

    def _take_over(
        self, record: Record, running: _Running, allowed: Allowance, usage: Usage, now: float
    ) -> None:
        assert record.slot is not None and running.struck is not None
        slot = self._scoreboard.slot(record.slot)
        if running.stacks_at < 0:
            running.stacks_at = ask_for_stacks(record.pid, record.stacks_fd)
            is_throttled = record.group is not None and running.struck.limit is Limit.MEMORY_HARD
            running.held_until = now + (HELD if is_throttled else WRITING)
            if spawn.is_held(record.pid):
                running.held_until = now  # it writes nothing
        stacks = stacks_at(record.stacks_fd, running.stacks_at)
        if not stacks.endswith("\n") and now < running.held_until:
            return
        with spawn.stopped(record.pid) as is_stopped:
            seen = slot.glance()
            if seen.request != running.request:
                # It has come back at the last moment.
                return
            if is_stopped:
                # Whoever has not been handed to the others yet.
                self._rescue.take_all(record)
            elif now < running.held_until:
                # The kernel has it, for a moment (it looks for memory): its other clients would be lost.
                return
            self._deeds.kill(record, TOLD, now)
        # Read after the kill: where it could not be stopped (within vfork) it has run until then.
        view = slot.view()
        del self._running[record.key]
        limit = running.struck.limit
        if record.role is Role.CRON:
            record.overrun = Overrun(limit.value, over(limit, allowed, usage), stacks)
            return
        status, detail = (504, "the request took too long")
        if limit is Limit.MEMORY_HARD:
            # What an earlier request has left behind counts as well: it need not be this one's.
            status, detail = (503, "the server used too much memory")
        answer = self._answer(record, running, status, detail, view, now)
        self._voice.taken_over(record, view, limit, allowed, usage, answer, stacks)

    def _answer(
        self, record: Record, running: _Running | None, status: int, detail: str, view: SlotView, now: float
    ) -> str:
        """In words, what the client got of the answer that its worker can not give any more. The worker is
        dead, or will not run again, so nobody is answered twice."""
        client = running.client if running is not None else -1
        if not view.is_busy:
            _close(client)
            return "its answer"
        if client < 0:
            why_none = running.why_none if running is not None else ""
            return f"a closed connection: {why_none or 'it was younger than a tick'}"
        if view.has_head_left:
            return self._farewells.cut(client, now)
        lines = "Retry-After: 1\r\n" if status == 503 else ""
        if record.id_field:
            lines += f"{record.id_field}: {view.request_id}\r\n"
        method = view.request.partition(" ")[0]
        return self._farewells.say(client, status, detail, now, lines=lines, method=method)

    def _hold_client(self, record: Record, running: _Running, seen: Glance) -> None:
        """Takes a duplicate of the client's socket, which a crash of the worker leaves open."""
        assert record.slot is not None
        try:
            copy = spawn.duplicate(record.pid, seen.client_fd)
        except OSError as error:
            if error.errno != errno.ESRCH:
                running.why_none = f"pidfd_getfd(2): {os.strerror(error.errno or 0)}"
                running.is_refused = error.errno not in (errno.EMFILE, errno.ENFILE)
            return
        # The number may be another's, if the request ended meanwhile.
        if self._scoreboard.slot(record.slot).glance().request != seen.request:
            os.close(copy)
        elif not is_client(copy):
            os.close(copy)
            running.why_none = "the worker has something else at its descriptor"
            running.is_refused = True
        else:
            running.client = copy

    def _forget(self, key: int) -> None:
        running = self._running.pop(key, None)
        if running is not None:
            _close(running.client)


def _is_by_interruption(death: Ended) -> bool:
    """Whether it was ended by a signal of corn's own, which interrupts and ends nobody."""
    return death.cause in {f"signal {number}" for number in _SIGNALS.values()}


def _lifetime(record: Record, seen: Glance) -> float:
    """At which age an idle worker has done enough."""
    lifetime = record.limits.lifetime or inf
    has_served = seen.requests >= record.requests_most
    return min(lifetime, record.limits.lifetime_min) if has_served else lifetime


def _why_retired(record: Record, seen: Glance, memory: float, dead: int, now: float) -> str:
    if record.state is not State.READY:
        return ""
    answered = seen.requests - bool(seen.request)
    age = now - record.born_at
    return why_retired(
        record.limits, record.requests_most, requests=answered, age=age, memory=memory, dead=dead
    )


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)
