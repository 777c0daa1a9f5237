import os

import pytest

from corn_systemd.roster import DOOR_MAX, HAS_TAKEN, Roster


@pytest.fixture
def pair() -> tuple[Roster, Roster]:
    """(the worker's, the master's) of one roster."""
    mine = Roster.create()
    theirs = Roster.of(os.dup(mine.fd))
    assert theirs is not None
    return mine, theirs


def test_the_master_finds_what_is_free(pair: tuple[Roster, Roster]) -> None:
    mine, theirs = pair
    mine.enter(7, 0)
    mine.enter(9, 3)
    mine.enter(11, 1)
    mine.hold(11)
    mine.enter(12, 2)
    mine.leave(12)
    assert list(theirs.free()) == [(7, 0, ""), (9, 3, "")]
    assert theirs.count(but=-1) == (3, 1)
    assert theirs.count(but=11) == (2, 0)
    mine.release(11, 1)
    assert [fd for fd, _, _ in theirs.free()] == [7, 9, 11]


def test_what_the_master_takes_is_seen_by_the_worker(pair: tuple[Roster, Roster]) -> None:
    mine, theirs = pair
    mine.enter(7, 0)
    mine.enter(8, 0)
    theirs.take([7])
    assert mine.marks[HAS_TAKEN]
    assert mine.is_taken(7) and not mine.is_taken(8)
    assert [fd for fd, _, _ in theirs.free()] == [8]
    assert theirs.count(but=-1) == (1, 0)


def test_what_is_being_given_is_not_taken_and_what_was_taken_stays_so(pair: tuple[Roster, Roster]) -> None:
    mine, theirs = pair
    mine.enter(7, 0)
    mine.enter(8, 0)
    mine.hold(7)
    assert [fd for fd, _, _ in theirs.free()] == [8]
    theirs.take([8])
    mine.hold(8)
    assert mine.is_taken(8), "its own mark does not hide it"
    mine.leave(8)
    mine.enter(8, 0)
    assert not mine.is_taken(8), "another of the same number"


def test_no_number_of_rescues_is_mistaken_for_none(pair: tuple[Roster, Roster]) -> None:
    mine, theirs = pair
    for fd in range(1, 257):
        theirs.take([fd])
    assert mine.marks[HAS_TAKEN]


def test_an_introduction_is_kept_as_long_as_there_is_room(pair: tuple[Roster, Roster]) -> None:
    mine, theirs = pair
    mine.enter(5, 0)
    assert mine.introduce(5, "somebody")
    assert list(theirs.free()) == [(5, 0, "somebody")]
    assert mine.introduce(5, "me")
    assert list(theirs.free()) == [(5, 0, "me")]
    assert not mine.introduce(5, "x" * 128)
    assert mine.introduce(mine.size - 1, "x" * 127)


def test_descriptors_and_doors_beyond_it_are_nobody_elses(pair: tuple[Roster, Roster]) -> None:
    mine, theirs = pair
    beyond = mine.size + 5
    mine.enter(beyond, 0)
    mine.hold(beyond)
    mine.leave(beyond)
    assert not mine.is_taken(beyond) and not mine.introduce(beyond, "x")
    mine.enter(6, DOOR_MAX)
    assert not list(theirs.free())
    assert theirs.count(but=-1) == (1, 1)


def test_what_could_be_cut_off_is_no_roster() -> None:
    fd = os.memfd_create("x")
    os.ftruncate(fd, 129 * 1024)
    assert Roster.of(fd) is None
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(fd)
    mine = Roster.create()
    with pytest.raises(PermissionError):
        os.ftruncate(mine.fd, 0)
