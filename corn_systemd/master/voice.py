"""What the master says: each occurrence once to the journal, and to systemd what systemd must know.

Decides nothing about the instance. Whoever is deaf is told of once, not every five seconds.
"""

from collections.abc import Sequence
from typing import Any

from ..errors import AppError, CornError
from ..limits.verdict import Allowance, Limit, Usage
from ..settings.kinds import Address
from ..slot import SlotView
from ..systemd import messages
from ..systemd.journal import Journal
from ..systemd.notify import Notifier
from .children import Ended
from .record import Record

# The cause of a kill of which all has been said.
TOLD = "told"


class Voice:
    """The journal and the service manager, behind one sentence for each occurrence."""

    def __init__(self, journal: Journal, notifier: Notifier) -> None:
        self.journal = journal
        self._notifier = notifier
        self._is_lost = False
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
        self._heard(self._notifier.alive(now))

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
        self._heard(self._notifier.send(STATUS="stopped"))

    def unfit(self, warnings: Sequence[str]) -> None:
        if warnings:
            self.journal.emit(messages.MOLD_UNFIT, what="; ".join(warnings))

    def refused_process(self, what: str, generation: int, cause: str) -> None:
        self.journal.emit(messages.FORK_FAILED, what=what, generation=generation, cause=cause)

    def died(self, death: Ended) -> None:
        """A child has ended though nobody asked it to."""
        record = death.record
        summary, detail = record.last_words or ("", "")
        cause = f"{death.cause}, {summary}" if summary else death.cause
        if record.slot is None:
            self.journal.emit(
                messages.MOLD_DIED, detail, generation=record.generation, pid=record.pid, cause=cause
            )
        else:
            self.journal.emit(messages.WORKER_DIED, detail, cause=cause, **_who(death))
            self._connections_lost(death)

    def _connections_lost(self, death: Ended) -> None:
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
        shown = _mebibytes if limit is Limit.MEMORY_HARD else _seconds
        after = "" if limit is Limit.MEMORY_HARD else f" and {allowed.grace:g} s of grace"
        self.journal.emit(
            messages.REQUEST_TAKEN_OVER, stacks, request=view.request, request_id=view.request_id,
            limit=limit.value, allowed=shown(allowed.of(limit)) + after, spent=shown(usage.of(limit)),
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

    def killed(self, death: Ended) -> None:
        """A worker was ended by the master; that it is stopping needs no words."""
        record = death.record
        if record.kill_cause not in ("", "stopping", TOLD) and record.slot is not None:
            self.journal.emit(messages.WORKER_KILLED, cause=record.kill_cause, **_who(death))
        if record.kill_cause != "stopping":
            self._connections_lost(death)

    def die_young(self, death: Ended, count: int, delay: float) -> None:
        self.journal.emit(
            messages.WORKERS_DIE_YOUNG,
            count=count,
            generation=death.record.generation,
            cause=death.cause,
            delay=f"{delay:g}",
        )


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
