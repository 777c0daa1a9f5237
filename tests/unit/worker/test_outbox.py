import os
import resource
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.worker import outbox as outboxes
from corn_systemd.worker.outbox import Outbox
from corn_systemd.worker.spool import Body, Spools


class FakeSocket:
    """Takes so many bytes at a time, then none until it is asked again."""

    def __init__(self, rooms: list[int]) -> None:
        self.rooms = rooms
        self.taken = b""

    def send(self, data: Any, flags: int) -> int:
        assert flags & socket.MSG_DONTWAIT
        room = self.rooms.pop(0) if self.rooms else 0
        if not room:
            raise BlockingIOError
        part = bytes(data)[:room]
        self.taken += part
        return len(part)

    def sendmsg(self, buffers: Sequence[Any], ancillary: object, flags: int) -> int:
        return self.send(b"".join(bytes(buffer) for buffer in buffers), flags)

    def fileno(self) -> int:
        raise OSError("no sendfile here")


class FakeTally:
    """Holds what this worker and the others have in spools."""

    def __init__(self) -> None:
        self.mine = self.others = self.looks = 0

    def spooled(self, size: int) -> None:
        self.mine = size

    def spooled_by_all(self) -> int:
        self.looks += 1
        return self.mine + self.others


def spools(directory: object, most: int = 0, tally: FakeTally | None = None) -> Spools:
    return Spools(str(directory), most, tally or FakeTally())


@given(st.lists(st.binary(max_size=20), max_size=100), st.lists(st.integers(0, 40), max_size=60))
def test_bytes_leave_in_their_order_whatever_is_taken(pieces: list[bytes], rooms: list[int]) -> None:
    outbox = Outbox(spools("/nowhere"))
    for piece in pieces:
        outbox.add(piece)
    everything = b"".join(pieces)
    sock = FakeSocket([])
    for room in [*rooms, *([1000] * 200)]:
        sock.rooms = [room]
        outbox.flush(sock)  # type: ignore[arg-type]
        assert outbox.held == len(everything) - len(sock.taken)
    assert sock.taken == everything
    assert not outbox


def test_what_is_too_much_for_memory_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "MEMORY_BYTES", 10)
    outbox = Outbox(spools(tmp_path))
    sock = FakeSocket([])
    monkeypatch.setattr(outboxes, "send_file", lambda _, fd, at, n: sock.send(os.pread(fd, n, at), 0x40))
    outbox.add(b"0123456789")
    outbox.add(b"abc")
    outbox.add(b"def")
    assert outbox.held == 10
    sock.rooms = [10, 2, 0]
    outbox.flush(sock)  # type: ignore[arg-type]
    outbox.add(b"ghi")
    sock.rooms = [100, 100, 100]
    outbox.flush(sock)  # type: ignore[arg-type]
    outbox.add(b"jkl")
    sock.rooms = [100]
    outbox.flush(sock)  # type: ignore[arg-type]
    assert sock.taken == b"0123456789abcdefghijkl"
    assert not outbox
    outbox.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_became_shorter_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "send_file", lambda *_: 0)
    outbox = Outbox(spools(tmp_path))
    with spools(tmp_path).open() as file:
        outbox.add_file(file.fileno(), 0, 10)
    with pytest.raises(EOFError):
        outbox.flush(FakeSocket([]))  # type: ignore[arg-type]
    outbox.close()


@pytest.mark.parametrize("memory", [0, 4, 5, 6, 100])
def test_a_body_is_whole_wherever_it_lies(tmp_path: Path, memory: int) -> None:
    body = Body(memory, spools(tmp_path))
    for piece in (b"he", b"", b"llo", b" ", b"world"):
        body.add([piece])
    file = body.finish()
    assert hasattr(file, "getvalue") is (memory in (0, 100))
    assert (file.readline(), file.read(), body.size) == (b"hello world", b"", 11)
    assert list(tmp_path.iterdir()) == []
    body.close()


def test_a_spool_works_where_files_without_a_name_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_WRONLY | os.O_RDWR)
    with spools(tmp_path).open() as file:
        file.write(b"hello")
        file.seek(0)
        assert file.read() == b"hello"
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_files_counts_until_it_has_been_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MEMORY_BYTES", 10)
    monkeypatch.setattr(outboxes, "SPOOL_BYTES", 8)
    monkeypatch.setattr(outboxes, "SHARE", 1.0)
    sock = FakeSocket([])
    monkeypatch.setattr(outboxes, "send_file", lambda _, fd, at, n: sock.send(os.pread(fd, n, at), 0x40))
    tally = FakeTally()
    outbox = Outbox(spools(tmp_path, 12, tally))
    outbox.add(b"0123456789")
    assert (tally.mine, outbox.is_beyond) == (0, False)
    for piece in (b"abcd", b"efgh", b"ijkl"):
        assert not outbox.is_beyond
        outbox.add(piece)
    # Two files, of 8 bytes and of 4; what remains is memory alone.
    assert (tally.mine, outbox.waiting, outbox.is_beyond) == (12, 22, True)
    for room, mine in ((10, 12), (7, 12), (1, 4), (3, 4), (1, 0)):
        sock.rooms = [room]
        outbox.flush(sock)  # type: ignore[arg-type]
        assert tally.mine == mine
    assert sock.taken == b"0123456789abcdefghijkl"
    assert not outbox and not outbox.is_beyond
    outbox.add(b"0123456789")
    outbox.add(b"abcd")
    assert tally.mine == 4
    outbox.close()
    assert tally.mine == 0


def test_small_pieces_between_large_ones_cost_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MEMORY_BYTES", 1000)
    before = len(os.listdir("/proc/self/fd"))
    outbox = Outbox(spools(tmp_path))
    for _ in range(50):
        for piece in (b"1f4\r\n", b"x" * 500, b"\r\n"):
            outbox.add(piece)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    outbox.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_others_are_asked_seldom_while_there_is_room_and_always_when_there_is_none(
    tmp_path: Path,
) -> None:
    tally = FakeTally()
    own = spools(tmp_path, 100_000, tally)
    assert not own.are_full()
    for _ in range(99):
        own.count(1)
        assert not own.are_full()
    assert tally.looks == 1
    own.count(1)
    tally.others = 100_000
    assert own.are_full() and own.are_full()
    assert tally.looks == 3
    tally.others = 99_000
    assert not own.are_full()
    assert not spools(tmp_path, 0, tally).are_full()


def test_a_file_that_could_not_be_written_can_be_let_go(tmp_path: Path) -> None:
    tally = FakeTally()
    body = Body(10, spools(tmp_path, 0, tally))
    # Python ignores SIGXFSZ: beyond the limit write(2) fails as it does where the disk is full.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        body.add([b"x" * 90])
        body.add([b"y" * 90])
        with pytest.raises(OSError):
            body.finish()
        body.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert tally.mine == 0


def test_where_many_clients_are_slow_whole_answers_go_to_files_but_for_those_the_application_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "MEMORY_BYTES", 10)
    monkeypatch.setattr(outboxes, "MEMORY_ALL", 50)
    tally = FakeTally()
    ours = spools(tmp_path, 0, tally)
    kept = bytes(40)
    shared, own, late, short = (Outbox(ours) for _ in range(4))
    shared.add(kept)
    own.add(bytes(range(40)))
    late.add(memoryview(bytes(range(30)))[5:])
    short.add(bytes(range(5)))
    for outbox in (shared, own, late, short):
        outbox.relieve()
    # 110 bytes together; when the second had gone to a file, 70 were still too many.
    assert [outbox.held for outbox in (shared, own, late, short)] == [40, 0, 0, 5]
    assert (ours.in_memory, tally.mine) == (45, 65)
    for outbox in (shared, own, late, short):
        outbox.close()
    assert (ours.in_memory, tally.mine) == (0, 0)
