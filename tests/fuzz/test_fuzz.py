"""The fuzzer runs, finds nothing in a while, and would find what is wrong."""

import importlib.util
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from corn_systemd.http import connection, forwarded, framing, hosts, lines, response
from corn_systemd.http.framing import Piece
from corn_systemd.http.request import RequestHead

from . import checks
from .checks import CHECKS
from .run import CORPUS, FOUND, ROOT

INPUTS = [(target, path) for target in CORPUS for place in CORPUS[target] for path in sorted(place.iterdir())]


@pytest.mark.parametrize(("target", "path"), INPUTS, ids=lambda it: it if isinstance(it, str) else it.name)
def test_no_input_of_the_corpus_breaks_anything(target: str, path: Path) -> None:
    CHECKS[target](path.read_bytes())


def test_what_is_kept_is_small() -> None:
    found = [path for target, path in INPUTS if "found" in path.parts]
    assert sum(path.stat().st_size for path in found) < 60_000, "keep the best of them only"


# Inputs, and what the instrumented parser reaches at once with its corpus.
BOUNDED = {
    "requests": (6000, 250),
    "answers": (20_000, 45),
    "proxies": (10_000, 30),
    "forwarded": (1500, 120),
    "hosts": (3000, 18),
}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("target", BOUNDED)
def test_the_fuzzer_finds_nothing_in_a_while(target: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.fail("atheris is not installed, so nothing was fuzzed: `make .venv/.fuzz` says why")
    inputs, reached = BOUNDED[target]
    run = subprocess.run(
        # The same inputs each time: what a change breaks is found here, what is new by `make fuzz`. Entropic
        # schedules go by addresses.
        [sys.executable, "-m", "tests.fuzz.run", target, f"-runs={inputs}", "-seed=1", "-entropic=0"]
        + [str(path) for path in (tmp_path, *CORPUS[target])],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    report = run.stderr + run.stdout
    assert run.returncode == 0, report[-5000:]
    done = re.findall(r"#(\d+)\s+DONE +cov: (\d+)", report)
    assert done and int(done[-1][0]) >= inputs and int(done[-1][1]) >= reached, report[-2000:]


# What a broken parser would do, and an input of the corpus that shows it.


def raises(*_: object) -> None:
    raise IndexError


def loses_a_byte(parser: connection.RequestParser, data: bytes) -> Piece:
    piece = BODY(parser, data)
    if piece.rest:
        parser.buffer = parser.buffer[1:]
    return piece


def forgets_what_it_holds(chunks: framing.Chunks, data: bytes) -> Piece:
    chunks.held = b""
    return FEED(chunks, data)


def hoards(chunks: framing.Chunks, data: bytes) -> Piece:
    piece = FEED(chunks, data)
    chunks.held = chunks.held or bytes(100_000)
    return piece


def forgives_what_comes_in_parts(parser: connection.RequestParser, data: bytes) -> RequestHead | None:
    return PIECEMEAL(parser, data.replace(b"\x00", b"a"))


BODY, PIECEMEAL = connection.RequestParser.body, connection.RequestParser._piecemeal
FEED = framing.Chunks.feed


@pytest.mark.parametrize(
    ("where", "name", "fault", "sample"),
    [
        (lines, "field_line", raises, "refused/400-space-before-colon.http"),
        (connection.RequestParser, "body", loses_a_byte, "accepted/2-pipelined-chunked.http"),
        (framing.Chunks, "feed", forgets_what_it_holds, "accepted/1-chunked.http"),
        (framing.Chunks, "feed", hoards, "accepted/1-chunked.http"),
        (
            connection.RequestParser,
            "_piecemeal",
            forgives_what_comes_in_parts,
            "refused/400-nul-in-value.http",
        ),
    ],
)
def test_a_broken_parser_is_found(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, fault: Callable[..., object], sample: str
) -> None:
    data = (ROOT / "tests/corpus/http" / sample).read_bytes()
    monkeypatch.setattr(where, name, fault)
    with pytest.raises((AssertionError, IndexError)):
        checks.check_requests(data)


def test_a_quadratic_expression_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = re.compile("0*x").search

    def field_line(line: str) -> tuple[str, str]:
        slow(line[:20_000])
        return "X", line

    data = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"0" * 60_000 + b"\r\n\r\n"
    monkeypatch.setattr(checks, "MOMENT", 0.1)
    checks.check_time(data, random.Random(0))
    monkeypatch.setattr(lines, "field_line", field_line)
    with pytest.raises(AssertionError, match="too long"):
        checks.check_time(data, random.Random(0))


def test_an_answer_split_in_two_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "_look", lambda headers: None)
    with pytest.raises(AssertionError):
        checks.check_answer(b"200 OK\x1eX\x1fa\r\nSet-Cookie: b")


def believes_the_client(nodes: Sequence[str | None], readers: forwarded.Readers) -> tuple[int, object]:
    found = WALK(nodes[:1], readers)
    return len(nodes) - 1, found[1]


def believes_the_last(nodes: Sequence[str | None], readers: forwarded.Readers) -> tuple[int, object]:
    return WALK(nodes[-1:], readers)


def takes_every_address(text: str, readers: forwarded.Readers) -> tuple[str, str]:
    return text, ""


WALK = forwarded._walk


@pytest.mark.parametrize(
    ("name", "fault", "sample"),
    [
        ("_walk", believes_the_client, "element"),
        ("_walk", believes_the_last, "old-chain"),
        ("_address", takes_every_address, "nonsense"),
        ("_scheme", str.upper, "element"),
        ("is_host", bool, "odd-host"),
    ],
)
def test_a_proxy_that_is_misunderstood_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, fault: object, sample: str
) -> None:
    data = (FOUND / "forwarded" / sample).read_bytes()
    monkeypatch.setattr(forwarded, name, fault)
    with pytest.raises((AssertionError, ValueError)):
        checks.check_forwarded(data)


@pytest.mark.parametrize("ending", ["example", "shop.example"])
def test_a_host_that_is_served_by_mistake_is_found(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr(hosts.Hosts, "__missing__", lambda _, host: host.endswith(ending))
    with pytest.raises(AssertionError):
        checks.check_hosts((FOUND / "hosts" / "several").read_bytes())
