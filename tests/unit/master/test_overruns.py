"""When the master looks at a worker again."""

from math import inf
from typing import Any

import pytest

from corn_systemd.lifeline import Lifeline
from corn_systemd.master.overruns import Overruns
from corn_systemd.master.record import Record
from corn_systemd.policy.view import Role, State
from corn_systemd.scoreboard import Scoreboard
from corn_systemd.settings.sections import Limits


class Silent:
    """A voice, deeds and a rescue of which nothing is asked."""

    def retires(self, record: Record) -> None:
        pass


@pytest.mark.parametrize(("state", "is_due"), [(State.READY, True), (State.DRAINING, False)])
def test_who_is_leaving_is_not_looked_at_again_and_again_for_its_age(state: State, is_due: bool) -> None:
    mine, theirs = Lifeline.pair()
    record = Record(1, Role.HTTP, 1, 0.0, mine, slot=0, state=state)
    record.limits = Limits(lifetime=60.0, memory_soft=0, memory_hard=0)
    board, silent = Scoreboard.create(1), Silent()
    anybody: Any = silent
    overruns = Overruns(board, anybody, anybody, anybody)
    seen = board.slot(0).glance()
    assert overruns.look(record, seen, 10.0) == (60.0 if is_due else inf)
    # Not the past, which would be looked at all the time.
    assert overruns.look(record, seen, 100.0) == inf
    assert bool(record.retires) == is_due
    mine.close()
    theirs.close()
