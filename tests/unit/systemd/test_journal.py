import array
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corn_systemd.systemd import messages
from corn_systemd.systemd.journal import Journal, encode, is_journal


@pytest.fixture
def journald(tmp_path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "socket"))
    sock.setblocking(False)
    return sock


def test_a_value_of_one_line_goes_plain_and_one_of_several_with_its_length() -> None:
    assert encode({"A": "x", "B": "one\ntwo"}) == b"A=x\nB\n\x07\x00\x00\x00\x00\x00\x00\x00one\ntwo\n"


def test_a_row_of_the_table_is_one_entry_with_its_fields(journald: socket.socket) -> None:
    Journal("shop", journald.getsockname()).emit(
        messages.INSTANCE_REFUSED, "Traceback\n  line\n", cause="no app"
    )
    data = journald.recv(65536)
    assert f"MESSAGE_ID={messages.INSTANCE_REFUSED.id}\n".encode() in data
    assert b"CORN_CAUSE=no app\n" in data and b"SYSLOG_IDENTIFIER=corn@shop\n" in data
    assert b"can not start: no app\nTraceback\n  line\n" in data
    with pytest.raises(BlockingIOError):
        journald.recv(1)


def test_a_stalled_journald_never_stalls_us_and_what_was_dropped_is_told(journald: socket.socket) -> None:
    journal = Journal("shop", journald.getsockname())
    for _ in range(2000):
        journal.write(messages.INFO, "x" * 1000)
    while True:
        try:
            journald.recv(65536)
        except BlockingIOError:
            break
    journal.write(messages.INFO, "back again")
    assert messages.JOURNAL_DROPPED.id.encode() in journald.recv(65536)
    assert b"back again" in journald.recv(65536)


def test_an_entry_too_large_for_a_datagram_goes_as_a_sealed_file(journald: socket.socket) -> None:
    Journal("shop", journald.getsockname()).write(messages.ERR, "x" * 20_000_000)
    data, ancillary, _flags, _address = journald.recvmsg(1024, 1024)
    assert data == b""
    (fd,) = array.array("i", ancillary[0][2])
    assert os.fstat(fd).st_size > 20_000_000
    os.close(fd)


def test_a_journald_that_is_away_harms_nobody(tmp_path: Path) -> None:
    Journal("shop", str(tmp_path / "nothing")).write(messages.INFO, "into the void")


def test_without_a_journal_plain_lines_go_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    Journal("shop").emit(messages.INSTANCE_STOPPING, reason="SIGTERM")
    assert capfd.readouterr().err == f"corn@shop[{os.getpid()}]: stopping: SIGTERM\n"


@contextmanager
def standard_error() -> Iterator[int]:
    """Makes standard error a pipe; gives its reading end."""
    kept = os.dup(2)
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield reader
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(reader)


def test_a_standard_error_that_nobody_reads_never_stalls_us_and_what_was_dropped_is_told() -> None:
    journal = Journal("shop")
    with standard_error() as reader:
        for _ in range(100):
            journal.write(messages.INFO, "x" * 9000)
        full = os.read(reader, 1 << 20)
        journal.write(messages.INFO, "back again")
        then = os.read(reader, 1 << 20).decode()
        journal.write(messages.INFO, "and on")
        last = os.read(reader, 1 << 20).decode()
    assert 40_000 < len(full) <= 65536
    assert full.endswith(b"x")  # cut
    text = messages.JOURNAL_DROPPED.text.format(count=100 - full.count(b"x\n"))
    name = f"corn@shop[{os.getpid()}]"
    assert then == f"\n{name}: {text}\n{name}: back again\n"
    assert last == f"{name}: and on\n"


def test_a_standard_error_that_is_closed_or_has_no_reader_harms_nobody() -> None:
    journal = Journal("shop")
    with standard_error():
        reader, writer = os.pipe()
        os.dup2(writer, 2)
        os.close(writer)
        os.close(reader)
        journal.write(messages.INFO, "into the void")
        os.close(2)
        journal.write(messages.INFO, "into the void")


def test_standard_error_is_the_journal_only_when_systemd_says_so_of_this_very_stream(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as file:
        status = os.fstat(file.fileno())
        named = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert is_journal(file.fileno(), named)
        assert not is_journal(file.fileno(), {"JOURNAL_STREAM": f"{status.st_dev}:1"})
        assert not is_journal(file.fileno(), {})


def all_messages() -> dict[str, messages.Message]:
    return {name: m for name, m in vars(messages).items() if isinstance(m, messages.Message)}


def test_every_message_has_an_id_of_its_own_and_only_fields_that_it_declares() -> None:
    rows = all_messages().values()
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        assert len(row.id) == 32 and set(row.id) <= set("0123456789abcdef")
        row.text.format(**dict.fromkeys(row.fields, "x"))


def test_every_message_is_said_somewhere() -> None:
    package = Path(messages.__file__).parents[1]
    source = "\n".join(path.read_text() for path in package.rglob("*.py") if path.name != "messages.py")
    assert [name for name in all_messages() if f"messages.{name}" not in source] == []
