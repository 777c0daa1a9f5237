"""What the master does about what happened."""

from types import SimpleNamespace
from typing import Any

import pytest

from corn_systemd.lifeline import Lifeline
from corn_systemd.master.events import ForkRefused
from corn_systemd.master.master import Master
from corn_systemd.master.record import Record
from corn_systemd.policy.view import Role


@pytest.mark.parametrize(("kill_cause", "is_told"), [("", True), ("stopping", False)])
def test_the_place_of_a_worker_that_was_never_born_is_cleared_away(kill_cause: str, is_told: bool) -> None:
    """Its control group would be left, one more with each second of a shortage."""
    mine, theirs = Lifeline.pair()
    record = Record(1, Role.HTTP, 1, 0.0, mine, slot=0, kill_cause=kill_cause)
    cleared: list[Record] = []
    told: list[str] = []
    master: Any = SimpleNamespace(
        _deeds=SimpleNamespace(clear_away=cleared.append),
        course=SimpleNamespace(desired=SimpleNamespace(stopping=False)),
        _deaths=SimpleNamespace(refused=lambda what, generation, cause, now: told.append(cause)),
        now=0.0,
    )
    Master._take_in(master, ForkRefused(record, "no process"))
    assert cleared == [record]
    assert told == ["no process"] * is_told
    mine.close()
    theirs.close()
