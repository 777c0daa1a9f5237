"""The poller of a framework that keeps its jobs in a database (cron.poll): when it is called, and by whom.

It stays with one cron worker, in which its connection lives. Nothing is written down about it: it knows
itself what is due. Never waits.
"""

from collections.abc import Sequence
from math import inf
from typing import Any

from ..settings.sections import Limits, Settings, limits_of
from .flight import amount
from .record import Record

# A poller that fails is called again after so long, then twice as long, up to the last.
FIRST_DELAY, LONGEST_DELAY = 1.0, 60.0


class Polling:
    """`due_at` is when it is to be called, infinity while it is at work or waits to be woken; `running` is
    the key of the child that is calling it, 0 for none."""

    def __init__(self) -> None:
        self._limits = Limits()
        self._home = 0
        self._failures = 0
        self.target = ""
        self.due_at = inf
        self.running = 0

    @property
    def is_wanted(self) -> bool:
        return bool(self.target)

    def adopt(self, settings: Settings, now: float) -> None:
        """A generation serves, and its poller is called first of all; one of an older generation goes on to
        its end."""
        self.target = settings.cron.poll if settings.cron.workers else ""
        self._limits = limits_of(settings)
        self._failures = 0
        self.due_at = now if self.target and not self.running else inf

    def in_order(self, idle: Sequence[Record]) -> list[Record]:
        """Workers from whose end jobs are given out: the one with the poller comes last."""
        return sorted(idle, key=lambda record: record.key != self._home)

    def ask(self, idle: list[Record], now: float) -> bool:
        """Has it called by the first of these, who is taken out; not while its own worker does something
        else. Whether it was heard."""
        record = idle[0]
        if self._home and record.key != self._home:
            return True
        was_sent = record.lifeline.send(
            "poll",
            job=self.target,
            run=self.target,
            call=self.target,
            args=[],
            time_real=self._limits.time_real,
            extend_max=self._limits.extend_max,
        )
        if was_sent:
            record.limits, record.is_given = self._limits, True
            self._home = self.running = record.key
            self.due_at = inf
            del idle[0]
        return was_sent

    def heard(self, record: Record, kind: str, fields: dict[str, Any], now: float) -> None:
        """A cron worker has something to say about it."""
        if kind == "woken" and record.key == self._home and not self.running:
            self.due_at = now
        elif kind == "polled" and record.key == self.running:
            self.running = 0
            if fields["is_well"]:
                self._failures = 0
                self.due_at = inf if fields["again"] is None else now + amount(fields["again"])
            else:
                self._failed(now)
        if not self.target:
            self.due_at = inf

    def bury(self, key: int, now: float) -> bool:
        """A cron worker has ended; whether it was just calling the poller."""
        if key != self._home:
            return False
        was_running, self._home, self.running = bool(self.running), 0, 0
        if was_running:
            self._failed(now)
        else:
            # What was to wake it has ended too.
            self.due_at = now
        if not self.target:
            self.due_at = inf
        return was_running

    def _failed(self, now: float) -> None:
        self._failures += 1
        self.due_at = now + min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(self._failures - 1, 10))
