"""A cron worker: waits for the master to name a run, carries it out, and tells what became of it.

One run at a time, in the main thread: a job is a request from the clock, with the same slot and the same
limits. It decides nothing about when, and writes nothing down: whoever names a run has claimed it. Standard
library alone: this runs in the application's interpreter.
"""

import os
import resource
import select
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

from ..deadlines import serve_by
from ..errors import AppError
from ..lifeline import Lifeline, Message
from ..limits.cgroup import Group
from ..limits.growth import mebibytes
from ..settings.sections import Limits
from ..slot import DRAINING, Slot
from ..systemd import messages
from ..systemd.journal import Journal
from ..wsgi.failure import describe, exceeded_limit
from ..wsgi.target import load
from .account import grown_bytes, resident_bytes
from .clock import RequestClock
from .output import Copy, captured, flush
from .poller import Poller
from .surroundings import Surroundings

# How a run ends that has not been killed, and with which status where its code does not say it.
DONE, FAILED = "done", "failed"
_FAILURE = 1
# What is told of a failure in a line; the journal has all of it.
_DETAIL_MAX = 500
# The slot has a word for the client's descriptor, and a job has no client.
_NO_CLIENT = 0


class Outcome(NamedTuple):
    """What became of a run: `status` is the exit status that it would have as a program, `spent` what it has
    taken (seconds, seconds of CPU time with that of its subprocesses, bytes), `detail` why it has failed in
    a line, and `value` what its function has returned."""

    outcome: str
    status: int
    real: float
    cpu: float
    memory: int
    detail: str = ""
    value: object = None


class CronWorker:
    """One of them. `limits` are what counts where a run has none of its own; `renew` brings back what is
    to be done at corn's own signals where a job has taken them."""

    def __init__(
        self, limits: Limits, slot: Slot, journal: Journal, lifeline: Lifeline, renew: Callable[[], None]
    ) -> None:
        self._limits = limits
        self._slot = slot
        self._journal = journal
        self._lifeline = lifeline
        self._renew = renew
        self._poller = Poller()
        self._pid = os.getpid()

    def serve(self) -> None:
        """Carries out what the master names until it says "drain", or is gone."""
        print_line_by_line()
        self._journal.keep_stderr()
        while True:
            try:
                message = self._lifeline.receive()
            except EOFError:
                return
            if message is None:
                self._wait()
            elif message.kind == "drain":
                self._slot.state(DRAINING)
                return
            elif message.kind == "run":
                self._run(message)
            elif message.kind == "poll":
                self._poll(message)

    def _wait(self) -> None:
        """Until the master, or what the poller has named, has something to say."""
        poller = select.poll()
        poller.register(self._lifeline.fileno(), select.POLLIN)
        fd = self._poller.fileno()
        if fd >= 0:
            poller.register(fd, select.POLLIN)
        if any(ready == fd for ready, _ in poller.poll()):
            # Once: what is there to read is the poller's to read when it is called.
            self._poller.rest()
            self._lifeline.send("woken")

    def _run(self, message: Message) -> None:
        fields = message.fields
        about = {"job": fields["job"], "run": fields["run"], "slot": self._slot.number + 1}
        self._journal.emit(messages.JOB_STARTED, **about)
        with Copy(*message.fds) as copy:
            done = self._carry_out(fields, about, copy)
        if done.outcome == DONE:
            self._journal.emit(messages.JOB_FINISHED, **about, **_spent(done))
        told = {name: value for name, value in done._asdict().items() if name != "value"}
        self._lifeline.send("ran", run=fields["run"], **told)

    def _poll(self, message: Message) -> None:
        about = {"job": message.fields["job"], "run": message.fields["run"], "slot": self._slot.number + 1}
        done = self._carry_out(message.fields, about, Copy())
        again: float | None = None
        if done.outcome == DONE:
            try:
                again = self._poller.answered(done.value)
            except ValueError as error:
                done = done._replace(outcome=FAILED, detail=str(error))
                self._journal.emit(messages.JOB_FAILED, error=str(error), limit="", **_spent(done), **about)
        self._lifeline.send("polled", is_well=done.outcome == DONE, again=again)

    def _carry_out(self, fields: Mapping[str, Any], about: dict[str, Any], copy: "Copy") -> Outcome:
        """Calls what is named, with what it prints in the journal; what it raises is there, too."""
        limits = replace(self._limits, time_real=fields["time_real"], extend_max=fields["extend_max"])
        serve_by(RequestClock(self._slot, limits))
        memory, cpu, began = resident_bytes(), _cpu(), time.monotonic()
        self._slot.begin(_NO_CLIENT, fields["run"], "JOB", fields["job"], began)
        value: object = None
        failure: BaseException | None = None
        surroundings: Surroundings | None = None
        # For its code, and for what it starts: which run this is, the same name on every machine.
        os.environ.update(CORN_JOB=about["job"], CORN_RUN=about["run"])
        try:
            with captured(self._tell(about), copy):
                try:
                    function = load(fields["call"], "a job")
                    # What its import has changed is there to stay.
                    surroundings = Surroundings()
                    value = call(function, fields["args"])
                except BaseException as error:
                    # Also what a limit raises, and SystemExit: this process goes on, and says how it ended.
                    failure = error
                if os.getpid() != self._pid:
                    # A child that the job has forked, and that has come back from it: it is no cron worker,
                    # and its end is not the run's.
                    _leave(_status(failure))
                if not _status(failure):
                    self._slot.ended_well()
                if surroundings is not None:
                    surroundings.put_back(self._renew)
        except (OSError, RuntimeError) as error:
            # No descriptor, or no thread, for what it would print: it has not been called.
            failure = failure or error
        finally:
            now = time.monotonic()
            self._slot.end(now, 0)
        real, cpu, memory = now - began, _cpu() - cpu, grown_bytes(memory)
        status = _status(failure)
        if not status:
            failure = None
            return Outcome(DONE, 0, real, cpu, memory, value=value)
        assert failure is not None
        detail, trace = describe(failure)
        if isinstance(failure, AppError):
            detail, trace = failure.summary, failure.traceback
        exceeded = exceeded_limit(failure)
        limit = exceeded.limit if exceeded is not None else ""
        done = Outcome(FAILED, status, real, cpu, memory, detail[:_DETAIL_MAX])
        self._journal.emit(messages.JOB_FAILED, trace, error=detail, limit=limit, **_spent(done), **about)
        # It leads back here: what the job had in its hands would stay until somebody collects garbage.
        failure = exceeded = None
        return done

    def _tell(self, about: Mapping[str, Any]) -> Callable[[str], None]:
        return lambda line: self._journal.write(messages.INFO, line, job=about["job"], run=about["run"])


def call(function: Callable[..., object], args: Any) -> object:
    """Calls a job's function, and nothing else: what interrupts the application may strike here."""
    value = function(**args) if isinstance(args, dict) else function(*args)
    is_generator = (hasattr(value, "send") and hasattr(value, "__next__")) or hasattr(value, "__anext__")
    if hasattr(value, "__await__") or is_generator:
        what = "a coroutine" if hasattr(value, "__await__") else "a generator"
        raise TypeError(f"it returned {what}, of which nothing has run: call a function that runs it")
    return value


def print_line_by_line() -> None:
    """What a job prints is told while it runs, not when a buffer is full."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        except (AttributeError, OSError, ValueError):
            pass  # the application has put something else there


def stand_back(group: str, nice: int) -> None:
    """Lets requests go before: by the weight of the control group where there is one, else by
    setpriority(2)."""
    try:
        if group:
            Group(group).write("cpu.weight.nice", str(nice))
            return
    except OSError:
        pass  # the controller is not delegated
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
    except OSError:
        pass  # forbidden by the unit's filter of system calls, or less than before


def _spent(done: Outcome) -> dict[str, str]:
    """What a run has taken, for the journal."""
    return {"real": f"{done.real:.3f}", "cpu": f"{done.cpu:.3f}", "growth": mebibytes(done.memory)}


def _leave(status: int) -> NoReturn:
    flush()
    os._exit(status)


def _cpu() -> float:
    """CPU time of this process and of the children that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _status(failure: BaseException | None) -> int:
    """What the exit status would be, were the job a program."""
    if failure is None:
        return 0
    if not isinstance(failure, SystemExit):
        return _FAILURE
    if failure.code is None or isinstance(failure.code, int):
        return (failure.code or 0) & 0xFF
    return _FAILURE
