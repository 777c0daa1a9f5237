"""The clerk in a thread, over a real lifeline and with a real ledger; its lock is none."""

import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from corn_systemd.clerk.clerk import Clerk, live
from corn_systemd.clerk.lock import Claim, Verdict
from corn_systemd.cron.events import Past, run_name
from corn_systemd.cron.ledger import Entry, LastRun, Ledger
from corn_systemd.errors import Unavailable
from corn_systemd.lifeline import Lifeline, Message

NOON = 1767268800.0
BEGUN = NOON + 0.25
CLEAR = Entry("clear", Past(NOON, waiting=NOON), began_at=BEGUN)
RUNNING = replace(CLEAR, past=Past(NOON, running=NOON))
DONE = Entry("clear", Past(NOON), runs=1, last=LastRun(NOON, BEGUN, NOON + 9, "done"))
MAIL = Entry("mail", Past(NOON - 1))
SHARED: dict[str, Any] = {"lock": "postgresql://db/corn", "retries": 3}
ALONE: dict[str, Any] = {"lock": "", "retries": 3}
GRANTED = Claim(Verdict.GRANTED)
FULL_DISK = "can not write jobs: No space left on device"
LONG = 600.0
# So much is never waited for, unless something is wrong.
PATIENCE = 10.0


class StubbornLedger(Ledger):
    """Refuses for as long, or as often, as it is told to."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.is_full = False
        self.refusals = 0
        self.tried_at: list[float] = []
        self.on_written: Callable[[], None] = lambda: None

    def write(self, entries: Iterable[Entry]) -> None:
        self.tried_at.append(time.monotonic())
        if self.is_full or self.refusals:
            self.refusals -= not self.is_full
            raise Unavailable(FULL_DISK)
        super().write(entries)
        self.on_written()


class FakeLock:
    """Answers claims with what it was given, the last of it again and again; an error is raised."""

    def __init__(self, *answers: Claim | Unavailable) -> None:
        self.answers = list(answers)
        self.lost: list[tuple[str, float] | Unavailable] = []
        self.ended: list[tuple[str, float, str]] = []
        self.refusals = 0
        self.claims = 0
        self.checked_at: list[float] = []
        self.is_closed = False

    def claim(self, job: str, at: float) -> Claim:
        self.claims += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    def hold(self, job: str, at: float) -> bool:
        return True

    def give_back(self, job: str, at: float) -> None:
        pass

    def end(self, job: str, at: float, outcome: str) -> bool:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("no database")
        self.ended.append((job, at, outcome))
        return True

    def check(self) -> list[tuple[str, float]]:
        self.checked_at.append(time.monotonic())
        lost, self.lost = self.lost, []
        for each in lost:
            if isinstance(each, Unavailable):
                raise each
        return [each for each in lost if not isinstance(each, Unavailable)]

    def close(self) -> None:
        self.is_closed = True


class CountingLifeline(Lifeline):
    """Knows how often somebody has listened."""

    count = 0

    def receive(self) -> Message | None:
        self.count += 1
        return super().receive()


class Office:
    """A clerk at work, and the master's end of its lifeline. Whatever the clerk may wait for by itself is far
    away unless it is told otherwise."""

    def __init__(self, ledger: StubbornLedger, lock: FakeLock | None = None, **delays: float) -> None:
        self.ledger = ledger
        self.master, theirs = Lifeline.pair()
        # So that little has room in it.
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.lifeline = CountingLifeline(theirs)
        self.addresses: list[tuple[str, int]] = []
        lock = lock if lock is not None else FakeLock()

        def make_lock(address: str, retries: int) -> FakeLock:
            self.addresses.append((address, retries))
            return lock

        names = ("ask_again", "first_delay", "longest_delay", "check_every", "farewell")
        far: dict[str, Any] = dict.fromkeys(names, LONG)
        self.clerk = Clerk(self.lifeline, ledger, make_lock, **{**far, **delays})
        self.end: BaseException | None = None
        self.thread = threading.Thread(target=self._live, daemon=True)

    def _live(self) -> None:
        try:
            self.clerk.serve()
        except BaseException as error:
            self.end = error

    def open(self) -> "Office":
        self.thread.start()
        assert self.hears() == ("ready", {})
        return self

    def says(self, kind: str, **fields: Any) -> None:
        assert self.master.send(kind, **fields)

    def claims(self, entry: Entry = CLEAR, at: float = NOON, **lock: Any) -> None:
        self.says("claim", entry=asdict(entry), at=at, **(lock or ALONE))

    def notes(self, entry: Entry, **more: Any) -> None:
        self.says("note", job=entry.job, entry=asdict(entry), **more)

    def ends(self, entry: Entry, at: float, outcome: str = "done", **lock: Any) -> None:
        about = {"job": entry.job, "at": at, "outcome": outcome}
        self.says("ended", **about, entry=asdict(entry), **(lock or ALONE))

    def is_spoken_to(self, patience: float = 0.0) -> bool:
        poller = select.poll()
        poller.register(self.master.fileno(), select.POLLIN)
        return bool(poller.poll(patience * 1000))

    def hears(self) -> tuple[str, dict[str, Any]]:
        assert self.is_spoken_to(PATIENCE), "the clerk says nothing"
        message = self.master.receive()
        assert message is not None
        return message.kind, message.fields

    def hears_all(self) -> list[tuple[str, dict[str, Any]]]:
        """All that was said until now: a run that nobody knows ends, and that is told last."""
        self.ends(Entry("last word", Past()), 1.0)
        heard = []
        while (message := self.hears()) != ("written", {"job": "last word", "at": 1.0}):
            heard.append(message)
        return heard

    def is_left(self) -> bool:
        self.thread.join(PATIENCE)
        assert self.end is None, self.end
        self.lifeline.close()
        return not self.thread.is_alive()

    @property
    def written(self) -> dict[str, Entry]:
        reading = Ledger(self.ledger.path).read()
        assert not reading.torn
        return reading.entries


def granted(entry: Entry = CLEAR, at: float = NOON) -> tuple[str, dict[str, Any]]:
    return "granted", {"job": entry.job, "at": at}


TROUBLE = ("trouble", {"about": "ledger", "cause": FULL_DISK})
OVER = ("trouble", {"about": "ledger", "cause": ""})


@pytest.fixture
def ledger(tmp_path: Path) -> StubbornLedger:
    return StubbornLedger(str(tmp_path / "jobs"))


@pytest.fixture
def engage(ledger: StubbornLedger) -> Iterator[Callable[..., Office]]:
    offices: list[Office] = []

    def made(lock: FakeLock | None = None, **delays: float) -> Office:
        offices.append(Office(ledger, lock, **delays))
        return offices[-1].open()

    yield made
    for office in offices:
        ledger.is_full = False
        office.master.close()
        assert office.is_left()


Engage = Callable[..., Office]


# The ledger


def test_a_run_is_granted_when_its_claim_is_on_the_disk_and_not_before(
    engage: Engage, ledger: StubbornLedger
) -> None:
    office = engage()
    was_spoken_to: list[bool] = []
    ledger.on_written = lambda: was_spoken_to.append(office.is_spoken_to())
    office.claims()
    assert office.hears() == granted()
    assert office.written == {"clear": RUNNING}
    assert was_spoken_to == [False]


def test_a_note_is_written(engage: Engage) -> None:
    office = engage()
    office.notes(MAIL)
    assert office.hears_all() == []
    assert office.written["mail"] == MAIL


def test_the_end_of_a_run_is_told_as_written_when_it_is(engage: Engage, ledger: StubbornLedger) -> None:
    office = engage()
    office.claims()
    assert office.hears() == granted()
    was_spoken_to: list[bool] = []
    ledger.on_written = lambda: was_spoken_to.append(office.is_spoken_to())
    office.ends(DONE, NOON)
    assert office.hears() == ("written", {"job": "clear", "at": NOON})
    assert office.written == {"clear": DONE}
    assert was_spoken_to == [False]


def test_the_end_of_a_run_and_the_claim_of_the_next_may_come_at_once(engage: Engage) -> None:
    office = engage()
    office.claims()
    assert office.hears() == granted()
    office.ends(DONE, NOON)
    office.claims(replace(DONE, began_at=BEGUN + 60), NOON + 60)
    assert {office.hears()[0], office.hears()[0]} == {"written", "granted"}
    past = Past(NOON, running=NOON + 60)
    assert office.written == {"clear": replace(DONE, past=past, began_at=BEGUN + 60)}


def test_trouble_is_told_once_and_so_is_its_end_and_nothing_is_lost(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.refusals = 3
    office = engage(first_delay=0.01)
    office.notes(MAIL)
    assert office.hears() == TROUBLE
    office.claims()
    office.notes(replace(MAIL, runs=5))
    office.ends(Entry("other", Past(5.0)), 5.0, "failed")
    heard = [office.hears() for _ in range(3)]
    assert sorted(heard, key=lambda message: message[0]) == [
        granted(),
        OVER,
        ("written", {"job": "other", "at": 5.0}),
    ]
    assert office.hears_all() == []
    found = office.written
    del found["last word"]
    assert found == {"clear": RUNNING, "mail": replace(MAIL, runs=5), "other": Entry("other", Past(5.0))}


def test_what_is_refused_is_tried_again_after_longer_and_longer(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.refusals = 9
    office = engage(first_delay=0.005, longest_delay=0.02)
    office.notes(MAIL)
    # Were there no longest delay, this would take 2.5 s, and with the first alone less than this.
    assert (office.hears(), office.hears()) == (TROUBLE, OVER)
    gaps = [later - sooner for sooner, later in pairwise(ledger.tried_at)]
    assert len(gaps) == 9
    expected = [0.005, 0.01, *[0.02] * 7]
    assert all(gap >= least for gap, least in zip(gaps, expected, strict=True)), gaps
    assert sum(gaps) < 2.5


def test_the_end_of_a_run_that_can_not_be_written_is_not_told_as_written(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.refusals = 2
    office = engage(first_delay=0.01)
    office.ends(DONE, NOON)
    written = "written", {"job": "clear", "at": NOON}
    assert [office.hears() for _ in range(3)] == [TROUBLE, OVER, written]


def test_trouble_that_comes_back_is_told_again_and_tried_again_soon(
    engage: Engage, ledger: StubbornLedger
) -> None:
    office = engage(first_delay=0.01)
    for refusals in (6, 1):  # the last delays of the first are 0.32 s and, if it went on, 0.64 s
        ledger.refusals = refusals
        office.notes(MAIL)
        assert (office.hears(), office.hears()) == (TROUBLE, OVER)
    assert ledger.tried_at[-1] - ledger.tried_at[-2] < 0.32


def test_news_do_not_hurry_a_disk_that_is_full(engage: Engage, ledger: StubbornLedger) -> None:
    ledger.is_full = True
    office = engage()
    office.notes(MAIL)
    assert office.hears() == TROUBLE
    count = office.lifeline.count
    for step in (2, 4):  # it has heard this, and that there is nothing more
        office.claims()
        while office.lifeline.count < count + step:
            assert not office.is_spoken_to(0.001)
    assert len(ledger.tried_at) == 1


def test_a_claim_that_is_dropped_is_neither_written_nor_granted(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.is_full = True
    office = engage(first_delay=0.01, longest_delay=0.01)
    office.claims()
    assert office.hears() == TROUBLE
    office.says("drop", job="clear", at=NOON)
    office.says("drop", job="clear", at=NOON)  # of one that is not there
    office.claims(MAIL, NOON + 1)
    ledger.is_full = False
    assert sorted(office.hears()[0] for _ in range(2)) == ["granted", "trouble"]
    assert office.hears_all() == []
    assert "clear" not in office.written


def test_news_of_a_job_that_is_being_claimed_are_written_with_its_claim(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.is_full = True
    office = engage(first_delay=0.01, longest_delay=0.01)
    office.claims()
    assert office.hears() == TROUBLE
    paused = Past(NOON, is_paused=True, waiting=NOON)
    office.notes(Entry("clear", paused), claiming=NOON)
    ledger.is_full = False
    assert {office.hears()[0], office.hears()[0]} == {"granted", "trouble"}
    past = Past(NOON, is_paused=True, running=NOON)
    assert office.written == {"clear": Entry("clear", past, began_at=BEGUN)}


def test_who_does_not_know_yet_that_a_run_was_granted_does_not_undo_its_claim(engage: Engage) -> None:
    office = engage()
    office.claims()
    assert office.hears() == granted()
    paused = Past(NOON, is_paused=True, waiting=NOON)
    office.notes(Entry("clear", paused), claiming=NOON)  # said before that was heard
    office.hears_all()
    past = Past(NOON, is_paused=True, running=NOON)
    assert office.written["clear"] == Entry("clear", past, began_at=BEGUN)
    # It has been heard, and the run is put off.
    office.notes(Entry("clear", paused), claiming=None)
    office.hears_all()
    assert office.written["clear"] == Entry("clear", paused)


def test_a_master_that_is_busy_hears_all_of_it_later(engage: Engage) -> None:
    office = engage()
    for number in range(100):
        office.claims(replace(CLEAR, job=f"job {number} {'x' * 200}"))
    heard = [office.hears() for _ in range(100)]
    assert {fields["job"].split()[1] for _, fields in heard} == {str(number) for number in range(100)}
    assert len(office.written) == 100


# The end


def test_a_clerk_that_shall_leave_writes_what_is_at_hand_and_leaves(engage: Engage) -> None:
    office = engage()
    office.notes(MAIL)
    office.ends(DONE, NOON)
    office.says("drain")
    assert office.is_left()
    assert office.written == {"mail": MAIL, "clear": DONE}
    assert office.hears() == ("written", {"job": "clear", "at": NOON})


def test_a_clerk_with_nothing_at_hand_leaves_at_once(engage: Engage) -> None:
    office = engage()
    office.says("drain")
    assert office.is_left()


def test_a_clerk_that_shall_leave_grants_nothing_any_more(engage: Engage, ledger: StubbornLedger) -> None:
    ledger.is_full = True
    office = engage()
    office.claims()
    assert office.hears() == TROUBLE
    office.notes(MAIL)
    ledger.is_full = False
    office.says("drain")
    assert office.is_left()
    assert office.written == {"mail": MAIL}
    assert office.hears() == OVER
    with pytest.raises(EOFError):
        office.hears()


def test_a_clerk_that_shall_leave_tries_again_at_once_and_soon_whatever_was_before(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.refusals = 10
    office = engage(first_delay=0.01, longest_delay=LONG, farewell=3.0)
    office.notes(MAIL)
    assert office.hears() == TROUBLE
    while (
        len(ledger.tried_at) < 7
    ):  # the next would be after 0.64 s, and the ones after it after 1.28 and more
        assert not office.is_spoken_to(0.01)
    office.says("drain")
    assert office.is_left()
    assert office.written == {"mail": MAIL}


def test_a_clerk_that_can_not_write_leaves_all_the_same(engage: Engage, ledger: StubbornLedger) -> None:
    ledger.is_full = True
    office = engage(farewell=0.05)
    office.notes(MAIL)
    assert office.hears() == TROUBLE
    office.says("drain")
    assert office.is_left()


def test_a_master_that_has_gone_is_survived_by_what_it_has_said(
    engage: Engage, ledger: StubbornLedger
) -> None:
    office = engage()
    office.notes(MAIL)
    office.ends(DONE, NOON)
    office.master.close()
    assert office.is_left()
    assert office.written == {"mail": MAIL, "clear": DONE}


def test_when_the_master_has_gone_what_was_refused_is_tried_once_more(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.is_full = True
    office = engage()
    office.notes(MAIL)
    assert office.hears() == TROUBLE
    ledger.is_full = False
    office.master.close()
    assert office.is_left()
    assert office.written == {"mail": MAIL}


def test_when_the_master_has_gone_nobody_begins_what_it_has_claimed(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.is_full = True
    office = engage()
    office.claims()
    assert office.hears() == TROUBLE
    office.notes(MAIL)
    ledger.is_full = False
    office.master.close()
    assert office.is_left()
    assert office.written == {"mail": MAIL}


@pytest.mark.parametrize("is_seen", [True, False])
def test_when_the_master_has_gone_a_run_that_was_seen_to_end_well_has_ended(
    engage: Engage, is_seen: bool
) -> None:
    lock = FakeLock(GRANTED)
    office = engage(lock)
    office.clerk.witness = lambda: {run_name("clear", NOON)} if is_seen else {run_name("clear", NOON - 60)}
    office.claims(**SHARED)
    assert office.hears() == granted()
    later = replace(RUNNING, past=Past(NOON + 60, is_paused=True, running=NOON))
    office.notes(later, claiming=None)
    office.hears_all()
    office.master.close()
    assert office.is_left()
    found = office.written["clear"]
    if is_seen:
        assert found.last is not None and (found.last.at, found.last.outcome) == (NOON, "done")
        assert found == replace(DONE, past=Past(NOON + 60, is_paused=True), last=found.last)
    else:
        assert found == later
    assert lock.ended == ([("clear", NOON, "done")] if is_seen else [])


def test_when_the_master_has_gone_and_the_disk_is_full_nobody_stays(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.is_full = True
    office = engage()
    office.notes(MAIL)
    office.master.close()
    assert office.is_left()


# The lock


def test_a_run_that_machines_share_is_granted_only_after_the_lock_and_the_ledger(
    engage: Engage, ledger: StubbornLedger
) -> None:
    lock = FakeLock(Claim(Verdict.ELSEWHERE, "north"), Claim(Verdict.ELSEWHERE, "east"), GRANTED)
    office = engage(lock, ask_again=0.01)
    office.claims(**SHARED)
    assert office.hears() == ("elsewhere", {"job": "clear", "at": NOON, "owner": "north"})
    was_asked: list[int] = []
    ledger.on_written = lambda: was_asked.append(lock.claims)
    assert office.hears() == granted()
    assert was_asked == [3]
    assert office.written == {"clear": RUNNING}
    assert office.addresses == [("postgresql://db/corn", 3)]


@pytest.mark.parametrize("is_well", [True, False])
def test_a_run_that_another_machine_has_ended_is_done_and_not_written(engage: Engage, is_well: bool) -> None:
    office = engage(FakeLock(Claim(Verdict.DONE, "north", is_well)))
    office.claims(**SHARED)
    assert office.hears() == ("done", {"job": "clear", "at": NOON, "owner": "north", "is_well": is_well})
    assert office.hears_all() == []
    assert "clear" not in office.written


def test_who_waits_for_another_machine_does_not_ask_all_the_time(engage: Engage) -> None:
    lock = FakeLock(Claim(Verdict.ELSEWHERE, "north"))
    office = engage(lock)
    office.claims(**SHARED)
    assert office.hears()[0] == "elsewhere"
    office.hears_all()
    office.hears_all()
    assert lock.claims == 1


def test_a_claim_that_is_dropped_is_not_asked_for_any_more(engage: Engage) -> None:
    lock = FakeLock(Claim(Verdict.ELSEWHERE, "north"))
    office = engage(lock, ask_again=0.01)
    office.claims(**SHARED)
    assert office.hears()[0] == "elsewhere"
    office.says("drop", job="clear", at=NOON)
    office.hears_all()
    claims = lock.claims
    assert not office.is_spoken_to(0.05)
    assert lock.claims == claims


def test_the_end_of_a_run_is_told_the_lock_as_well_and_written_only_then(engage: Engage) -> None:
    lock = FakeLock(GRANTED)
    lock.refusals = 2
    office = engage(lock, first_delay=0.01)
    office.claims(**SHARED)
    assert office.hears() == granted()
    office.ends(DONE, NOON, "failed", **SHARED)
    assert office.hears() == ("trouble", {"about": "lock", "cause": "no database"})
    assert office.hears() == ("trouble", {"about": "lock", "cause": ""})
    assert office.hears() == ("written", {"job": "clear", "at": NOON})
    assert lock.ended == [("clear", NOON, "failed")]
    assert office.written == {"clear": DONE}


def test_the_end_of_a_run_that_an_earlier_clerk_has_claimed_is_told_the_lock(engage: Engage) -> None:
    lock = FakeLock()
    office = engage(lock)
    office.ends(DONE, NOON, **SHARED)
    assert office.hears() == ("written", {"job": "clear", "at": NOON})
    assert lock.ended == [("clear", NOON, "done")]


def test_a_database_that_has_gone_keeps_nothing_from_being_written(engage: Engage) -> None:
    office = engage(FakeLock(Unavailable("no database"), GRANTED), first_delay=0.5)
    office.claims(**SHARED)
    office.claims(MAIL, NOON + 1)
    heard = [office.hears() for _ in range(4)]
    assert [message for message in heard if message[0] == "trouble"] == [
        ("trouble", {"about": "lock", "cause": "no database"}),
        ("trouble", {"about": "lock", "cause": ""}),
    ]
    assert heard[1] == granted(MAIL, NOON + 1)
    assert granted() in heard


def test_a_run_that_another_machine_has_taken_over_is_lost_once(engage: Engage) -> None:
    lock = FakeLock(GRANTED)
    office = engage(lock, check_every=0.01)
    office.claims(**SHARED)
    assert office.hears() == granted()
    lock.lost = [("clear", NOON), ("clear", NOON), ("another", 1.0)]
    assert office.hears() == ("lost", {"job": "clear", "at": NOON})
    assert office.hears_all() == []


def test_a_run_whose_lock_is_lost_before_it_was_granted_is_asked_for_again(
    engage: Engage, ledger: StubbornLedger
) -> None:
    ledger.is_full = True
    lock = FakeLock(GRANTED, Claim(Verdict.DONE, "north"))
    office = engage(lock, check_every=0.01)
    office.claims(**SHARED)
    assert office.hears() == TROUBLE
    lock.lost = [("clear", NOON)]
    assert office.hears()[0] == "done"
    ledger.is_full = False
    office.says("drain")
    assert office.is_left()
    assert office.written == {}


def test_the_locks_are_looked_after_as_long_as_any_is_held(engage: Engage) -> None:
    lock = FakeLock(GRANTED)
    office = engage(lock, check_every=0.01)
    office.claims(**SHARED)
    assert office.hears() == granted()
    while len(lock.checked_at) < 3:
        assert not office.is_spoken_to(0.001)
    office.ends(DONE, NOON, **SHARED)
    office.hears()
    checks, count = len(lock.checked_at), office.lifeline.count
    assert not office.is_spoken_to(0.05)
    assert (len(lock.checked_at), office.lifeline.count) == (checks, count)
    assert all(later - sooner >= 0.01 for sooner, later in pairwise(lock.checked_at))


def test_a_clerk_in_trouble_sleeps_until_it_tries_again(engage: Engage) -> None:
    lock = FakeLock(GRANTED)
    lock.refusals = 2
    office = engage(lock, check_every=0.2, first_delay=0.1)
    for entry in (CLEAR, MAIL):
        office.claims(entry, **SHARED)
        assert office.hears() == granted(entry)
    office.ends(DONE, NOON, **SHARED)
    assert office.hears() == ("trouble", {"about": "lock", "cause": "no database"})
    # It tries in 0.1 s, and 0.2 s later, and would look after the other one's lock in between.
    count = office.lifeline.count
    assert office.hears() == ("trouble", {"about": "lock", "cause": ""})
    assert office.lifeline.count - count < 10


def test_a_clerk_that_shall_leave_tells_the_lock_first_what_has_ended(engage: Engage) -> None:
    lock = FakeLock(GRANTED)
    lock.refusals = 2
    office = engage(lock, first_delay=0.01)
    office.ends(DONE, NOON, **SHARED)
    office.says("drain")
    assert office.is_left()
    assert lock.ended == [("clear", NOON, "done")]


def test_a_clerk_that_leaves_closes_its_locks(engage: Engage) -> None:
    lock = FakeLock(GRANTED)
    office = engage(lock)
    office.claims(**SHARED)
    assert office.hears() == granted()
    office.says("drain")
    assert office.is_left()
    assert lock.is_closed


def test_a_clerk_of_one_machine_needs_no_lock(ledger: StubbornLedger) -> None:
    master, theirs = Lifeline.pair()
    thread = threading.Thread(target=live, args=(Lifeline(theirs), ledger, "shop", "me", set), daemon=True)
    thread.start()
    assert master.send("claim", entry=asdict(CLEAR), at=NOON, **ALONE)
    assert master.send("drain")
    thread.join(PATIENCE)
    assert not thread.is_alive()
    kinds = [message.kind for message in iter(master.receive, None)]
    assert kinds[0] == "ready" and kinds[1:] in ([], ["granted"])
    master.close()
