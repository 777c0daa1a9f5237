import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.worker import outbox as outboxes
from corn_systemd.worker.outbox import Outbox
from corn_systemd.worker.spool import Body, open_spool


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


@given(st.lists(st.binary(max_size=20), max_size=100), st.lists(st.integers(0, 40), max_size=60))
def test_bytes_leave_in_their_order_whatever_is_taken(pieces: list[bytes], rooms: list[int]) -> None:
    outbox = Outbox("/nowhere")
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
    outbox = Outbox(str(tmp_path))
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
    outbox = Outbox(str(tmp_path))
    with open_spool(str(tmp_path)) as file:
        outbox.add_file(file.fileno(), 0, 10)
    with pytest.raises(EOFError):
        outbox.flush(FakeSocket([]))  # type: ignore[arg-type]
    outbox.close()


@pytest.mark.parametrize("memory", [0, 4, 5, 6, 100])
def test_a_body_is_whole_wherever_it_lies(tmp_path: Path, memory: int) -> None:
    body = Body(memory, str(tmp_path))
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
    with open_spool(str(tmp_path)) as file:
        file.write(b"hello")
        file.seek(0)
        assert file.read() == b"hello"
    assert list(tmp_path.iterdir()) == []
