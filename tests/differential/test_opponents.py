"""corn reads what h11 and httptools read, or the table says why not."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings

from .comparing import SMUGGLING, Disagreement, disagreements
from .readers import ACCEPTED, OPPONENTS, REFUSED, by_corn
from .strategies import NEXT, PIPELINES, SAMPLES, mutated
from .table import ROWS, Row

# The same examples each time; the long search looks for others.
QUICK = settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
LONG = settings(QUICK, max_examples=15_000, derandomize=False, database=None)

USED: Counter[tuple[Row, str]] = Counter()


def agree(data: bytes) -> None:
    """Or differ as the table says."""
    for difference in disagreements(data):
        rows = [row for row in ROWS if row.explains(difference)]
        assert rows, f"no row of the table explains this: {difference}"
        USED.update((row, difference.opponent) for row in rows)


PAIRS = [(row, opponent) for row in ROWS for opponent in row.opponents]


@pytest.mark.parametrize(("row", "opponent"), PAIRS)
def test_each_row_of_the_table_has_an_example_that_holds(row: Row, opponent: str) -> None:
    assert any(row.explains(it) for it in disagreements(row.example) if it.opponent == opponent)
    agree(row.example)


@pytest.mark.parametrize("row", ROWS)
def test_each_row_of_the_table_names_its_clause(row: Row) -> None:
    assert row.clause.startswith("RFC ")
    assert row.why.endswith(".")


@pytest.mark.parametrize("name", SAMPLES)
def test_the_corpus_means_the_same_to_all(name: str) -> None:
    for rest in (b"", NEXT):
        agree(SAMPLES[name] + rest)


@settings(QUICK)
@given(PIPELINES)
def test_requests_mean_the_same_to_all(data: bytes) -> None:
    agree(data)


@settings(QUICK)
@given(mutated())
def test_mutations_of_the_corpus_mean_the_same_to_all(data: bytes) -> None:
    agree(data)


def test_the_comparison_sees_what_it_shall_see(monkeypatch: pytest.MonkeyPatch) -> None:
    def says(**changes: object) -> list[str]:
        reading = by_corn(NEXT + NEXT)
        changed = type(reading)(**{**vars(reading), **changes})
        monkeypatch.setitem(OPPONENTS, "h11", lambda data: changed)
        return [it.kind for it in disagreements(NEXT + NEXT) if it.opponent == "h11"][:1]

    head = by_corn(NEXT).head
    assert head is not None
    assert says() == []
    assert says(end=3) == ["end"]
    assert says(outcome="open", end=-1) == ["end"]
    assert says(head=None, outcome="open") == ["end"]
    assert says(body=b"x") == ["body"]
    assert says(outcome=REFUSED, head=None) == ["corn accepts"]
    assert says(keeps=False) == ["keeps"]
    changes = {"method": "X", "target": "X", "fields": {}, "framing": "chunked"}
    for kind, value in changes.items():
        assert says(head=type(head)(**{**vars(head), kind: value})) == [kind]


def test_no_row_excuses_two_who_go_on_from_different_places() -> None:
    head = by_corn(NEXT)
    assert head.outcome == ACCEPTED
    for kind in SMUGGLING[:3]:
        for opponent in OPPONENTS:
            difference = Disagreement(kind, opponent, NEXT, head, head)
            assert not any(row.explains(difference) for row in ROWS)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_a_long_search_finds_nothing_new_and_every_row_of_the_table() -> None:
    USED.clear()
    for data in SAMPLES.values():
        agree(data)
    for strategy in (PIPELINES, mutated()):
        LONG(given(strategy)(agree))()
    unused = [(row.kind, row.reason, row.why, opponent) for row, opponent in PAIRS if not USED[row, opponent]]
    assert not unused
