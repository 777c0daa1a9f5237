"""The runs that are ours by a lock, and what the locks have still to be told of them.

Between the clerk and the databases. It may block, as they may; it must not know the master.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from .lock import Claim, Verdict

Key = tuple[str, float]
"""A job, and when its run was due."""
Address = tuple[str, int]
"""Where a lock is, and the retries of its runs."""


class Lock(Protocol):
    """See lock.Lock."""

    def claim(self, job: str, at: float) -> Claim: ...

    def hold(self, job: str, at: float) -> bool: ...

    def give_back(self, job: str, at: float) -> None: ...

    def end(self, job: str, at: float, outcome: str) -> bool: ...

    def check(self) -> list[tuple[str, float]]: ...

    def close(self) -> None: ...


@dataclass
class Holdings:
    """All of them. They are looked after every `check_every` seconds."""

    make_lock: Callable[[str, int], Lock]
    check_every: float
    held: dict[Key, Lock] = field(default_factory=dict)
    _locks: dict[Address, Lock] = field(default_factory=dict)
    _inherited: list[Key] = field(default_factory=list)
    _ended: list[tuple[Lock, Key, str]] = field(default_factory=list)
    _check_at: float = inf

    @property
    def ended(self) -> set[Key]:
        """The runs that are over, of which the locks have still to be told."""
        return {key for _, key, _ in self._ended}

    def next_at(self) -> float:
        """When there is something to do here, by the clock of now."""
        if self._ended or self._inherited:
            return 0.0
        return self._check_at if self.held else inf

    def _lock(self, address: Address) -> Lock:
        if address not in self._locks:
            self._locks[address] = self.make_lock(*address)
        return self._locks[address]

    def claim(self, key: Key, address: Address, now: float) -> Claim:
        """Asks for a run; it is held if it is granted. Raises CornError."""
        lock = self._lock(address)
        answer = lock.claim(*key)
        if answer.verdict is Verdict.GRANTED:
            self.held[key] = lock
            self._check_at = min(self._check_at, now + self.check_every)
        return answer

    def inherit(self, key: Key, address: Address) -> None:
        """A run that goes on, and that an earlier clerk held."""
        self.held[key] = self._lock(address)
        self._inherited.append(key)

    def end(self, key: Key, address: Address, outcome: str) -> None:
        """A run is over; an earlier clerk may have held it."""
        lock = self.held.pop(key, None)
        if lock is None and address[0]:
            lock = self._lock(address)
        if lock is not None:
            self._ended.append((lock, key, outcome))

    def give_back(self, key: Key) -> None:
        """A run that has not begun is not to begin, or not now."""
        if (lock := self.held.pop(key, None)) is not None:
            self._ended.append((lock, key, ""))

    def look(self, now: float, lose: Callable[[Key], None]) -> bool:
        """Tells the locks what they are to know, and looks after what is held: `lose` gets what is ours no
        longer. Whether there was anything to do. Raises CornError, and then the rest is done later."""
        was_any = False
        while self._ended:
            lock, key, outcome = self._ended[0]
            if outcome:
                lock.end(*key, outcome)
            else:
                lock.give_back(*key)
            self._ended.pop(0)
            was_any = True
        while self._inherited:
            key = self._inherited[0]
            if (heir := self.held.get(key)) is not None and not heir.hold(*key):
                self._lose(key, lose)
            self._inherited.pop(0)
            self._check_at = min(self._check_at, now + self.check_every)
            was_any = True
        if self.held and now >= self._check_at:
            self._check_at = now + self.check_every
            was_any = True
            for lock in set(self.held.values()):
                for key in lock.check():
                    self._lose(key, lose)
        return was_any

    def _lose(self, key: Key, lose: Callable[[Key], None]) -> None:
        if self.held.pop(key, None) is not None:
            lose(key)

    def close(self) -> None:
        for lock in self._locks.values():
            lock.close()
