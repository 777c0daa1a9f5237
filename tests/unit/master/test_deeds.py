"""What the master's hands do where a child does not take what it is told."""

from types import SimpleNamespace
from typing import Any

import pytest

from corn_systemd.lifeline import Lifeline
from corn_systemd.master.deeds import NOT_IN_TIME, Deeds
from corn_systemd.master.record import Record
from corn_systemd.policy.view import Desired, Role, State
from corn_systemd.scoreboard import Scoreboard


class Children(dict[int, Record]):
    def __iter__(self) -> Any:
        return iter(list(self.values()))


def test_a_child_whose_lifeline_is_full_is_asked_to_leave_again_and_its_time_runs() -> None:
    mine, theirs = Lifeline.pair()
    record = Record(1, Role.CLERK, 0, 0.0, mine, pid=1, state=State.READY)
    deeds: Any = SimpleNamespace(_children=Children({1: record}), _unheard={})
    deeds.ask_again = lambda: Deeds.ask_again(deeds)
    while mine.send("note", text="x" * 1000):
        pass
    Deeds.drain(deeds, 1, Desired(generation=1, http=1), 5.0)
    assert (record.state, record.since) == (State.DRAINING, 5.0)
    assert deeds.ask_again(), "it has not heard it"
    child = Lifeline(theirs)
    while child.receive() is not None:
        pass
    assert not deeds.ask_again()
    message = child.receive()
    assert message is not None and message.kind == "drain"
    assert child.receive() is None and not deeds.ask_again(), "once"
    mine.close()
    child.close()


def test_a_child_that_has_gone_is_asked_no_more() -> None:
    deeds: Any = SimpleNamespace(_children=Children(), _unheard={1: {"linger": 1.0}})
    assert not Deeds.ask_again(deeds)
    assert deeds._unheard == {}


@pytest.mark.parametrize(
    ("waited", "connections", "is_killed"), [(60.0, 0, True), (59.0, 0, False), (60.0, 1, False)]
)
def test_who_has_not_become_a_mold_in_time_leaves_and_is_killed_if_it_has_no_clients(
    waited: float, connections: int, is_killed: bool
) -> None:
    mine, theirs = Lifeline.pair()
    record = Record(1, Role.HTTP, 1, 0.0, mine, slot=0, pid=1, state=State.READY)
    board = Scoreboard.create(1)
    board.slot(0).claim(1, 1, "http")
    board.slot(0).connections(connections)
    killed: list[str] = []
    deeds: Any = SimpleNamespace(_children=Children({1: record}), _unheard={}, _scoreboard=board)
    deeds.ask_again = lambda: Deeds.ask_again(deeds)
    deeds._is_idle = lambda one: Deeds._is_idle(deeds, one)
    deeds.kill = lambda one, cause, now: killed.append(cause)
    desired = Desired(generation=1, http=1, patience=60.0)
    Deeds.drain(deeds, 1, desired, 5.0, becomes_mold=True)
    assert (record.state, record.is_asked, record.has_been_chosen) == (State.MOLDING, False, True)
    Deeds.drain(deeds, 1, desired, 5.0 + waited)
    assert killed == [NOT_IN_TIME] * is_killed and record.retires
    child = Lifeline(theirs)
    asked = []
    while (message := child.receive()) is not None:
        asked.append(message.fields.get("becomes_mold", False))
    assert asked == ([True] if is_killed else [True, False])
    mine.close()
    child.close()
