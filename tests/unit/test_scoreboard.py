import errno
import os
from pathlib import Path

import pytest

from corn_systemd.errors import Unavailable
from corn_systemd.scoreboard import HEADER_SIZE, Scoreboard
from corn_systemd.slot import DRAINING, READY, SLOT_SIZE


def test_what_a_worker_writes_is_read_through_another_mapping(tmp_path: Path) -> None:
    board = Scoreboard.create(4, str(tmp_path / "scoreboard"))
    slot = board.slot(2)
    slot.claim(4711, generation=3, role="http")
    slot.state(READY)
    slot.connections(5)
    slot.begin(9, "id-1", "GET", "/slow?x=1", now=12.5, wait=0.25)
    view = Scoreboard(os.open(tmp_path / "scoreboard", os.O_RDWR)).slot(2).view()
    assert (view.pid, view.generation, view.role, view.state) == (4711, 3, "http", "ready")
    assert (view.requests, view.is_busy, view.request, view.connections) == (1, True, "GET /slow?x=1", 5)
    assert (view.began_at, view.waited) == (12.5, 0.25)
    slot.end(13.0, 5)
    slot.state(DRAINING)
    assert not slot.view().is_busy and slot.view().state == "draining"


def test_what_requests_have_taken_counts_while_they_run() -> None:
    slot = Scoreboard.create(1).slot(0)
    slot.claim(1, 1, "http")
    assert slot.spent(5.0) == (0.0, 0.0)
    slot.begin(3, "id-1", "GET", "/", now=10.0, wait=0.5)
    assert slot.spent(12.0) == (2.0, 0.5)
    slot.end(13.0, 5)
    assert slot.spent(20.0) == (3.0, 0.5)
    slot.begin(3, "id-2", "GET", "/", now=21.0, wait=0.25)
    assert slot.spent(21.5) == (3.5, 0.75)


def test_a_slot_that_is_claimed_again_has_forgotten_its_last_owner() -> None:
    slot = Scoreboard.create(1).slot(0)
    slot.claim(1, 1, "http")
    slot.begin(3, "id-1", "GET", "/", 1.0)
    slot.clear()
    assert slot.view().pid == 0
    slot.claim(2, 2, "http")
    assert (slot.view().requests, slot.view().is_busy) == (0, False)


def test_what_lies_in_spools_is_known_for_all_and_goes_with_its_worker() -> None:
    board = Scoreboard.create(1024)
    first, last = board.slot(0), board.slot(1023)
    for slot, size in ((first, 5), (last, 4 << 30)):
        slot.claim(100, 1, "http")
        slot.begin(3, "id-1", "GET", "/" + "x" * SLOT_SIZE, 1.0)
        slot.spooled(size)
    assert first.spooled_by_all() == Scoreboard(board.fd).slot(7).spooled_by_all() == (4 << 30) + 5
    last.clear()
    assert first.spooled_by_all() == 5
    first.claim(101, 1, "http")
    assert first.spooled_by_all() == 0


def test_a_long_or_strange_target_is_cut_and_harms_no_neighbour() -> None:
    board = Scoreboard.create(2)
    board.slot(1).claim(7, 1, "http")
    board.slot(0).begin(3, "id-1", "GET", "/" + "é☃" * SLOT_SIZE, 1.0)
    assert board.slot(1).view().pid == 7
    assert board.slot(0).view().request.startswith("GET /é?")


def test_slots_do_not_overlap() -> None:
    board = Scoreboard.create(3)
    for number in range(3):
        board.slot(number).claim(100 + number, number, "http")
    assert [board.slot(number).view().pid for number in range(3)] == [100, 101, 102]
    assert os.fstat(board.fd).st_size == HEADER_SIZE + 3 * SLOT_SIZE


def test_a_slot_that_is_not_there_is_an_error() -> None:
    with pytest.raises(IndexError):
        Scoreboard.create(1).slot(1)


def test_a_file_of_another_kind_is_no_scoreboard(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 4096)
    with pytest.raises(ValueError, match="scoreboard"):
        Scoreboard(os.open(tmp_path / "x", os.O_RDWR))


def test_a_new_master_does_not_write_over_the_page_of_an_earlier_one(tmp_path: Path) -> None:
    path = str(tmp_path / "scoreboard")
    old = Scoreboard.create(1, path)
    new = Scoreboard.create(1, path)
    old.slot(0).claim(1, 1, "http")
    assert new.slot(0).view().pid == 0


def test_a_board_has_all_its_room_from_the_start(tmp_path: Path) -> None:
    for board in (Scoreboard.create(1024), Scoreboard.create(1024, str(tmp_path / "scoreboard"))):
        status = os.fstat(board.fd)
        assert status.st_size == HEADER_SIZE + 1024 * SLOT_SIZE
        assert status.st_blocks * 512 >= status.st_size


def test_a_board_without_room_is_refused_with_the_cure_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    path = tmp_path / "scoreboard"
    with pytest.raises(Unavailable, match=f"{path}: No space left on device; .* 9 KiB free") as caught:
        Scoreboard.create(16, str(path))
    assert caught.value.exit_status == 75
    assert not path.exists()
    with pytest.raises(Unavailable, match="in memory: No space"):
        Scoreboard.create(16)


def test_a_board_in_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        Scoreboard.create(16, str(tmp_path / "nowhere" / "scoreboard"))
