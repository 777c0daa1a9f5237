"""The lock of runs that several machines share: a table in PostgreSQL, corn_runs, which they have in common.

A run is a row: who has begun it, as which attempt, and how it has ended. As long as it lasts its machine
holds a lock that goes with the session, and by which the others see that it lives. A session that has gone
need not mean that its run has: it gets `GRACE` to come back before another machine begins the run again.
Instants of its own are the database's, so no machine's clock decides anything. It must not know what a job
is, nor when one is due.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from ..errors import Unavailable
from . import table
from .session import PATIENCE, Lost, Refused, Session

T = TypeVar("T")
_Key = tuple[str, float]

# So long a run is left to a machine that has lost its session, in seconds: its clerk looks every 3 and takes
# up to 5 to connect, and where it has died there is another within a second or two.
GRACE = 15.0
# How often old rows are looked for, and for how long at most.
_CLEAN_EVERY, _CLEAN_FOR = 3600.0, 2.0


class Verdict(Enum):
    """What becomes of a claim."""

    GRANTED = "granted"
    DONE = "done"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Claim:
    """The answer to a claim. `owner` is the machine that has the run or has had it, where there is one, and
    `is_well` how it went there."""

    verdict: Verdict
    owner: str = ""
    is_well: bool = True


@dataclass
class _Held:
    """A run that is ours. `attempt` is its number, None where an earlier clerk knew it."""

    attempt: int | None
    is_locked: bool


class Lock:
    """The lock of an instance's runs in the database at `address`. `owner` is one life of one machine's
    master; a run that was begun and not ended is begun anew up to `retries` times. Everything raises
    Unavailable where the database does not serve (ConfigError where none of its clients is here), and may
    then be said again."""

    def __init__(
        self,
        address: str,
        instance: str,
        owner: str,
        retries: int,
        *,
        grace: float = GRACE,
        patience: float = PATIENCE,
    ) -> None:
        self._address = address
        self._instance = instance
        self._owner = owner
        self._retries = retries
        self._grace = grace
        self._patience = patience
        self._session: Session | None = None
        self._held: dict[_Key, _Held] = {}
        self._lost: list[_Key] = []
        self._clean_at = 0.0

    def claim(self, job: str, at: float) -> Claim:
        """Whether a run is ours to begin. What is ours already and has not ended has not begun: a claim of
        which the answer was lost."""
        return self._do(lambda session: self._claim(session, (job, at)))

    def hold(self, job: str, at: float) -> bool:
        """Goes on with a run that an earlier clerk of the same master has claimed; False if another machine
        has taken over. Whatever happens, it is looked after from now on by check()."""
        self._held.setdefault((job, at), _Held(None, is_locked=False))
        return self._do(lambda session: self._regain(session, (job, at)))

    def end(self, job: str, at: float, outcome: str) -> bool:
        """A run of ours is over; False if it was no longer ours."""
        key = job, at

        def deed(session: Session) -> bool:
            is_ours = bool(session.ask(table.END, self._values(key, outcome=outcome)))
            self._let_go(session, key)
            self._clean(session)
            return is_ours

        return self._do(deed)

    def give_back(self, job: str, at: float) -> None:
        """A run that was granted has not begun and will not: it is anybody's, as if never claimed."""

        def deed(session: Session) -> None:
            session.ask(table.GIVE_BACK, self._values((job, at)))
            self._let_go(session, (job, at))

        self._do(deed)

    def check(self) -> list[_Key]:
        """The runs that we held and that are ours no longer, each told once. Takes those again whose session
        has gone."""

        def deed(session: Session) -> None:
            session.ask("SELECT 1")
            for key, held in list(self._held.items()):
                if not held.is_locked and not self._regain(session, key):
                    self._lost.append(key)

        if self._held:
            self._do(deed)
        lost, self._lost = self._lost, []
        return lost

    def close(self) -> None:
        """Ends the session. Whoever ran what is still held has gone: others need not wait for it."""
        if self._session is not None:
            try:
                for key in self._held:
                    self._session.ask(table.FREE, self._values(key))
            except Unavailable:
                pass
        self._held.clear()
        self._drop()

    # The session

    def _do(self, deed: Callable[[Session], T]) -> T:
        """Does it; once more, where a session that was there turns out to have gone."""
        if self._session is not None:
            try:
                return deed(self._session)
            except Lost:
                self._drop()
        try:
            return deed(self._connect())
        except Lost:
            self._drop()
            raise

    def _connect(self) -> Session:
        session = Session(self._address, f"corn {self._instance}", self._patience)
        try:
            table.prepare(session)
        except Unavailable:
            session.close()
            raise
        self._session = session
        return session

    def _drop(self) -> None:
        """The session has gone, and its locks."""
        for held in self._held.values():
            held.is_locked = False
        if self._session is not None:
            self._session.close()
            self._session = None

    def _unlock(self, session: Session, key: _Key) -> None:
        try:
            session.ask(table.UNLOCK, self._values(key))
        except Unavailable:
            self._drop()

    def _values(self, key: _Key, **more: object) -> dict[str, object]:
        held = self._held.get(key)
        return {
            "instance": self._instance,
            "job": key[0],
            "at": key[1],
            "owner": self._owner,
            "number": table.number(self._instance, *key),
            "attempt": held.attempt if held is not None else None,
            **more,
        }

    def _try_lock(self, session: Session, key: _Key) -> bool:
        return session.ask(table.TRY_LOCK, self._values(key)) == [(True,)]

    # What is asked of it

    def _claim(self, session: Session, key: _Key) -> Claim:
        held = self._held.get(key)
        if held is not None and held.is_locked:
            return Claim(Verdict.GRANTED)  # a second lock would have to be undone twice
        if not self._try_lock(session, key):
            return self._seen(session.ask(table.LOOK, self._values(key, grace=self._grace)))
        claim = None
        try:
            claim = self._decide(session, key)
        finally:
            if claim is None or claim.verdict is not Verdict.GRANTED:
                self._unlock(session, key)
        return claim

    def _decide(self, session: Session, key: _Key) -> Claim:
        """A run that nobody holds, while we do."""
        if begun := session.ask(table.BEGIN, self._values(key)):
            return self._granted(key, begun)
        rows = session.ask(table.LOOK, self._values(key, grace=self._grace))
        if not rows:
            return Claim(Verdict.DONE)  # so long ago that it may have been forgotten
        ((owner, attempts, is_ended, _, is_given_up),) = rows
        if is_ended:
            return self._seen(rows)
        values = self._values(key, attempt=attempts)
        taken: list[tuple[Any, ...]] = []
        if owner == self._owner:
            taken = session.ask(table.REGAIN, values)
        elif not is_given_up:
            session.ask(table.ORPHAN, values)
        elif attempts <= self._retries:
            taken = session.ask(table.TAKE_OVER, values)
        elif session.ask(table.GIVE_UP, values):
            return Claim(Verdict.DONE, owner, is_well=False)
        return self._granted(key, taken) if taken else Claim(Verdict.ELSEWHERE, owner)

    def _granted(self, key: _Key, rows: list[tuple[Any, ...]]) -> Claim:
        self._held[key] = _Held(rows[0][0], is_locked=True)
        return Claim(Verdict.GRANTED)

    @staticmethod
    def _seen(rows: list[tuple[Any, ...]]) -> Claim:
        """A run that another has, or has had."""
        for owner, _, is_ended, outcome, _ in rows:
            if is_ended:
                return Claim(Verdict.DONE, owner, is_well=outcome == "done")
            return Claim(Verdict.ELSEWHERE, owner)
        return Claim(Verdict.ELSEWHERE)  # it is being claimed right now

    def _regain(self, session: Session, key: _Key) -> bool:
        """Takes the lock again; False if the run is ours no longer. A lock that our own session from before
        still has is left to it: as long as it does nobody else gets it."""
        held = self._held[key]
        if held.is_locked:
            return True
        is_locked, rows = self._try_lock(session, key), []
        try:
            rows = session.ask(table.REGAIN, self._values(key))
        finally:
            if is_locked and not rows:
                self._unlock(session, key)
        if not rows:
            del self._held[key]
            return False
        held.attempt, held.is_locked = rows[0][0], is_locked
        return True

    def _let_go(self, session: Session, key: _Key) -> None:
        held = self._held.pop(key, None)
        if held is not None and held.is_locked:
            self._unlock(session, key)

    def _clean(self, session: Session) -> None:
        """Deletes what is old, now and then; what that meets with harms no run."""
        began = time.monotonic()
        if began < self._clean_at:
            return
        self._clean_at = began + _CLEAN_EVERY
        try:
            while len(session.ask(table.CLEAN)) == table.BATCH and time.monotonic() < began + _CLEAN_FOR:
                pass
        except Refused:
            pass
