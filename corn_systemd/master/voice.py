"""What the master says: each occurrence once to the journal, and to systemd what systemd must know.

Decides nothing about the instance. Whoever is deaf is told of once, not every five seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import AppError, CornError
from ..limits.verdict import Allowance, Limit, Usage
from ..policy.view import Role
from ..settings.kinds import Address
from ..slot import SlotView
from ..systemd import messages
from ..systemd.journal import Journal
from ..systemd.notify import Notifier
from .events import Ended
from .record import Record

# The cause of a kill of which all has been said.
TOLD = "told"


class Voice:
    """The journal and the service manager, behind one sentence for each occurrence."""

    def __init__(self, journal: Journal, notifier: Notifier) -> None:
        self.journal = journal
        self._notifier = notifier
        self._is_lost = False
        self._until = ""  # what it sleeps until, once it does
        if notifier.is_deaf:
            self._heard(False)

    @property
    def watchdog_interval(self) -> float:
        return self._notifier.watchdog_interval

    @property
    def has_unsent(self) -> bool:
        return self._notifier.has_unsent

    def _heard(self, was_sent: bool) -> None:
        if not was_sent and not self._is_lost:
            self.journal.emit(messages.NOTIFY_LOST, cause="NOTIFY_SOCKET does not take what is sent to it")
        self._is_lost = not was_sent

    def alive(self, now: float) -> None:
        was_sent = self._notifier.alive(now)
        if was_sent is not None:
            self._heard(was_sent)

    def status(self, text: str) -> None:
        self._heard(self._notifier.send(STATUS=text))

    def extend(self, seconds: float) -> None:
        self._heard(self._notifier.extend(seconds))

    def is_ready(self, app: str, workers: int, addresses: Sequence[str], took: float) -> None:
        listen = ", ".join(addresses)
        milliseconds = round(took * 1000)
        self.journal.emit(
            messages.INSTANCE_READY, workers=workers, app=app, listen=listen, milliseconds=milliseconds,
            generation=1,
        )  # fmt: skip
        self._notifier.ready(f"ready after {milliseconds} ms on {listen}")

    def refuse(self, error: CornError) -> None:
        """Nothing will be served: the cause on one line for systemctl status, the whole in the journal."""
        cause, detail = _words(error)
        self.journal.emit(messages.INSTANCE_REFUSED, detail, cause=cause)
        self._notifier.insist(STATUS=f"can not start: {cause}")

    def reloading(self) -> None:
        self._notifier.reloading()

    def reloaded(self, generation: int, took: float, status: str) -> None:
        milliseconds = round(took * 1000)
        self.journal.emit(messages.GENERATION_RELOADED, generation=generation, milliseconds=milliseconds)
        self._notifier.ready(status)

    def reload_failed(self, error: CornError, generation: int, serving: int, status: str) -> None:
        cause, detail = _words(error)
        self.journal.emit(
            messages.GENERATION_REFUSED, detail, cause=cause, generation=generation, serving=serving
        )
        self._notifier.ready(status)

    def listens(self, wanted: Sequence[Address], actual: Sequence[Address]) -> None:
        """New settings may want to listen elsewhere."""
        if wanted != actual:
            self.journal.emit(
                messages.LISTEN_NEEDS_RESTART,
                wanted=", ".join(map(str, wanted)) or "the default",
                actual=", ".join(map(str, actual)) or "the default",
            )

    def stopping(self, reason: str) -> None:
        self.journal.emit(messages.INSTANCE_STOPPING, reason=reason)
        self._notifier.insist(STOPPING=1, STATUS=f"stopping: {reason}")

    def stopped(self, requests: int) -> None:
        self.journal.emit(messages.INSTANCE_STOPPED, requests=requests)
        status = f"asleep until {self._until}" if self._until else "stopped"
        self._heard(self._notifier.send(STATUS=status))

    def sleeps(self, addresses: Sequence[str], alarm: str) -> None:
        """Until the next connection, or until what the alarm is set for."""
        until = f"the next connection to {', '.join(addresses)}" + (f", or {alarm}" if alarm else "")
        self.journal.emit(messages.INSTANCE_SLEEPS, listen=", ".join(addresses), until=until)
        self._until = "the next connection" + (f", or {alarm}" if alarm else "")
        self._notifier.insist(STOPPING=1, STATUS=f"idle: ends until {self._until}")

    def stays_awake(self, cause: str) -> None:
        self.journal.emit(messages.INSTANCE_STAYS_AWAKE, cause=cause)

    def woken(self, first: SlotView, took: float) -> None:
        """By a connection, whose request was answered so many seconds after the start of the service."""
        self.journal.emit(
            messages.INSTANCE_WOKEN, milliseconds=round(took * 1000), request=first.request,
            request_id=first.request_id, wait_us=round(first.waited * 1e6),
        )  # fmt: skip

    def unfit(self, warnings: Sequence[str]) -> None:
        if warnings:
            self.journal.emit(messages.MOLD_UNFIT, what="; ".join(warnings))

    def reforked(self, record: Record) -> None:
        """A worker has become the mold."""
        self.journal.emit(
            messages.MOLD_RENEWED, slot=record.worker, pid=record.pid, generation=record.generation,
            requests=record.served,
        )  # fmt: skip

    def refork_refused(self, record: Record, cause: str) -> None:
        self.journal.emit(
            messages.REFORK_REFUSED, role=record.role.value, pid=record.pid, generation=record.generation,
            cause=cause,
        )  # fmt: skip

    def broken(self, causes: Mapping[str, str]) -> None:
        for job, cause in causes.items():
            self.journal.emit(messages.JOB_BROKEN, job=job, cause=cause)

    def refused_process(self, what: str, generation: int, cause: str) -> None:
        self.journal.emit(messages.FORK_FAILED, what=what, generation=generation, cause=cause)

    def died(self, death: Ended) -> None:
        """A child has ended though nobody asked it to."""
        record = death.record
        detail = record.last_words[1] if record.last_words else ""
        if record.role is Role.CLERK:
            self.journal.emit(messages.CLERK_DIED, detail, pid=record.pid, cause=death.words)
        elif record.slot is None:
            self.journal.emit(
                messages.MOLD_DIED, detail, generation=record.generation, pid=record.pid, cause=death.words
            )
        else:
            self.journal.emit(messages.WORKER_DIED, detail, cause=death.words, **_who(death))
            self.connections_lost(death)

    def connections_lost(self, death: Ended) -> None:
        count, held = death.lost
        if count:
            self.journal.emit(
                messages.CONNECTIONS_LOST, role=death.record.role.value, slot=death.record.worker,
                pid=death.record.pid, count=count, held=held,
            )  # fmt: skip

    def retires(self, record: Record) -> None:
        self.journal.emit(
            messages.WORKER_RETIRES, slot=record.worker, pid=record.pid, generation=record.generation,
            cause=record.retires,
        )  # fmt: skip

    def stuck(self, record: Record, seconds: float, *, is_held: bool, stacks: str) -> None:
        cause = "somebody has stopped it (SIGSTOP, a debugger)" if is_held else "it is in no request"
        self.journal.emit(
            messages.WORKER_STUCK, stacks, slot=record.worker, pid=record.pid, generation=record.generation,
            seconds=f"{seconds:.0f}", cause=cause,
        )  # fmt: skip

    def taken_over(
        self,
        record: Record,
        view: SlotView,
        limit: Limit,
        allowed: Allowance,
        usage: Usage,
        answer: str,
        stacks: str,
    ) -> None:
        most, spent = _allowed(limit, allowed), _shown(limit, usage.of(limit))
        self.journal.emit(
            messages.REQUEST_TAKEN_OVER, stacks, request=view.request, request_id=view.request_id,
            limit=limit.value, allowed=most, spent=spent,
            slot=record.worker, pid=record.pid, generation=record.generation, answer=answer,
        )  # fmt: skip

    def lost(self, record: Record, view: SlotView, cause: str, answer: str, stacks: str) -> None:
        """A request has ended with its worker."""
        self.journal.emit(
            messages.REQUEST_LOST, stacks, request=view.request, request_id=view.request_id,
            slot=record.worker, pid=record.pid, generation=record.generation, cause=cause, answer=answer,
        )  # fmt: skip

    def rescue_refused(self, cause: str) -> None:
        self.journal.emit(messages.RESCUE_REFUSED, cause=cause)

    def scaled(self, before: int, workers: int, cause: str) -> None:
        self.journal.emit(messages.WORKERS_SCALED, workers=workers, before=before, cause=cause)

    def not_scaled(self, workers: int, cause: str) -> None:
        self.journal.emit(messages.SCALING_REFUSED, workers=workers, cause=cause)

    def killed(self, death: Ended) -> None:
        """A worker was ended by the master; that it is stopping needs no words."""
        record = death.record
        is_told = record.kill_cause in ("", "stopping", TOLD)
        if record.role is Role.CLERK and not is_told:
            self.journal.emit(messages.CLERK_DIED, pid=record.pid, cause=record.kill_cause)
        elif record.slot is not None and not is_told:
            self.journal.emit(messages.WORKER_KILLED, cause=record.kill_cause, **_who(death))
        if record.kill_cause != "stopping":
            self.connections_lost(death)

    def die_young(self, death: Ended, count: int, delay: float) -> None:
        detail = death.record.last_words[1] if death.record.last_words else ""
        self.journal.emit(
            messages.WORKERS_DIE_YOUNG, detail, count=count, generation=death.record.generation,
            cause=death.words, delay=f"{delay:g}",
        )  # fmt: skip
        self.connections_lost(death)


def over(limit: Limit, allowed: Allowance, usage: Usage) -> str:
    """What was spent too much of, and how much it was, of how much."""
    return f"limits.{limit.value}: {_shown(limit, usage.of(limit))} of {_allowed(limit, allowed)}"


def _allowed(limit: Limit, allowed: Allowance) -> str:
    after = "" if limit is Limit.MEMORY_HARD else f" and {allowed.grace:g} s of grace"
    return _shown(limit, allowed.of(limit)) + after


def _shown(limit: Limit, value: float) -> str:
    return _mebibytes(value) if limit is Limit.MEMORY_HARD else _seconds(value)


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value % 1 else f"{value:.0f} s"


def _mebibytes(value: float) -> str:
    return f"{value / 2**20:.0f} MiB"


def _who(death: Ended) -> dict[str, Any]:
    view = death.view
    return {
        "role": death.record.role.value,
        "slot": death.record.worker,
        "pid": death.record.pid,
        "generation": death.record.generation,
        "request": view.request if view is not None and view.is_busy else "",
    }


def _words(error: CornError) -> tuple[str, str]:
    """(one line, everything else) of an error."""
    if isinstance(error, AppError):
        return error.summary, error.traceback
    first, _, rest = str(error).partition("\n")
    return (f"{first} (and more below)", str(error)) if rest else (first, "")
