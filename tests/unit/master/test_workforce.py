"""The number of workers between the rule, the hand and the memory."""

import signal
from dataclasses import replace
from math import inf
from typing import Any

from corn_systemd.master.generations import Generations
from corn_systemd.master.workforce import Workforce
from corn_systemd.policy.scaling import ASK_AGAIN, EVERY, UP_AFTER, Load, Memory
from corn_systemd.policy.view import Desired
from corn_systemd.settings.kinds import AUTO, WORKERS_MOST
from corn_systemd.settings.sections import Settings, Workers
from corn_systemd.settings.workers import Headcount

PLENTY = Memory(inf, "", 0.0, 0.0)
NONE = Memory(1.0, "the memory of corn@shop.service", 2.0**20, 0.0)


class FakeDemand:
    """As many are ready as are wanted; all of them are busy, or nobody is."""

    def __init__(self) -> None:
        self.read_at = 0.0
        self.workers = 2
        self.is_crowded = True
        self.reserves = PLENTY
        self.asked_for_memory = self.reads = 0

    def restart(self, now: float) -> None:
        self.read_at = now

    def read(self, now: float) -> Load:
        since, self.read_at = self.read_at, now
        self.reads += 1
        return Load(since, self.workers, self.workers * self.is_crowded, 5.0 * self.is_crowded)

    def memory(self) -> Memory:
        self.asked_for_memory += 1
        return self.reserves


class FakeVoice:
    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def scaled(self, before: int, workers: int, cause: str) -> None:
        self.told.append((before, workers, cause))

    def not_scaled(self, workers: int, cause: str) -> None:
        self.told.append((workers, cause))


class World:
    """A master that does at once what is desired, and turns as often as it may."""

    def __init__(self, low: int = 1, high: int = 8, idle: float = 10.0) -> None:
        self.now = 0.0
        self.demand, self.voice = FakeDemand(), FakeVoice()
        settings = Settings(name="shop", app="a:b", workers=Workers(count=2, min=low, max=high, idle=idle))
        self.generations = Generations(settings, self.now)
        self.generations.advance(1, self.now)
        self.workforce = Workforce(
            lambda settings: Headcount(2, settings.workers.min, settings.workers.max),
            self.generations,
            self.demand,  # type: ignore[arg-type]
            self.voice,  # type: ignore[arg-type]
        )
        self.desired = self.workforce.desired(self.generations.desired)

    def run(self, seconds: float) -> int:
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            self._enact(self.workforce.look(self.desired, self.now))
        return self.desired.http

    def scale(self, workers: int) -> int:
        self._enact(self.workforce.scale(self.desired, workers, "corn scale"))
        return self.desired.http

    def reload(self, **workers: Any) -> None:
        before = self.generations.desired.settings
        settings = replace(before, workers=replace(before.workers, **workers))
        self._enact(self.workforce.desired(self.generations.begin(settings, self.now)))

    def fail(self) -> None:
        serving = self.generations.give_up()
        assert serving is not None
        self._enact(self.workforce.desired(serving))

    def _enact(self, desired: Desired) -> None:
        self.desired = desired
        self.demand.workers = desired.http


def test_it_grows_while_there_is_more_to_do_and_says_so_each_time() -> None:
    world = World(high=4)
    assert world.run(5) == 4
    cause = "all were busy while requests waited"
    assert world.voice.told == [(2, 3, cause), (3, 4, cause)]


def test_memory_that_forbids_is_told_once_asked_seldom_and_obeyed() -> None:
    world = World()
    world.demand.reserves = NONE
    assert world.run(20) == 2
    assert [len(told) for told in world.voice.told] == [2]
    assert "left of the memory of corn@shop.service" in str(world.voice.told[0])
    assert "no more: " in world.workforce.line() and world.workforce.report()["refusal"]
    assert world.demand.asked_for_memory <= 20 / ASK_AGAIN + 1
    world.demand.reserves = PLENTY
    assert world.run(2 * ASK_AGAIN) > 2
    assert "no more" not in world.workforce.line()


def test_memory_is_not_asked_for_while_nobody_wants_more() -> None:
    world = World()
    world.demand.is_crowded = False
    world.run(20)
    assert world.demand.asked_for_memory == 0


def test_what_memory_has_forbidden_is_no_matter_any_more_once_the_crowd_is_gone() -> None:
    world = World(idle=1000.0)
    world.demand.reserves = NONE
    world.run(2)
    world.demand.is_crowded = False
    world.run(1)
    assert "no more" not in world.workforce.line()
    world.demand.is_crowded = True
    world.run(5)
    assert len(world.voice.told) == 1


def test_nothing_is_read_where_nothing_can_be_decided() -> None:
    fixed = World(low=2, high=2)
    fixed.run(20)
    assert fixed.demand.reads == 0 and fixed.workforce.look_at == inf and fixed.workforce.line() == ""
    by_hand = World()
    by_hand.scale(3)
    assert by_hand.run(20) == 3 and by_hand.demand.reads == 0 and by_hand.workforce.look_at == inf
    busy = World()
    busy.run(20)
    assert busy.demand.reads <= 20 / EVERY + 1


def test_a_number_by_hand_may_lie_outside_and_lasts_until_a_reload_that_succeeds() -> None:
    world = World()
    assert world.scale(20) == 20
    world.reload(max=4)
    assert world.desired.http == 4
    world.fail()
    assert world.desired.http == 20 and world.run(5) == 20
    world.reload(max=4)
    world.generations.settle()
    assert world.desired.http == 4 and "by hand" not in world.workforce.line()


def test_auto_goes_back_to_what_the_settings_allow() -> None:
    world = World()
    world.scale(20)
    assert world.scale(AUTO) == 8
    fixed = World(low=2, high=2)
    fixed.scale(5)
    assert fixed.scale(AUTO) == 2


def test_a_reload_keeps_the_number_and_one_that_fails_brings_it_back() -> None:
    world = World()
    assert world.run(4) > 4
    before = world.desired.http
    world.reload()
    assert world.desired.http == before
    world.fail()
    world.reload(max=3)
    assert world.desired.http == 3
    world.fail()
    assert world.desired.http == before


def test_nobody_scales_during_a_reload_and_what_was_before_it_does_not_count_after_it() -> None:
    world = World(idle=1.0)
    world.demand.is_crowded = False
    world.run(0.5)
    world.reload()
    number = world.desired.http
    assert world.run(20) == number
    world.generations.settle()
    assert world.run(0.9) == number
    assert world.run(0.5) == number - 1


def test_a_signal_is_one_step_within_what_there_are_slots_for() -> None:
    world = World()
    assert world.workforce.step(world.desired, signal.SIGTTIN).http == 3
    world.scale(WORKERS_MOST)
    assert world.workforce.step(world.desired, signal.SIGTTIN).http == WORKERS_MOST
    world.scale(1)
    assert world.workforce.step(world.desired, signal.SIGTTOU).http == 1


def test_nothing_is_done_by_hand_before_it_serves_nor_while_it_stops() -> None:
    world = World()
    world.desired = replace(world.desired, stopping=True)
    assert world.scale(5) == 2
    starting = World()
    starting.generations.serving = None
    assert starting.scale(5) == 2
    assert not world.voice.told and not starting.voice.told


def test_who_is_up_after_a_moment_was_not_up_before_it() -> None:
    world = World()
    assert world.run(UP_AFTER - 0.05) == 2
    assert world.run(EVERY) == 3
