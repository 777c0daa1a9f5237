"""What the clerk does about runs that it held, holds for an earlier clerk, or gives back."""

import select
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest

from corn_systemd.clerk.clerk import Clerk
from corn_systemd.clerk.lock import Claim, Verdict
from corn_systemd.cron.events import Past
from corn_systemd.cron.ledger import Entry, Ledger
from corn_systemd.errors import Unavailable
from corn_systemd.lifeline import Lifeline

NOON = 1767268800.0
CLEAR = asdict(Entry("clear", Past(NOON, waiting=NOON)))
ABOUT: dict[str, Any] = {"entry": CLEAR, "at": NOON, "lock": "postgresql://db/corn", "retries": 3}
ENDED: dict[str, Any] = {**ABOUT, "job": "clear", "outcome": "done"}
DROPPED: dict[str, Any] = {"job": "clear", "at": NOON}
TROUBLE = ("trouble", {"about": "lock", "cause": "no database"})
OVER = ("trouble", {"about": "lock", "cause": ""})
LOST = ("lost", {"job": "clear", "at": NOON})
WRITTEN = ("written", {"job": "clear", "at": NOON})
GRANTED = ("granted", {"job": "clear", "at": NOON})
# So much is never waited for, unless something is wrong.
PATIENCE = 10.0
LONG = 600.0


class FakeLock:
    """Grants everything, and tells what it was told. `refusals` are the deeds still to be refused."""

    def __init__(self) -> None:
        self.told: Queue[tuple[object, ...]] = Queue()
        self.refusals: list[str] = []
        self.is_taken_over = False
        self.is_checked = False

    def _tell(self, deed: str, *rest: object) -> None:
        if self.refusals and self.refusals[0] == deed:
            self.refusals.pop(0)
            raise Unavailable("no database")
        self.told.put((deed, *rest))

    def claim(self, job: str, at: float) -> Claim:
        self._tell("claim", job, at)
        return Claim(Verdict.GRANTED)

    def hold(self, job: str, at: float) -> bool:
        self._tell("hold", job, at)
        return not self.is_taken_over

    def give_back(self, job: str, at: float) -> None:
        self._tell("give back", job, at)

    def end(self, job: str, at: float, outcome: str) -> bool:
        self._tell("end", job, at, outcome)
        return True

    def check(self) -> list[tuple[str, float]]:
        if self.is_checked:
            self._tell("check")
        return []

    def close(self) -> None:
        self._tell("close")


class StubbornLedger(Ledger):
    refusals = 0

    def write(self, entries: Iterable[Entry]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("no space")
        super().write(entries)


class Office:
    """A clerk at work, its lock, and the master's end of its lifeline. What the clerk may wait for by itself
    is far away, but for what is told otherwise."""

    def __init__(self, directory: Path, **delays: float) -> None:
        self.master, theirs = Lifeline.pair()
        self.lock = FakeLock()
        self.ledger = StubbornLedger(str(directory / "jobs"))
        far = dict.fromkeys(("ask_again", "first_delay", "longest_delay", "check_every", "farewell"), LONG)
        self.lifeline = Lifeline(theirs)
        clerk = Clerk(self.lifeline, self.ledger, lambda *_: self.lock, **{**far, **delays})
        self.thread = threading.Thread(target=clerk.serve, daemon=True)
        self.thread.start()
        assert self.hears() == ("ready", {})

    def says(self, kind: str, **fields: Any) -> None:
        assert self.master.send(kind, **fields)

    def hears(self) -> tuple[str, dict[str, Any]]:
        poller = select.poll()
        poller.register(self.master.fileno(), select.POLLIN)
        assert poller.poll(PATIENCE * 1000), "the clerk says nothing"
        message = self.master.receive()
        assert message is not None
        return message.kind, message.fields

    def asked(self) -> tuple[object, ...]:
        """What the lock was told next."""
        try:
            return self.lock.told.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError("the lock is told nothing") from None

    def leave(self) -> None:
        self.master.close()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        self.lifeline.close()


Engage = Callable[..., Office]


@pytest.fixture
def engage(tmp_path: Path) -> Iterator[Engage]:
    made: list[Office] = []

    def make(**delays: float) -> Office:
        made.append(Office(tmp_path, **delays))
        return made[-1]

    yield make
    for office in made:
        office.leave()


# What an earlier clerk held


def test_a_run_of_an_earlier_clerk_is_held_again_and_let_go_at_its_end(engage: Engage) -> None:
    office = engage()
    office.says("hold", **ABOUT)
    assert office.asked() == ("hold", "clear", NOON)
    office.says("ended", **ENDED)
    assert office.asked() == ("end", "clear", NOON, "done")
    assert office.hears() == WRITTEN


def test_a_run_of_an_earlier_clerk_that_another_machine_has_taken_over_is_lost(engage: Engage) -> None:
    office = engage()
    office.lock.is_taken_over = True
    office.says("hold", **ABOUT)
    assert office.hears() == LOST


def test_a_run_is_held_again_as_soon_as_the_database_is_there(engage: Engage) -> None:
    office = engage(first_delay=0.01)
    office.lock.refusals = ["hold", "hold"]
    office.says("hold", **ABOUT)
    assert (office.hears(), office.hears()) == (TROUBLE, OVER)
    assert office.asked() == ("hold", "clear", NOON)


def test_a_run_that_has_ended_before_it_could_be_held_again_is_not_held(engage: Engage) -> None:
    office = engage()
    office.lock.refusals = ["hold"]
    office.says("hold", **ABOUT)
    assert office.hears() == TROUBLE
    office.says("ended", **ENDED)
    office.says("drain")  # which hurries it
    assert office.asked() == ("end", "clear", NOON, "done")
    assert office.asked() == ("close",)


def test_what_is_held_for_an_earlier_clerk_is_looked_after(engage: Engage) -> None:
    office = engage(check_every=0.01)
    office.lock.is_checked = True
    office.says("hold", **ABOUT)
    assert office.asked() == ("hold", "clear", NOON)
    assert office.asked() == office.asked() == ("check",)


def test_who_holds_a_run_does_not_wait_for_long_to_hold_it_again(engage: Engage) -> None:
    office = engage(check_every=0.01, first_delay=0.01)
    office.lock.is_checked = True
    office.lock.refusals = ["check"] * 12  # at the last of doubled delays 20 s
    office.says("claim", **ABOUT)
    assert office.asked() == ("claim", "clear", NOON)
    assert office.hears() == GRANTED
    assert (office.hears(), office.hears()) == (TROUBLE, OVER)


# What has not begun


def test_a_granted_run_that_is_dropped_is_given_back(engage: Engage) -> None:
    office = engage()
    office.says("claim", **ABOUT)
    assert office.hears() == GRANTED
    office.says("drop", **DROPPED)
    assert (office.asked(), office.asked()) == (("claim", "clear", NOON), ("give back", "clear", NOON))


def test_a_run_is_given_back_before_it_is_claimed_anew(engage: Engage) -> None:
    office = engage(first_delay=0.01)
    office.says("claim", **ABOUT)
    assert office.hears() == GRANTED
    office.lock.refusals = ["give back"]
    office.says("drop", **DROPPED)
    office.says("claim", **ABOUT)
    assert [office.asked()[0] for _ in range(3)] == ["claim", "give back", "claim"]


def test_a_clerk_that_leaves_gives_back_what_was_not_granted_yet(engage: Engage) -> None:
    office = engage()
    office.ledger.refusals = 1
    office.says("claim", **ABOUT)
    assert office.hears()[0] == "trouble"
    office.says("drain")
    assert [office.asked()[0] for _ in range(3)] == ["claim", "give back", "close"]


def test_a_clerk_that_leaves_keeps_what_was_granted_as_it_may_run(engage: Engage) -> None:
    office = engage()
    office.says("claim", **ABOUT)
    assert office.hears() == GRANTED
    office.says("drain")
    assert [office.asked()[0] for _ in range(2)] == ["claim", "close"]


def test_a_disk_that_goes_on_refusing_leaves_the_run_to_other_machines(engage: Engage) -> None:
    office = engage(first_delay=0.01, longest_delay=0.02)
    office.ledger.refusals = 2
    office.says("claim", **ABOUT)
    assert office.hears() == ("trouble", {"about": "ledger", "cause": "no space"})
    # After a while it is asked for again.
    assert [office.asked()[0] for _ in range(3)] == ["claim", "give back", "claim"]
    assert {office.hears()[0], office.hears()[0]} == {"granted", "trouble"}


def test_a_disk_that_refuses_for_a_moment_costs_no_lock(engage: Engage) -> None:
    office = engage(first_delay=0.01)
    office.ledger.refusals = 1
    office.says("claim", **ABOUT)
    assert office.hears()[0] == "trouble"
    assert {office.hears()[0], office.hears()[0]} == {"granted", "trouble"}
    office.says("drain")
    assert [office.asked()[0] for _ in range(2)] == ["claim", "close"]
