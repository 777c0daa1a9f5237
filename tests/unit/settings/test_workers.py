"""How many workers the settings mean, and why."""

import pytest

from corn_systemd.settings.sections import Limits, Settings, Workers
from corn_systemd.settings.workers import Allotment, Headcount, headcount

GIB = 2**30
TWO = Allotment(2.0)


def count(given: Allotment = TWO, limits: Limits | None = None, **workers: int) -> Headcount:
    settings = Settings(name="shop", app="a:b", workers=Workers(**workers), limits=limits or Limits())
    return headcount(settings, given)


@pytest.mark.parametrize(
    ("given", "number", "reason"),
    [
        (Allotment(1.0), 3, "2 × 1 CPU + 1"),
        (TWO, 5, "2 × 2 CPUs + 1"),
        (Allotment(1.5, "corn@shop.service"), 4, "2 × 1.5 CPUs (corn@shop.service) + 1"),
        (Allotment(0.2, "corn.slice"), 2, "2 × 0.2 CPU (corn.slice) + 1"),
        (Allotment(1000.0), 512, "2 × 1000 CPUs + 1"),
    ],
)
def test_auto_is_what_cpus_can_keep_busy(given: Allotment, number: int, reason: str) -> None:
    assert count(given) == Headcount(number, number, number, reason)


def test_auto_is_no_more_than_memory_holds_but_two_at_least() -> None:
    eight = Allotment(8.0, "", 4.0 * GIB, "corn@shop.service")
    assert count(eight) == Headcount(
        6, 6, 6,
        "the 4096 MiB of corn@shop.service hold so many of 640 MiB (limits.memory_soft); "
        "2 × 8 CPUs + 1 would be 17",
    )  # fmt: skip
    assert count(eight._replace(memory=1.0 * GIB)).start == 2
    assert count(eight._replace(memory=64.0 * GIB)).reason == "2 × 8 CPUs + 1"


def test_without_a_soft_limit_the_hard_one_says_what_a_worker_takes_and_without_any_nobody_does() -> None:
    small = Allotment(8.0, "", 3.0 * GIB, "corn@shop.service")
    assert count(small, Limits(memory_soft=0, memory_hard=GIB)).start == 3
    assert "limits.memory_hard" in count(small, Limits(memory_soft=0, memory_hard=GIB)).reason
    assert count(small, Limits(memory_soft=0, memory_hard=0)).start == 17


def test_a_number_is_that_number_wherever_it_runs() -> None:
    small = Allotment(0.5, "x", 0.1 * GIB, "x")
    assert count(small, count=7) == Headcount(7, 7, 7)
    assert count(count=7).is_fixed


@pytest.mark.parametrize(
    ("workers", "expected"),
    [
        ({"min": 2, "max": 16}, (5, 2, 16)),
        ({"min": 2}, (5, 2, 5)),
        ({"max": 16}, (5, 5, 16)),
        ({"max": 3}, (3, 3, 3)),
        ({"min": 8}, (8, 8, 8)),
        ({"min": 8, "max": 16}, (8, 8, 16)),
        ({"count": 4, "max": 16}, (4, 4, 16)),
        ({"count": 4, "min": 1, "max": 16}, (4, 1, 16)),
    ],
)
def test_count_is_the_start_and_stands_for_the_bound_that_is_not_set(
    workers: dict[str, int], expected: tuple[int, int, int]
) -> None:
    assert count(**workers)[:3] == expected


def test_a_bound_that_counts_instead_of_auto_is_named() -> None:
    assert count(max=3).reason == "workers.max; 2 × 2 CPUs + 1 would be 5"
    assert count(min=8).reason == "workers.min; 2 × 2 CPUs + 1 would be 5"
