"""What is to be run now: the due runs of all jobs, each once.

An agenda remembers, for each job, until when its due runs are accounted for (its mark), and asks the
schedule for what comes after. Whatever the clock does, a due run before the mark is never told again; what
the clock has gone past is made up for once, or told as missed. It is given what is known from before (Past)
and gives it back, for the ledger and for the agenda after a reload. `now` is an argument, in seconds since
1970 like all instants here; no clock, no files, no chance.
"""

import math
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from hashlib import blake2b
from heapq import heappop, heappush

from ..settings.kinds import Job
from .events import (
    Because,
    Disbelieved,
    Event,
    HeldBack,
    Missed,
    Outlook,
    Past,
    Run,
    Skipped,
    Suspended,
    View,
)
from .schedule import Schedule

# cron itself looks once a minute: what begins within one has not been missed.
PUNCTUAL = 60.0
# A mark so far ahead comes from a clock that was wrong: to wait for it might take years.
BELIEVED = 86400.0
# A job that has failed is held back for so long, then twice, four times … up to an hour.
FIRST_DELAY, LONGEST_DELAY = 30.0, 3600.0


class _Entry:
    """One job and how far it has come."""

    def __init__(self, number: int, job: Job, schedule: Schedule, past: Past) -> None:
        self.number, self.job, self.schedule = number, job, schedule
        self.rhythm = f"{job.schedule or job.every} {job.timezone}".strip()
        self.mark, self.failures, self.is_paused = past.mark or 0.0, past.failures, past.is_paused
        self.running, self.waiting = past.running, past.waiting
        self.due_at = self.start_at = math.inf
        self.version = 0  # of what the heap has of it

    def delay(self, at: float) -> float:
        """How much later than due a run begins: less than `jitter`, and before the next one is due."""
        if not self.job.jitter:
            return 0.0
        width = min(self.job.jitter, self.schedule.after(at) - at)
        drawn = int.from_bytes(blake2b(f"{self.job.name} {at!r}".encode(), digest_size=8).digest(), "big")
        return width * (drawn >> 11) / (1 << 53)


class Agenda:
    """The jobs of an instance. Those that are unknown to `pasts` are due from now on. `local` is the zone of
    those that name none (see Schedule.of, also for its ConfigError)."""

    def __init__(
        self,
        jobs: Iterable[Job],
        pasts: Mapping[str, Past],
        now: float,
        *,
        give_up: int = 5,
        local: tzinfo | None = None,
    ) -> None:
        self._give_up = give_up
        self._seen = now
        self._heap: list[tuple[float, int, int]] = []  # start, number of the entry, its version
        self._told: list[Event] = []
        self._list: list[_Entry] = []
        for number, job in enumerate(jobs):
            past = pasts.get(job.name, Past())
            entry = _Entry(number, job, Schedule.of(job, local), past)
            self._list.append(entry)
            if not job.enabled:
                entry.waiting = None
            is_known = past.mark is not None and past.rhythm in ("", entry.rhythm)
            if not is_known or past.is_asleep or self._sleeps(entry):
                entry.mark = max(entry.mark, now)
            if entry.mark > now + BELIEVED:
                self._told.append(Disbelieved(job, entry.mark))
                entry.mark = now
            self._plan(entry, now)
        self._entries = {entry.job.name: entry for entry in self._list}

    @property
    def next_at(self) -> float:
        """When due() will have something to say; infinity if that takes an event."""
        return self._seen if self._told else self.next_run[0]

    @property
    def next_run(self) -> tuple[float, str]:
        """When the next run begins, and of which job; infinity and "" if none is scheduled."""
        entry = self._top()
        return (entry.start_at, entry.job.name) if entry else (math.inf, "")

    def due(self, now: float) -> list[Event]:
        """What is to be started now, and what is not, in the order in which it was to begin. A run that is
        told lasts, for the agenda, until finished()."""
        told, self._told = self._told, []
        if now < self._seen - BELIEVED:
            told += self._put_back(now)
            self._seen = now
        self._seen = max(self._seen, now)
        while (entry := self._top()) is not None and entry.start_at <= now:
            heappop(self._heap)
            told += self._turn(entry, now)
        return told

    def finished(self, run: Run, is_well: bool, now: float) -> list[Event]:
        """A run has ended, well or not: what follows. Runs by hand are no test of a job."""
        entry = self._entries.get(run.job.name)
        if entry is None or entry.running != run.at:
            return []  # the job has been taken away while it ran
        entry.running = None
        if not is_well and not run.is_by_hand:
            return self._failed(entry, now)
        if not run.is_by_hand:
            entry.failures = 0
        if entry.waiting is not None:
            self._plan(entry, now)
        return []

    def by_hand(self, name: str, now: float) -> Run | Skipped:
        """A run that somebody asks for, also of a job that is not scheduled; KeyError if there is no such
        job."""
        entry = self._entries[name]
        if entry.running is not None:
            return Skipped(entry.job, now, Because.RUNNING)
        entry.running = now
        self._plan(entry, now)
        return Run(entry.job, now, is_by_hand=True)

    def pause(self, name: str, now: float) -> list[Event]:
        """Leaves a job out until resume(); KeyError if there is no such job."""
        entry = self._entries[name]
        entry.is_paused = True
        return self._put_to_sleep(entry, Because.PAUSED, now)

    def resume(self, name: str, now: float) -> None:
        """Takes up a job that was paused or suspended, with what is due from now on; KeyError if there is no
        such job."""
        entry = self._entries[name]
        if self._sleeps(entry):
            entry.mark = max(entry.mark, now)  # the clock may have been put back
        entry.is_paused, entry.failures = False, 0
        self._plan(entry, now)

    def knows(self, name: str) -> bool:
        """Whether there is a job of that name."""
        return name in self._entries

    def is_due(self, name: str, at: float) -> bool:
        """Whether a job is due at this very instant; a run by hand hardly ever is."""
        return self._entries[name].schedule.after(math.nextafter(at, -math.inf)) == at

    def view(self, name: str) -> View:
        """One job, to be shown; KeyError if there is no such job."""
        entry = self._entries[name]
        return View(self._outlook(entry), entry.due_at, entry.start_at, self._past(entry))

    def pasts(self) -> dict[str, Past]:
        """What is to be known next time, by the names of jobs; who is not in it is to be forgotten."""
        return {name: self._past(entry) for name, entry in self._entries.items()}

    def _past(self, entry: _Entry) -> Past:
        return Past(
            entry.mark,
            entry.rhythm,
            self._sleeps(entry),
            entry.failures,
            entry.is_paused,
            entry.running,
            entry.waiting,
        )

    def _outlook(self, entry: _Entry) -> Outlook:
        if not entry.job.enabled:
            return Outlook.DISABLED
        if entry.is_paused:
            return Outlook.PAUSED
        return Outlook.SUSPENDED if 0 < self._give_up <= entry.failures else Outlook.SCHEDULED

    def _sleeps(self, entry: _Entry) -> bool:
        return self._outlook(entry) is not Outlook.SCHEDULED

    def _top(self) -> _Entry | None:
        """The entry that begins next; what has been planned anew since is dropped."""
        while self._heap:
            _, number, version = self._heap[0]
            if version == self._list[number].version:
                return self._list[number]
            heappop(self._heap)
        return None

    def _plan(self, entry: _Entry, start_at: float) -> None:
        """Puts a job where it is due next; a run that waits for nothing any more begins at `start_at`."""
        entry.version += 1
        entry.due_at = entry.start_at = math.inf
        if entry.waiting is not None and entry.running is None:
            entry.due_at, entry.start_at = entry.waiting, start_at
        elif not self._sleeps(entry):
            entry.due_at = entry.schedule.after(entry.mark)
            entry.start_at = entry.due_at + entry.delay(entry.due_at)
        if entry.start_at < math.inf:
            heappush(self._heap, (entry.start_at, entry.number, entry.version))

    def _turn(self, entry: _Entry, now: float) -> list[Event]:
        """The time of an entry has come."""
        job, schedule = entry.job, entry.schedule
        if entry.waiting is not None and entry.running is None:
            run, entry.waiting = Run(job, entry.waiting), None
            entry.running = run.at
            self._plan(entry, now)
            return [run]
        since, first, last = entry.mark, entry.due_at, schedule.latest(entry.mark, now)
        assert last is not None  # it is `first` at least
        before = schedule.latest(since, math.nextafter(last, 0)) if last > first else None
        if before is not None and last + entry.delay(last) > now:
            last, before = before, schedule.latest(since, math.nextafter(before, 0))
        entry.mark = last
        self._plan(entry, now)
        is_late = now > last + entry.delay(last) + PUNCTUAL
        if is_late and not job.catch_up:
            return [Missed(job, first, last)]
        missed: list[Event] = [Missed(job, first, before)] if before is not None else []
        return [*missed, *self._admit(entry, Run(job, last, is_caught_up=is_late))]

    def _admit(self, entry: _Entry, run: Run) -> list[Event]:
        if entry.running is None:
            entry.running = run.at
            return [run]
        if entry.job.overlap == "queue" and entry.waiting is None:
            entry.waiting = run.at
            return []
        because = Because.RUNNING if entry.waiting is None else Because.WAITING
        return [Skipped(entry.job, run.at, because)]

    def _failed(self, entry: _Entry, now: float) -> list[Event]:
        entry.failures += 1
        if self._sleeps(entry):
            told = self._put_to_sleep(entry, Because.SUSPENDED, now)
            is_suspended = self._outlook(entry) is Outlook.SUSPENDED
            return [*told, Suspended(entry.job, entry.failures)] if is_suspended else told
        until = now + min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(entry.failures - 1, 10))
        is_held = entry.waiting is not None or entry.schedule.after(entry.mark) < until
        if entry.schedule.after(entry.mark) < until:
            entry.mark = until
        self._plan(entry, until)
        return [HeldBack(entry.job, entry.failures, until)] if is_held else []

    def _put_to_sleep(self, entry: _Entry, because: Because, now: float) -> list[Event]:
        waiting, entry.waiting = entry.waiting, None
        self._plan(entry, now)
        return [] if waiting is None else [Skipped(entry.job, waiting, because)]

    def _put_back(self, now: float) -> list[Event]:
        """The clock has been put back by more than is believed."""
        told: list[Event] = []
        for entry in self._list:
            if entry.mark > now + BELIEVED:
                told.append(Disbelieved(entry.job, entry.mark))
                entry.mark = now
                self._plan(entry, now)
        return told
