"""The clerk: a process beside the master that does for it what may block.

It writes the ledger, and takes the lock of a run where several machines share one. The master asks over the
clerk's lifeline and never waits: what can not be done now is tried again until it can, and told of once.
Forked from the master without exec; it decides nothing about jobs.
"""

import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from ..cron.events import run_name
from ..cron.ledger import Entry, LastRun, Ledger, claimed, entry_of
from ..errors import CornError
from ..lifeline import Lifeline, Message
from .holdings import Address, Holdings, Key, Lock
from .lock import Verdict

# How often who waits for another machine asks again, in seconds.
ASK_AGAIN = 1.0
# What the system refuses is tried again after so long, then twice as long, and so on up to the last.
FIRST_DELAY, LONGEST_DELAY = 1.0, 30.0
# How often the locks that are held are looked after.
CHECK_EVERY = 3.0
# How long what is not written yet may take when the master wants the clerk to leave.
FAREWELL = 5.0


@dataclass
class _Claim:
    """A run that the master wants to start. `lock` is the address and the retries of the lock that it needs
    first; `is_locked`: only the ledger is still to be written."""

    job: str
    at: float
    entry: Entry
    lock: Address
    is_locked: bool
    is_elsewhere: bool = False
    again_at: float = 0.0

    def learn(self, entry: Entry) -> None:
        """More is known of the job by now; when the run has begun is not the master's to know yet."""
        self.entry = replace(claimed(entry, self.at), began_at=self.entry.began_at)


@dataclass
class _Trouble:
    """What the system refuses for now: the ledger, or a lock."""

    about: str
    cause: str = ""
    delay: float = 0.0
    again_at: float = 0.0


@dataclass
class Clerk:
    """One instance's. `make_lock` gives the lock of (address, retries), `witness` the names of the runs that
    have come to a good end, when the master has died."""

    lifeline: Lifeline
    ledger: Ledger
    make_lock: Callable[[str, int], Lock]
    witness: Callable[[], set[str]] = set
    ask_again: float = ASK_AGAIN
    first_delay: float = FIRST_DELAY
    longest_delay: float = LONGEST_DELAY
    check_every: float = CHECK_EVERY
    farewell: float = FAREWELL
    _claims: dict[Key, _Claim] = field(default_factory=dict)
    _unwritten: dict[str, Entry] = field(default_factory=dict)
    _unconfirmed: list[Key] = field(default_factory=list)
    _granted: dict[str, _Claim] = field(default_factory=dict)
    _ledger_trouble: _Trouble = field(default_factory=lambda: _Trouble("ledger"))
    _lock_trouble: _Trouble = field(default_factory=lambda: _Trouble("lock"))
    _leave_at: float = inf

    def __post_init__(self) -> None:
        self._holdings = Holdings(self.make_lock, self.check_every)

    def serve(self) -> None:
        """Until the master says "drain" and all is written, or is gone."""
        poller = select.poll()
        poller.register(self.lifeline.fileno(), select.POLLIN)
        self._tell("ready")
        while True:
            wait = max(self._next_at() - time.monotonic(), 0.0)
            poller.poll(None if wait == inf else wait * 1000 + 1)
            try:
                while (message := self.lifeline.receive()) is not None:
                    self._heed(message)
            except EOFError:
                # The master is gone, and with it whoever runs a job: what is at hand is tried once more.
                self._bear_witness()
                self._part(0.0)
            now = time.monotonic()
            self._work(now)
            if now >= self._leave_at or (
                self._leave_at < inf and not self._unwritten and not self._holdings.ended
            ):
                break
        self._holdings.close()

    def _heed(self, message: Message) -> None:
        fields = message.fields
        match message.kind:
            case "claim":
                entry, at, lock = entry_of(fields["entry"]), float(fields["at"]), _address(fields)
                claim = _Claim(entry.job, at, claimed(entry, at), lock, is_locked=not lock[0])
                self._claims[claim.job, at] = claim
                self._granted.pop(claim.job, None)
            case "drop":
                key = str(fields["job"]), float(fields["at"])
                self._claims.pop(key, None)
                self._holdings.give_back(key)
            case "hold":
                key = str(fields["entry"]["job"]), float(fields["at"])
                self._holdings.inherit(key, _address(fields))
            case "ended":
                self._note(fields)
                key = str(fields["job"]), float(fields["at"])
                self._unconfirmed.append(key)
                self._granted.pop(key[0], None)
                self._holdings.end(key, _address(fields), str(fields["outcome"]))
            case "note":
                self._note(fields)
            case "drain":
                self._part(time.monotonic() + self.farewell)

    def _bear_witness(self) -> None:
        """Runs that have come to their end, of which the master could not say so any more."""
        names = self.witness() if self._granted else set()
        for job, claim in self._granted.items():
            if run_name(job, claim.at) in names:
                now, entry = time.time(), claim.entry
                began_at = entry.began_at or now
                last = LastRun(claim.at, began_at, now, "done", real=max(now - began_at, 0.0))
                past = replace(entry.past, running=None)
                self._unwritten[job] = replace(
                    entry, past=past, began_at=None, runs=entry.runs + 1, last=last
                )
                self._holdings.end((job, claim.at), claim.lock, "done")

    def _part(self, leave_at: float) -> None:
        """What nobody has begun is nobody's; the rest has until then to be written."""
        for key in self._claims:
            self._holdings.give_back(key)
        self._claims.clear()
        self._leave_at = leave_at
        for trouble in (self._ledger_trouble, self._lock_trouble):
            trouble.delay = trouble.again_at = 0.0

    def _note(self, fields: dict[str, Any]) -> None:
        """More is known of a job. `claiming` is the run that the master takes for not granted yet: where it
        has been since, what is on the disk of it must stay."""
        entry = entry_of(fields["entry"])
        for claim in self._claims.values():
            if claim.job == entry.job:
                claim.learn(entry)
        granted = self._granted.get(entry.job)
        if granted is not None and granted.at == fields.get("claiming"):
            granted.learn(entry)
            entry = granted.entry
        elif granted is not None:
            granted.entry = entry
        self._unwritten[entry.job] = entry

    def _tell(self, kind: str, **fields: Any) -> None:
        """Says something to the master, who may have no time for a moment."""
        while not self.lifeline.send(kind, **fields):
            poller = select.poll()
            poller.register(self.lifeline.fileno(), select.POLLOUT)
            if any(event & (select.POLLHUP | select.POLLERR) for _, event in poller.poll(1000)):
                return

    def _next_at(self) -> float:
        instants = [self._leave_at, max(self._holdings.next_at(), self._lock_trouble.again_at)]
        if self._unwritten or any(claim.is_locked for claim in self._claims.values()):
            instants.append(self._ledger_trouble.again_at)
        instants += [
            max(claim.again_at, self._lock_trouble.again_at)
            for claim in self._claims.values()
            if not claim.is_locked
        ]
        return min(instants)

    def _work(self, now: float) -> None:
        if now >= self._lock_trouble.again_at:
            self._try(self._lock_trouble, self._use_locks, now)
        if now >= self._ledger_trouble.again_at:
            self._try(self._ledger_trouble, self._write, now)
        self._confirm()

    def _confirm(self) -> None:
        """Says of which runs the end is written down wherever it is to be."""
        at_hand = self._holdings.ended
        for key in list(self._unconfirmed):
            if key[0] not in self._unwritten and key not in at_hand:
                self._unconfirmed.remove(key)
                self._tell("written", job=key[0], at=key[1])

    def _try(self, trouble: _Trouble, deed: Callable[[float], bool], now: float) -> None:
        """Does what may be refused; a refusal is told, and so is its end."""
        try:
            was_tried, cause = deed(now), ""
        except CornError as error:
            was_tried, cause = True, str(error)
        if not was_tried:
            return
        if cause:
            # Who has lost the lock of a run that goes on may have it back for some seconds (lock.GRACE).
            is_urgent = trouble is self._lock_trouble and bool(self._holdings.held)
            longest = min(self.check_every, self.longest_delay) if is_urgent else self.longest_delay
            trouble.delay = min(max(2 * trouble.delay, self.first_delay), longest)
            trouble.again_at = time.monotonic() + trouble.delay
        else:
            trouble.delay = trouble.again_at = 0.0
        if bool(cause) != bool(trouble.cause):
            self._tell("trouble", about=trouble.about, cause=cause)
        trouble.cause = cause

    def _use_locks(self, now: float) -> bool:
        """All that is to be asked of databases; whether there was anything."""
        was_asked = self._holdings.look(now, self._lose)
        for claim in list(self._claims.values()):
            if not claim.is_locked and now >= claim.again_at:
                was_asked = True
                self._ask(claim, now)
        return was_asked

    def _lose(self, key: Key) -> None:
        """A run is ours no longer. One that is not granted yet is asked for again."""
        if (claim := self._claims.get(key)) is not None:
            claim.is_locked = False
        else:
            self._tell("lost", job=key[0], at=key[1])

    def _ask(self, claim: _Claim, now: float) -> None:
        key = claim.job, claim.at
        answer = self._holdings.claim(key, claim.lock, now)
        if answer.verdict is Verdict.GRANTED:
            claim.is_locked = True
        elif answer.verdict is Verdict.DONE:
            del self._claims[key]
            self._tell("done", job=claim.job, at=claim.at, owner=answer.owner, is_well=answer.is_well)
        else:
            claim.again_at = now + self.ask_again
            if not claim.is_elsewhere:
                claim.is_elsewhere = True
                self._tell("elsewhere", job=claim.job, at=claim.at, owner=answer.owner)

    def _write(self, now: float) -> bool:
        """Writes what is known and the claims that need nothing else; whether there was anything."""
        ready = [claim for claim in self._claims.values() if claim.is_locked]
        entries = [*self._unwritten.values(), *(claim.entry for claim in ready)]
        if not entries:
            return False
        try:
            self.ledger.write(entries)
        except CornError:
            if self._ledger_trouble.cause:
                self._leave_to_others(ready, now)
            raise
        self._unwritten.clear()
        for claim in ready:
            del self._claims[claim.job, claim.at]
            self._granted[claim.job] = claim
            self._tell("granted", job=claim.job, at=claim.at)
        return True

    def _leave_to_others(self, claims: list[_Claim], now: float) -> None:
        """A disk that refuses for longer than a moment keeps no other machine from the runs."""
        for claim in claims:
            if claim.lock[0]:
                claim.is_locked, claim.again_at = False, now + self.longest_delay
                self._holdings.give_back((claim.job, claim.at))


def _address(fields: dict[str, Any]) -> Address:
    return str(fields["lock"]), int(fields["retries"])


def live(
    lifeline: Lifeline, ledger: Ledger, instance: str, owner: str, witness: Callable[[], set[str]]
) -> None:
    """The whole life of the clerk, in a process of its own."""

    def make_lock(address: str, retries: int) -> Lock:
        from .lock import Lock as PostgreSQL  # its library only where there is one

        return PostgreSQL(address, instance, owner, retries)

    Clerk(lifeline, ledger, make_lock, witness).serve()
