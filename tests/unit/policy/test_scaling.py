"""The number of workers as a story: a small site with a queue, a clock of its own, and the rule beside it."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import inf

import pytest

from corn_systemd.policy.scaling import (
    EVERY,
    FULL,
    PRESSURE,
    ROOMY,
    UP_AFTER,
    Bounds,
    Decision,
    Load,
    Memory,
    Trend,
    decide,
    why_not,
)

BOUNDS = Bounds(2, 8, 10.0)
TICK = 0.01
MIB = 2**20


class Site:
    """Requests that come, wait for one of the workers, and take their time there."""

    def __init__(self, bounds: Bounds = BOUNDS, workers: int = 2) -> None:
        self.bounds = bounds
        self.workers = workers
        self.now = 0.0
        self.story: list[tuple[float, int]] = []
        """When there was another number of workers, and which."""
        self._trend = Trend()
        self._queue: deque[float] = deque()
        self._running: list[float] = []
        """When those that are being served will be done."""
        self._busy = self._waited = self._read_at = 0.0
        self.answered = 0
        self.waited_most = 0.0

    def run(self, seconds: float, arrivals: Callable[[float], int], takes: Callable[[], float]) -> "Site":
        """Lets the clock run; `arrivals(now)` come in a tick, and each `takes()` so long."""
        end = self.now + seconds
        while self.now < end - TICK / 2:
            self.now = round(self.now + TICK, 6)
            self._queue.extend([self.now] * arrivals(self.now))
            done = [at for at in self._running if at <= self.now]
            self.answered += len(done)
            self._running = [at for at in self._running if at > self.now]
            # Who leaves finishes first: more may run than there are workers.
            while self._queue and len(self._running) < self.workers:
                self.waited_most = max(self.waited_most, self.now - self._queue.popleft())
                self._running.append(self.now + takes())
            self._busy += TICK * min(len(self._running), self.workers)
            self._waited += TICK * len(self._queue)
            if self.now >= self._read_at + EVERY:
                self._look()
        return self

    def _look(self) -> None:
        span = self.now - self._read_at
        load = Load(self._read_at, self.workers, self._busy / span, self._waited / span)
        decision = decide(self.bounds, self.workers, self._trend, load, self.now)
        assert abs(decision.workers - self.workers) <= 1
        assert self.bounds.least <= decision.workers <= self.bounds.most
        assert (decision.workers != self.workers) is bool(decision.cause)
        self._trend = decision.trend
        if decision.workers != self.workers:
            self.story.append((self.now, decision.workers))
            self.workers = decision.workers
        self._busy, self._waited, self._read_at = 0.0, 0.0, self.now

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.story]


def at_rate(rate: float, seed: int = 7) -> Callable[[float], int]:
    """Clients who know nothing of each other: Poisson."""
    chance = random.Random(seed)

    def arrivals(_now: float) -> int:
        count, product = 0, chance.random()
        while product > 2.718281828 ** -(rate * TICK):
            count, product = count + 1, product * chance.random()
        return count

    return arrivals


def about(seconds: float, seed: int = 11) -> Callable[[], float]:
    """Times like those of real requests: most short, some long."""
    chance = random.Random(seed)
    return lambda: chance.expovariate(1 / seconds)


def nobody(_now: float) -> int:
    return 0


# Steady load.


@pytest.mark.parametrize("rate", [1, 5, 10, 20, 30, 38, 45, 60, 75, 90, 120])
def test_a_steady_load_finds_its_number_and_keeps_it(rate: float) -> None:
    site = Site().run(120, at_rate(rate), about(0.1)).run(480, at_rate(rate, seed=8), about(0.1, seed=12))
    early = [number for at, number in site.story if at <= 120]
    late = [number for at, number in site.story if at > 120]
    # What chance heaps up may ask for one more now and then; nothing swings.
    assert len(early) <= 8, site.story
    assert len(late) <= 8, site.story
    assert site.workers >= min(8, rate * 0.1)


def test_what_the_fewest_can_do_changes_nothing() -> None:
    assert Site().run(300, lambda now: round(now / TICK) % 10 == 0, lambda: 0.15).story == []


def test_after_one_has_gone_the_others_are_not_full() -> None:
    """The gap between the thresholds, for every number of workers: or else one would come and go for ever."""
    for workers in range(2, 513):
        busy = ROOMY * (workers - 1)
        assert busy < FULL * (workers - 1)


# Bursts.


def test_a_burst_that_the_fewest_have_done_within_a_moment_changes_nothing() -> None:
    def in_bursts(now: float) -> int:
        return 8 if abs(now % 5.0 - 1.0) < TICK / 2 else 0

    assert Site().run(60, in_bursts, lambda: 0.05).story == []


def test_bursts_that_come_again_within_idle_are_met_by_those_who_stayed() -> None:
    def in_bursts(now: float) -> int:
        return 1 if now % 8.0 < 3.0 and round(now / TICK) % 2 == 0 else 0  # 50 a second for 3 of 8 s

    site = Site().run(240, in_bursts, about(0.1))
    grown = [number for at, number in site.story if at < 24]
    assert grown == sorted(grown) and grown[-1] >= 4
    # It has what it needs; a second burst that is a little heavier may add to it.
    assert len(site.story) <= 6 and site.numbers == sorted(site.numbers), site.story


def test_bursts_with_long_pauses_cost_at_most_one_change_for_each_idle_on_the_way_down() -> None:
    def in_bursts(now: float) -> int:
        return 1 if now % 60.0 < 5.0 and round(now / TICK) % 2 == 0 else 0

    site = Site().run(600, in_bursts, about(0.1))
    downs = [after[0] for before, after in pairwise([(0.0, 2), *site.story]) if after[1] < before[1]]
    assert all(later - earlier >= BOUNDS.idle for earlier, later in pairwise(downs))
    # Whatever went up comes down once: ten bursts, and at most six more and six fewer for each.
    assert len(site.story) <= 10 * 2 * (BOUNDS.most - BOUNDS.least)


def test_after_a_flood_it_is_down_to_the_fewest_one_at_a_time() -> None:
    site = Site().run(10, at_rate(500), about(0.1))
    assert site.numbers == [3, 4, 5, 6, 7, 8]
    ups = [at for at, _ in site.story]
    assert all(later - earlier >= UP_AFTER for earlier, later in pairwise(ups))
    site._queue.clear()
    site.run(90, nobody, about(0.1))
    assert site.numbers[6:] == [7, 6, 5, 4, 3, 2]


# A slow database: all wait for it, nobody computes.


def test_a_database_that_stalls_for_half_a_minute_takes_the_number_up_once_and_down_once() -> None:
    def stalling(site: Site) -> Callable[[], float]:
        usual = about(0.02)
        return lambda: max(60.0 - site.now, 0.0) + usual() if 30.0 <= site.now < 60.0 else usual()

    site = Site()
    site.run(300, at_rate(40), stalling(site))
    assert site.numbers == [3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3, 2], site.story
    first, last = site.story[0][0], site.story[5][0]
    # It is at the most within seconds, one after the other.
    assert 30.0 < first < 32.0 and last - first <= 5 * (UP_AFTER + 2 * EVERY)


def test_a_database_that_stays_slow_has_as_many_workers_as_it_needs_all_the_while() -> None:
    site = Site(Bounds(2, 32, 10.0)).run(600, at_rate(10), lambda: 1.0)
    late = [number for at, number in site.story if at > 60]
    # Ten are busy on average, and by chance half as many more within any ten seconds.
    assert min(late) >= 10 and max(late) <= 20 and max(late) - min(late) <= 4
    assert len(late) <= 18, site.story
    assert site.answered > 5900


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_there_are_no_more_downs_than_time_has_room_for_nor_ups_than_downs(seed: int) -> None:
    chance = random.Random(seed)
    site = Site()
    for _ in range(20):
        rate, takes = chance.choice((0, 1, 10, 40, 100, 300)), chance.choice((0.005, 0.05, 0.3, 2.0))
        site.run(chance.uniform(1, 30), at_rate(rate, seed) if rate else nobody, about(takes, seed))
    numbers = [2, *site.numbers]
    downs = sum(later < earlier for earlier, later in pairwise(numbers))
    assert downs <= site.now / BOUNDS.idle
    assert len(site.story) <= 2 * downs + BOUNDS.most - BOUNDS.least


# Single decisions.

CROWDED, BUSY, ROOMY_LOAD = (4.0, 3.0), (4.0, 0.0), (1.0, 0.0)


def decisions(
    loads: Iterator[tuple[float, float]] | list[tuple[float, float]],
    bounds: Bounds = BOUNDS,
    workers: int = 4,
    ready: int | None = None,
) -> list[Decision]:
    """One look each EVERY, at (busy, waiting), by four workers."""
    trend, now, found = Trend(), 100.0, []
    for busy, waiting in loads:
        now += EVERY
        count = workers if ready is None else ready
        decision = decide(bounds, workers, trend, Load(now - EVERY, count, busy, waiting), now)
        found.append(decision)
        trend, workers = decision.trend, decision.workers
    return found


def test_one_more_when_all_were_busy_and_requests_waited_at_a_stretch() -> None:
    assert [one.workers for one in decisions([CROWDED] * 2)] == [4, 5]
    assert [one.workers for one in decisions([CROWDED, BUSY, CROWDED, BUSY] * 5)] == [4] * 20


@pytest.mark.parametrize("load", [BUSY, (3.5, 10.0), (4.0, 0.9)])
def test_no_more_while_nobody_waits_or_somebody_is_idle(load: tuple[float, float]) -> None:
    assert {one.workers for one in decisions([load] * 20)} == {4}


def test_no_more_while_the_last_one_is_still_coming() -> None:
    assert {one.workers for one in decisions([CROWDED] * 20, ready=3)} == {4}


@pytest.mark.parametrize("ready", [3, 5])
def test_replacements_keep_nobody_from_leaving(ready: int) -> None:
    """On a site of many small requests one is always just being replaced (limits.request)."""
    assert decisions([ROOMY_LOAD] * int(BOUNDS.idle / EVERY), ready=ready)[-1].workers == 3


def test_never_more_than_the_most_nor_fewer_than_the_fewest() -> None:
    assert {one.workers for one in decisions([CROWDED] * 20, Bounds(2, 4, 10.0))} == {4}
    assert {one.workers for one in decisions([(0.0, 0.0)] * 400, Bounds(4, 8, 10.0))} == {4}


def test_without_idle_nobody_goes() -> None:
    found = decisions([(0.0, 0.0)] * 400, Bounds(2, 8, 0.0))
    assert {one.workers for one in found} == {4} and {one.look_at for one in found} == {inf}


def test_an_idle_instance_is_looked_at_when_one_may_go_and_never_where_nobody_may() -> None:
    first = decisions([(0.0, 0.0)])[0]
    assert first.look_at == 100.0 + BOUNDS.idle
    assert decisions([(0.0, 0.0)], Bounds(4, 8, 10.0))[0].look_at == inf


def test_a_moment_with_much_to_do_begins_the_wait_anew() -> None:
    quiet = [ROOMY_LOAD] * int(BOUNDS.idle / EVERY - 1)
    assert {one.workers for one in decisions([*quiet, BUSY, *quiet])} == {4}
    assert decisions([*quiet, ROOMY_LOAD])[-1].workers == 3


# Memory.


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        (Memory(100 * MIB, "the memory of corn@shop.service", 99 * MIB, 0.0), ""),
        (Memory(inf, "", 99 * MIB, PRESSURE - 0.1), ""),
        (
            Memory(100 * MIB, "the memory of corn@shop.service", 101 * MIB, 0.0),
            "100 MiB are left of the memory of corn@shop.service, and the largest worker has 101 MiB",
        ),
        (Memory(inf, "", 0.0, 12.3), "processes waited for memory for 12 % of the last 10 s"),
    ],
)
def test_memory_must_have_room_for_another_and_nobody_may_wait_for_it(memory: Memory, words: str) -> None:
    assert why_not(memory) == words
