"""What is refused is answered once, and then the connection ends, whatever comes behind it."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .engine import Engine, get, read_all, read_until

REFUSED = sorted((Path(__file__).parents[1] / "corpus" / "http" / "refused").iterdir())
SMUGGLED = get("/smuggled") + get("/smuggled", "Connection: close")
CALLS: list[str] = []


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    CALLS.append(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", "6")])
    return [b"called"]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(application) as engine:
        yield engine


@pytest.fixture(autouse=True)
def nothing_called_yet() -> None:
    CALLS.clear()


def assert_one_refusal(answer: bytes, status: int) -> None:
    """One whole answer with this status, the last on its connection, and not a byte more."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close" in head
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    assert length is not None
    assert len(body) == int(length[1])


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_a_refusal_is_the_only_answer(engine: Engine, path: Path) -> None:
    data, status = path.read_bytes(), int(path.name[:3])
    for behind in (b"", SMUGGLED, b"\r\n\r\n" + SMUGGLED, b"0\r\n\r\n" + SMUGGLED, b"\x00\xff\n\n"):
        assert_one_refusal(engine.ask(data + behind), status)
    assert CALLS == []


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_what_comes_after_the_refusal_is_not_answered(engine: Engine, path: Path) -> None:
    with engine.connect() as client:
        client.sendall(path.read_bytes())
        answer = read_until(client, b"\n")
        client.sendall(SMUGGLED)
        answer += read_all(client)
    assert_one_refusal(answer, int(path.name[:3]))
    assert CALLS == []


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_a_refusal_behind_a_good_request_is_the_last_answer(engine: Engine, path: Path) -> None:
    answer = engine.ask(get("/first") + path.read_bytes() + SMUGGLED)
    first, _, rest = answer.partition(b"called")
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert_one_refusal(rest, int(path.name[:3]))
    assert CALLS == ["/first"]
