import os
import socket

import pytest

from corn_systemd.lifeline import Lifeline, Nonsense


@pytest.fixture
def ends() -> tuple[Lifeline, Lifeline]:
    mine, theirs = Lifeline.pair()
    return mine, Lifeline(theirs)


def test_one_end_knows_that_the_other_is_gone_when_it_has_heard_all() -> None:
    mine, theirs = Lifeline.pair()
    child = Lifeline(theirs)
    assert not mine.is_over()
    child.send("last", words="x")
    child.close()
    assert not mine.is_over(), "there is something to hear"
    message = mine.receive()
    assert message is not None and message.kind == "last"
    assert mine.is_over()
    mine.close()


def test_a_message_arrives_whole_with_its_fields(ends: tuple[Lifeline, Lifeline]) -> None:
    mine, theirs = ends
    mine.send("fork", key=3, role="http")
    mine.send("drain", linger=1.5)
    first, second = theirs.receive(), theirs.receive()
    assert first is not None and (first.kind, first.fields) == ("fork", {"key": 3, "role": "http"})
    assert second is not None and second.fields == {"linger": 1.5}


def test_nothing_to_hear_is_none_and_never_a_wait(ends: tuple[Lifeline, Lifeline]) -> None:
    assert ends[0].receive() is None


def test_the_end_of_the_other_side_is_the_end_of_file(ends: tuple[Lifeline, Lifeline]) -> None:
    mine, theirs = ends
    mine.send("ready")
    mine.close()
    assert theirs.receive() is not None
    with pytest.raises(EOFError):
        theirs.receive()
    assert not theirs.send("hello")


def test_descriptors_travel_and_are_closed_on_exec(ends: tuple[Lifeline, Lifeline]) -> None:
    mine, theirs = ends
    reader, writer = os.pipe()
    mine.send("boot", (reader,))
    message = theirs.receive()
    assert message is not None
    (fd,) = message.fds
    os.write(writer, b"through")
    assert os.read(fd, 10) == b"through"
    assert not os.get_inheritable(fd)
    for each in (reader, writer, fd):
        os.close(each)


@pytest.mark.parametrize("text", ["a" * 3_000_000, "漢字のエラー\n" * 50_000, "\udcff" * 100_000])
def test_a_message_too_long_for_a_packet_arrives_whole_beside_its_descriptors(
    ends: tuple[Lifeline, Lifeline], text: str
) -> None:
    mine, theirs = ends
    assert mine.send("failed", (0,), summary="short", traceback=text, more=[text], deep={"a": text})
    message = theirs.receive()
    assert message is not None
    assert message.fields == {"summary": "short", "traceback": text, "more": [text], "deep": {"a": text}}
    (fd,) = message.fds
    os.close(fd)


@pytest.mark.parametrize(
    "packet",
    [
        b"junk!",
        b"\xff\x00",
        b"[]",
        b'["hello"]',
        b"[1, {}]",
        b'["in a file", {}]' * 2,
        b"[" * 50_000,
        b"x" * 200_000,
    ],
)
def test_what_is_no_message_is_nonsense_and_never_another_exception(packet: bytes) -> None:
    mine, theirs = Lifeline.pair()
    theirs.send(packet)
    with pytest.raises(Nonsense):
        mine.receive()
    theirs.close()


def test_the_kernel_tells_the_master_who_has_sent() -> None:
    mine, theirs = Lifeline.pair()
    Lifeline(theirs).send("hello")
    message = mine.receive()
    assert message is not None and message.sender == os.getpid()


def test_a_full_lifeline_refuses_rather_than_waits(ends: tuple[Lifeline, Lifeline]) -> None:
    mine, _theirs = ends
    assert not all(mine.send("failed", traceback="x" * 20000) for _ in range(100))


def test_a_lifeline_is_a_packet_socket() -> None:
    mine, theirs = Lifeline.pair()
    with theirs:
        assert theirs.type & socket.SOCK_SEQPACKET == socket.SOCK_SEQPACKET
    mine.close()
