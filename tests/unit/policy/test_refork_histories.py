"""The stories of workers that become molds."""

from dataclasses import replace

from corn_systemd.policy.plan import next_instant, plan
from corn_systemd.policy.view import Action, Drain, Role, State

from .test_histories import World


class Warming(World):
    """A world in which workers become molds after 50 requests, and their children after 200."""

    def __init__(self, http: int = 2, cron: int = 0) -> None:
        super().__init__(http, patience=60.0, cron=cron)
        self.desired = replace(self.desired, refork_after=(50, 200))

    def _do(self, action: Action) -> str:
        match action:
            case Drain(key, becomes_mold=True):
                return "cast " + self._enter(key, State.MOLDING)
        return super()._do(action)

    def _add(self, what: str, role: Role, generation: int) -> str:
        name = super()._add(what, role, generation)
        molds = [c for c in self.children.values() if c.role is Role.MOLD and c.state is State.READY]
        if role is not Role.MOLD:
            warmth = max(mold.warmth for mold in molds if mold.generation == generation)
            self.children[name] = replace(self.children[name], warmth=warmth)
        return name

    def served(self, name: str, count: int) -> None:
        self.children[name] = replace(self.children[name], served=count)

    def molded(self, name: str) -> None:
        """What the master does when a worker says that it is a mold now."""
        worker = self.children[name]
        self.children[name] = replace(worker, role=Role.MOLD, state=State.READY, warmth=worker.warmth + 1)
        for other, child in self.children.items():
            if child.role in (Role.HTTP, Role.CRON) and child.generation == worker.generation:
                self.children[other] = replace(child, is_spent=True)

    def cast(self) -> "Warming":
        """http2 has been asked to become the mold, its successor http4 is ready."""
        self.started()
        self.served("http2 g1", 50)
        assert self.turn() == ["fork http4 g1"]
        self.ready("http4 g1")
        assert self.turn() == ["cast http2 g1"]
        return self


def test_a_worker_that_has_served_enough_becomes_the_mold_and_all_the_others_are_replaced() -> None:
    world = Warming()
    world.started()
    world.served("http2 g1", 49)
    assert world.turn() == []
    world.served("http2 g1", 50)
    # Nobody is missed: its successor comes first.
    assert world.turn() == ["fork http4 g1"]
    assert world.turn() == []
    world.ready("http4 g1")
    assert world.turn() == ["cast http2 g1"]
    assert world.turn() == []
    world.molded("http2 g1")
    assert world.turn() == ["kill mold1 g1: a worker has become the mold in its place", "fork http5 g1"]
    world.gone("mold1 g1")
    world.ready("http5 g1")
    assert world.turn() == ["drain http3 g1"]
    # A quarter at most at once, and at least one.
    assert world.turn() == []
    world.gone("http3 g1")
    assert world.turn() == ["fork http6 g1"]
    world.ready("http6 g1")
    assert world.turn() == ["drain http4 g1"]
    world.gone("http4 g1")
    assert world.turn() == []
    assert {child.warmth for child in world.children.values()} == {1}


def test_one_of_them_becomes_the_next_mold_after_the_second_number_and_none_after_the_last() -> None:
    world = Warming().cast()
    world.molded("http2 g1")
    world.gone("mold1 g1", "http3 g1", "http4 g1")
    assert world.turn() == ["fork http5 g1", "fork http6 g1"]
    world.ready("http5 g1", "http6 g1")
    world.served("http5 g1", 199)
    assert world.turn() == []
    world.served("http5 g1", 200)
    assert world.turn() == ["fork http7 g1"]
    world.ready("http7 g1")
    assert world.turn() == ["cast http5 g1"]
    world.molded("http5 g1")
    world.gone("http2 g1", "http6 g1", "http7 g1")
    assert world.turn() == ["fork http8 g1", "fork http9 g1"]
    world.ready("http8 g1", "http9 g1")
    world.served("http8 g1", 100_000)
    assert world.turn() == []


def test_the_only_worker_becomes_the_mold_when_its_successor_serves() -> None:
    world = Warming(http=1)
    world.started()
    world.served("http2 g1", 60)
    assert world.turn() == ["fork http3 g1"]
    assert world.turn() == []
    world.ready("http3 g1")
    assert world.turn() == ["cast http2 g1"]


def test_of_several_the_one_that_has_served_most_is_chosen_and_one_at_a_time() -> None:
    world = Warming(http=3)
    world.started()
    for name, count in ("http2 g1", 70), ("http3 g1", 90), ("http4 g1", 80):
        world.served(name, count)
    assert world.turn() == ["fork http5 g1"]
    world.ready("http5 g1")
    assert world.turn() == ["cast http3 g1"]
    assert world.turn() == []


def test_it_is_off_by_default_and_before_its_time() -> None:
    world = Warming()
    world.started()
    world.served("http2 g1", 1000)
    world.desired = replace(world.desired, refork_after=())
    assert world.turn() == []
    world.desired = replace(world.desired, refork_after=(50,), refork_from=world.now + 1)
    assert world.turn() == []
    world.now += 1
    assert world.turn() == ["fork http4 g1"]


def test_a_worker_that_is_to_be_replaced_is_never_chosen() -> None:
    """One whose request was interrupted is, and nobody knows what it has left half done."""
    world = Warming()
    world.started()
    world.served("http2 g1", 1000)
    world.retire("http2 g1")
    assert world.turn() == ["fork http4 g1"]
    world.ready("http4 g1")
    assert world.turn() == ["drain http2 g1"]


def test_one_whose_request_is_interrupted_meanwhile_leaves_for_good() -> None:
    world = Warming().cast()
    world.retire("http2 g1")
    assert world.turn() == ["drain http2 g1"]
    assert world.turn() == []


def test_one_that_takes_too_long_leaves_and_is_not_killed_for_it() -> None:
    world = Warming().cast()
    assert next_instant(world.desired, list(world.children.values()), world.now) == world.now + 60
    world.now += 59
    assert world.turn() == []
    world.now += 1
    assert world.turn() == ["drain http2 g1"]
    world.retire("http2 g1")  # as the master notes down
    world.now += 1000
    assert world.turn() == []


def test_one_that_dies_while_it_becomes_a_mold_is_not_missed_and_another_is_chosen() -> None:
    world = Warming().cast()
    world.served("http3 g1", 51)
    world.gone("http2 g1")
    assert world.turn() == ["fork http5 g1"]
    world.ready("http5 g1")
    assert world.turn() == ["cast http3 g1"]


def test_a_reload_meanwhile_goes_its_way_and_the_warm_mold_is_what_a_failure_goes_back_to() -> None:
    world = Warming().cast()
    world.reload()
    assert world.turn() == ["start mold5 g2"]
    world.molded("http2 g1")
    assert world.turn() == ["kill mold1 g1: a worker has become the mold in its place"]
    world.gone("mold1 g1")
    world.ready("mold5 g2")
    assert world.turn() == ["fork http6 g2"]
    world.desired = replace(world.desired, generation=1)
    world.gone("http3 g1")
    assert world.turn() == [
        "kill mold5 g2: its generation has been replaced",
        "fork http7 g1",
        "kill http6 g2: its generation has been given up",
    ]
    assert world.children["http7 g1"].warmth == 1


def test_after_a_reload_the_numbers_begin_anew_and_nobody_of_the_old_is_left() -> None:
    world = Warming().cast()
    world.reload()
    world.turn()
    world.ready("mold5 g2")
    assert world.turn() == ["fork http6 g2"]
    world.ready("http6 g2")
    assert world.turn() == ["drain http3 g1"]
    assert world.turn() == ["fork http7 g2"]
    world.ready("http7 g2")
    assert world.turn() == ["drain http4 g1"]
    assert world.turn() == ["kill mold1 g1: its generation has been replaced"]
    world.gone("http3 g1", "http4 g1", "mold1 g1")
    world.molded("http2 g1")
    assert world.turn() == ["kill http2 g1: its generation has been replaced"]
    world.gone("http2 g1")
    world.served("http6 g2", 50)
    assert world.turn() == ["fork http8 g2"]


def test_nobody_is_chosen_during_a_reload() -> None:
    world = Warming()
    world.started()
    world.served("http2 g1", 50)
    world.reload()
    assert world.turn() == ["start mold4 g2"]
    assert world.turn() == []


def test_an_old_mold_that_still_owes_a_worker_stays_until_it_is_born() -> None:
    world = Warming().cast()
    world.gone("http3 g1")
    assert world.turn() == ["fork http5 g1"]
    world.children["http5 g1"] = replace(world.children["http5 g1"], is_born=False)
    world.molded("http2 g1")
    world.turn()
    assert world.children["mold1 g1"].state is State.READY
    world.children["http5 g1"] = replace(world.children["http5 g1"], is_born=True)
    assert "kill mold1 g1: a worker has become the mold in its place" in world.turn()


def test_a_warm_mold_that_dies_is_followed_by_a_fresh_one_and_by_the_next_warm_worker() -> None:
    world = Warming().cast()
    world.molded("http2 g1")
    world.gone("mold1 g1", "http3 g1", "http4 g1")
    world.turn()
    world.ready("http5 g1", "http6 g1")
    world.gone("http2 g1")
    assert world.turn() == ["start mold7 g1"]
    world.served("http5 g1", 200)
    assert world.turn() == []
    world.ready("mold7 g1")
    assert world.turn() == ["fork http8 g1"]
    world.ready("http8 g1")
    assert world.turn() == ["cast http5 g1"]


def test_when_the_instance_stops_it_is_asked_to_leave() -> None:
    world = Warming().cast()
    world.desired = world.desired.stopped(is_quick=False)
    assert "drain http2 g1" in world.turn()
    assert plan(world.desired, list(world.children.values()), world.now) == []


def test_workers_for_jobs_are_replaced_too_and_forked_from_the_warmest_mold() -> None:
    world = Warming(cron=1)
    world.turn()
    world.ready("mold1 g1")
    world.turn()
    world.ready("http2 g1", "http3 g1")
    assert world.turn() == ["fork cron4 g1"]
    world.ready("cron4 g1")
    world.served("http2 g1", 50)
    world.turn()
    world.ready("http5 g1")
    assert world.turn() == ["cast http2 g1"]
    world.molded("http2 g1")
    assert "drain cron4 g1" in world.turn()
    world.gone("cron4 g1")
    world.ready("http6 g1")
    assert "fork cron7 g1" in world.turn()
    assert world.children["cron7 g1"].warmth == 1
