"""What the master does about a worker that becomes the mold, or can not."""

import os
import select
from types import SimpleNamespace
from typing import Any

import pytest

from corn_systemd.lifeline import Lifeline, Message
from corn_systemd.master.children import Children, Ended
from corn_systemd.master.deeds import NOT_IN_TIME
from corn_systemd.master.record import Record
from corn_systemd.master.reforks import AGAIN, Reforks
from corn_systemd.master.voice import TOLD
from corn_systemd.policy.view import Desired, Role, State
from corn_systemd.scoreboard import Scoreboard

from .house import FakeChildren, FakeDeeds, FakeLifeline


class Group:
    def __init__(self, count: int) -> None:
        self._count = count
        self.is_free = False

    def count(self) -> int:
        return self._count

    def free_memory(self) -> None:
        self.is_free = True


class Shop:
    """An instance of which one worker has been asked to become the mold."""

    def __init__(self, group: Group | None = None, has_company: bool = False) -> None:
        self.children, self.deeds = FakeChildren(), FakeDeeds()
        self.told: list[str] = []
        self.dismissed: list[Record] = []
        self.worker = self.add(Role.HTTP, State.MOLDING)
        self.worker.has_been_chosen = True
        self.worker.group = group  # type: ignore[assignment]
        self.others = [
            self.add(Role.HTTP, State.READY), self.add(Role.HTTP, State.STARTING), self.add(Role.CRON)
        ]  # fmt: skip
        self.elsewhere = [self.add(Role.HTTP, generation=2), self.add(Role.CLERK), self.add(Role.MOLD)]
        children: Any = self.children
        children.slot_view = lambda record: None
        children.make_mold = self._make_mold
        deeds: Any = self.deeds
        deeds.has_company = lambda mold: has_company
        anybody: Any = SimpleNamespace(
            dismiss=self.dismissed.append,
            bury=lambda view: None,
            reforked=lambda record: self.told.append("reforked"),
            refork_refused=lambda record, cause: self.told.append(cause),
        )
        self.reforks = Reforks(children, deeds, anybody, anybody, anybody)

    def add(self, role: Role, state: State = State.READY, generation: int = 1) -> Record:
        line: Any = FakeLifeline()
        record = Record(len(self.children.records) + 1, role, generation, 0.0, line, pid=1, state=state)
        self.children.records.append(record)
        return record

    def _make_mold(self, record: Record, now: float) -> None:
        record.role = Role.MOLD

    def says(self, kind: str, **fields: Any) -> None:
        self.reforks.heard(self.worker, Message(kind, fields), 100.0)

    def wants(self, generation: int = 1) -> Desired:
        return self.reforks.wants(Desired(generation=generation, http=2, refork_after=(50,)))


def test_who_is_the_mold_now_has_no_limits_and_all_of_its_generation_are_replaced() -> None:
    shop = Shop(Group(1))
    shop.says("molded")
    assert shop.worker.role is Role.MOLD and shop.dismissed == [shop.worker]
    assert shop.worker.group is not None and shop.worker.group.is_free  # type: ignore[attr-defined]
    assert all(one.retires for one in shop.others)
    assert not any(one.retires for one in [*shop.elsewhere, shop.worker])
    assert shop.told == ["reforked"]
    assert shop.wants().refork_from < 0


@pytest.mark.parametrize("state", [State.DRAINING, State.READY, State.STARTING])
def test_who_was_not_asked_or_has_been_given_up_is_no_mold(state: State) -> None:
    shop = Shop()
    shop.worker.state = state
    shop.says("molded")
    assert shop.deeds.killed == [(1, TOLD)] and shop.worker.role is Role.HTTP
    assert not any(one.retires for one in shop.others)


def test_who_has_been_interrupted_meanwhile_is_no_mold() -> None:
    shop = Shop()
    shop.worker.retires = "a request was interrupted"
    shop.says("molded")
    assert shop.deeds.killed == [(1, TOLD)]


def test_who_has_left_processes_behind_is_no_mold_and_the_next_is_asked_later() -> None:
    shop = Shop(Group(2))
    shop.says("molded")
    assert shop.deeds.killed == [(1, TOLD)]
    assert shop.told == ["it has left processes behind"]
    assert shop.wants().refork_from == 100.0 + AGAIN


def test_who_is_unfit_says_why_and_leaves_and_the_next_is_asked_later() -> None:
    shop = Shop()
    shop.says("unfit", causes=["thread 'a' is running", "file descriptor 7 is a socket"])
    assert shop.told == ["thread 'a' is running; file descriptor 7 is a socket"]
    assert shop.worker.state is State.DRAINING and shop.worker.is_asked and shop.worker.retires
    assert shop.wants().refork_from == 100.0 + AGAIN
    with pytest.raises(KeyError):
        shop.says("unfit")
    shop.says("whatever", causes=[])
    assert shop.deeds.killed == []


@pytest.mark.parametrize(("kill_cause", "is_held"), [("", True), (NOT_IN_TIME, True), ("stopping", False)])
def test_after_one_that_has_died_of_it_the_next_is_asked_later(kill_cause: str, is_held: bool) -> None:
    shop = Shop()
    shop.worker.kill_cause = kill_cause
    shop.reforks.bury(Ended(shop.worker, "signal SIGSEGV", False, None), 100.0)
    shop.reforks.bury(Ended(shop.others[0], "signal SIGSEGV", False, None), 300.0)
    assert (shop.wants().refork_from == 100.0 + AGAIN) == is_held


def test_where_the_import_has_started_processes_its_mold_stays_for_good() -> None:
    shop = Shop(has_company=True)
    mold = shop.elsewhere[-1]
    shop.reforks.became_ready(shop.others[0], shop.wants())
    assert shop.wants().refork_after == (50,)
    shop.reforks.became_ready(mold, shop.wants())
    assert shop.wants().refork_after == ()
    assert shop.wants(generation=2).refork_after == (50,)
    assert len(shop.told) == 1
    off = Desired(generation=2, http=2)
    shop.reforks.became_ready(mold, off)
    assert shop.reforks.wants(off) is off and len(shop.told) == 1


def test_what_the_master_has_of_a_worker_is_given_back_once() -> None:
    line: Any = FakeLifeline()
    fds = os.pipe()
    record = Record(1, Role.HTTP, 1, 0.0, line, nudge_fd=fds[0], stacks_fd=fds[1])
    record.give_back()
    record.give_back()
    for fd in fds:
        with pytest.raises(OSError):
            os.fstat(fd)


def test_a_worker_that_is_the_mold_now_has_no_slot_and_is_forked_from_before_the_other() -> None:
    board = Scoreboard.create(1)
    with select.epoll() as epoll:
        children = Children(epoll, board)
        pairs = [Lifeline.pair() for _ in range(3)]
        mold, worker = (
            children.add(role, 1, mine, 0.0)
            for role, (mine, _) in zip((Role.MOLD, Role.HTTP), pairs, strict=False)
        )
        mold.enter(State.READY, 0.0)
        board.slot(0).claim(7, 1, "http")
        assert children.mold(1) is mold
        children.make_mold(worker, 5.0)
        assert children.mold(1) is worker and children.mold(2) is None
        assert (worker.state, worker.since, worker.warmth, worker.slot) == (State.READY, 5.0, 1, None)
        assert worker.view().role is Role.MOLD and worker.view().warmth == 1
        assert board.slot(0).view().pid == 0
        # Its slot is another's.
        successor = children.add(Role.HTTP, 1, pairs[2][0], 6.0)
        assert successor.slot == 0
        for record in children:
            children.remove(record)
        for _, theirs in pairs:
            theirs.close()
