"""What the bench prints, and how it counts; measuring itself is `make bench`."""

import os
import time

from bench import cost
from bench.loads import LOADS, Load
from bench.report import Cell, markdown
from bench.servers import SERVERS, Server

FACTS = dict.fromkeys(("python", "kernel", "cores", "date", "rounds", "seconds"), "x")
ONE = Server("one", "One", lambda bin, port, workers: [])
TWO = Server("two", "Two", lambda bin, port, workers: [], package="two")


def table(*cells: tuple[str, Cell], missing: dict[str, str] | None = None) -> str:
    loads = [Load("hello", "hello")]
    return markdown([ONE, TWO], loads, {"hello": dict(cells)}, missing or {}, {"one": "1.0"}, FACTS)


def test_a_row_shows_the_median_in_microseconds() -> None:
    text = table(("one", Cell([1e-6, 3e-6, 20e-6])), ("two", Cell([2e-6])))
    assert "| CPU time per request, µs | One 1.0 | Two |" in text
    assert "| hello | 3 | 2 |" in text


def test_a_server_that_failed_is_shown_with_its_reason() -> None:
    text = table(("one", Cell([1e-6])), ("two", Cell(failure="7 of 9 answers were errors")))
    assert "| hello | 1 | failed |" in text
    assert "* two, hello: 7 of 9 answers were errors" in text


def test_a_server_that_is_not_installed_is_shown_with_its_reason() -> None:
    text = table(("one", Cell([1e-6])), missing={"two": "gcc is missing"})
    assert "| hello | 1 | – |" in text
    assert "* two: not installed: gcc is missing" in text


def test_a_browser_sends_fifteen_fields() -> None:
    browser = next(load for load in LOADS if load.name == "browser")
    # wrk adds Host.
    assert len({header.partition(":")[0] for header in browser.headers}) == 14


def test_names_of_servers_and_loads_are_unique() -> None:
    for rows in (SERVERS, LOADS):
        assert len({row.name for row in rows}) == len(rows)


def test_cpu_time_of_a_tree_grows_by_what_was_spent() -> None:
    before, started = cost.cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() - started < 0.02:
        pass
    assert 0.02 <= cost.cpu_seconds(os.getpid()) - before < 5


def test_what_an_idle_connection_costs_is_a_row_of_the_memory_table() -> None:
    cells = {"idle": {"one": Cell([700.2, 731.4, 900.0])}}
    text = markdown([ONE, TWO], [], cells, {}, {}, FACTS)
    assert "| one idle keep-alive connection, bytes (PSS) | 731 | – |" in text


def test_who_ends_while_the_memory_of_a_tree_is_added_up_has_none() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    try:
        # It has ended, and is still in the tree.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert pid in cost.tree(os.getpid())
        assert cost.tree_bytes(os.getpid()) > 1_000_000
    finally:
        os.waitpid(pid, 0)
