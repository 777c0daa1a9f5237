"""The stories of an instance, as lists of what happens and what the plan then wants.

A tiny world plays the master's part: it does what the plan asks, and says so in one word each.
"""

from dataclasses import replace

from corn_systemd.policy.plan import (
    CUT_OFF_PATIENCE,
    FORK_PATIENCE,
    UNBORN_MAX,
    is_settled,
    next_instant,
    plan,
)
from corn_systemd.policy.view import Action, Child, Desired, Drain, Fork, Kill, Role, StartMold, State


class World:
    """Children that do what they are told, and a clock that moves when the story says so."""

    def __init__(self, http: int = 2, **desired: float) -> None:
        self.now = 100.0
        self.desired = Desired(generation=1, http=http, **desired)  # type: ignore[arg-type]
        self.children: dict[str, Child] = {}
        self._count = 0

    def turn(self) -> list[str]:
        """One turn of the master: the actions, done, in words."""
        return [self._do(action) for action in plan(self.desired, list(self.children.values()), self.now)]

    def _do(self, action: Action) -> str:
        match action:
            case StartMold(generation):
                return "start " + self._add("mold", Role.MOLD, generation)
            case Fork(generation, role):
                return "fork " + self._add(role.value, role, generation)
            case Drain(key):
                return "drain " + self._enter(key, State.DRAINING)
            case Kill(key, cause):
                return f"kill {self._enter(key, State.KILLED)}: {cause}"

    def _add(self, what: str, role: Role, generation: int) -> str:
        self._count += 1
        name = f"{what}{self._count} g{generation}"
        self.children[name] = Child(self._count, role, generation, State.STARTING, self.now)
        return name

    def _enter(self, key: int, state: State) -> str:
        name = next(name for name, child in self.children.items() if child.key == key)
        self.children[name] = replace(self.children[name], state=state, since=self.now)
        return name

    def ready(self, *names: str) -> None:
        for name in names:
            self.children[name] = replace(self.children[name], state=State.READY)

    def retire(self, *names: str) -> None:
        for name in names:
            self.children[name] = replace(self.children[name], is_spent=True)

    def gone(self, *names: str) -> None:
        for name in names:
            del self.children[name]

    def started(self) -> "World":
        """The same world, its workers ready."""
        self.turn()
        self.ready("mold1 g1")
        self.turn()
        self.ready(*(name for name in self.children if name.startswith("http")))
        assert self.turn() == []
        return self

    def reload(self) -> None:
        self.desired = replace(self.desired, generation=self.desired.generation + 1)


def test_a_start_is_a_mold_first_and_then_all_workers() -> None:
    world = World(http=2)
    assert world.turn() == ["start mold1 g1"]
    assert world.turn() == []
    world.ready("mold1 g1")
    assert world.turn() == ["fork http2 g1", "fork http3 g1"]
    world.ready("http2 g1", "http3 g1")
    assert world.turn() == []


def test_a_worker_that_dies_is_replaced_and_the_others_are_left_alone() -> None:
    world = World().started()
    world.gone("http3 g1")
    assert world.turn() == ["fork http4 g1"]
    assert world.turn() == []


def test_nothing_is_started_before_the_hold_is_over() -> None:
    world = World().started()
    world.gone("http3 g1")
    world.desired = replace(world.desired, hold_until=world.now + 2)
    assert world.turn() == []
    assert next_instant(world.desired, list(world.children.values()), world.now) == world.now + 2
    world.now += 2
    assert world.turn() == ["fork http4 g1"]


def test_a_mold_that_dies_is_replaced_while_its_workers_go_on() -> None:
    world = World().started()
    world.gone("mold1 g1")
    assert world.turn() == ["start mold4 g1"]
    world.gone("http2 g1")
    assert world.turn() == []
    world.ready("mold4 g1")
    assert world.turn() == ["fork http5 g1"]


def test_a_reload_replaces_workers_one_at_a_time_and_each_only_when_its_successor_is_ready() -> None:
    world = World().started()
    world.reload()
    assert world.turn() == ["start mold4 g2"]
    world.ready("mold4 g2")
    assert world.turn() == ["fork http5 g2"]
    assert world.turn() == []
    world.ready("http5 g2")
    assert world.turn() == ["drain http2 g1"]
    assert world.turn() == ["fork http6 g2"]
    world.ready("http6 g2")
    assert world.turn() == ["drain http3 g1"]
    assert world.turn() == ["kill mold1 g1: its generation has been replaced"]
    world.gone("http2 g1", "http3 g1", "mold1 g1")
    assert world.turn() == []


def test_a_reload_that_fails_half_way_goes_back_to_the_old_code_which_its_mold_still_has() -> None:
    world = World().started()
    world.reload()
    world.turn()
    world.ready("mold4 g2")
    world.turn()
    world.ready("http5 g2")
    assert world.turn() == ["drain http2 g1"]
    world.turn()
    world.desired = replace(world.desired, generation=1)
    assert world.turn() == [
        "kill mold4 g2: its generation has been replaced",
        "kill http6 g2: its generation has been given up",
    ]
    world.gone("mold4 g2", "http6 g2")
    assert world.turn() == ["fork http7 g1"]
    world.ready("http7 g1")
    assert world.turn() == ["drain http5 g2"]


def test_a_mold_that_does_not_fork_is_replaced_and_nobody_else_is_blamed() -> None:
    world = World().started()
    world.gone("http2 g1")
    assert world.turn() == ["fork http4 g1"]
    world.children["http4 g1"] = replace(world.children["http4 g1"], is_born=False)
    world.now += FORK_PATIENCE
    assert world.turn() == [
        "kill mold1 g1: it has not forked within 10 s of being asked to",
        "start mold5 g1",
    ]
    assert world.turn() == []


def test_a_mold_is_not_asked_for_more_than_its_lifeline_holds() -> None:
    world = World(http=500)
    world.turn()
    world.ready("mold1 g1")
    assert len(world.turn()) == UNBORN_MAX
    world.children = {
        name: replace(child, is_born=child.role is Role.MOLD) for name, child in world.children.items()
    }
    assert world.turn() == []


def test_a_child_that_has_closed_its_lifeline_is_replaced_at_once_and_ended_soon() -> None:
    world = World().started()
    world.children["http2 g1"] = replace(world.children["http2 g1"], state=State.CUT_OFF, since=world.now)
    assert world.turn() == ["fork http4 g1"]
    world.now += CUT_OFF_PATIENCE
    assert world.turn() == ["kill http2 g1: it has closed its lifeline"]


def test_a_reload_that_is_given_up_leaves_the_old_generation_as_it_was() -> None:
    world = World().started()
    world.reload()
    world.turn()
    world.ready("mold4 g2")
    world.turn()
    world.desired = replace(world.desired, generation=1)
    assert world.turn() == [
        "kill mold4 g2: its generation has been replaced",
        "kill http5 g2: its generation has been given up",
    ]
    world.gone("mold4 g2", "http5 g2")
    assert world.turn() == []


def test_a_reload_to_fewer_workers_proves_the_new_generation_before_anyone_leaves() -> None:
    world = World(http=2).started()
    world.desired = replace(world.desired, generation=2, http=1)
    world.turn()
    world.ready("mold4 g2")
    assert world.turn() == ["fork http5 g2"]
    world.ready("http5 g2")
    actions = world.turn()
    assert "drain http2 g1" in actions and "drain http3 g1" in actions


def test_a_worker_that_dies_during_a_reload_is_replaced_from_the_old_mold_while_the_new_one_imports() -> None:
    world = World().started()
    world.reload()
    world.turn()
    world.gone("http2 g1")
    assert world.turn() == ["fork http5 g1"]


def test_a_worker_that_dies_while_the_first_successor_starts_is_replaced_from_the_old_mold() -> None:
    world = World().started()
    world.reload()
    world.turn()
    world.ready("mold4 g2")
    assert world.turn() == ["fork http5 g2"]
    world.gone("http2 g1")
    assert world.turn() == ["fork http6 g1"]
    assert world.turn() == []
    world.gone("http3 g1", "http6 g1")
    assert world.turn() == ["fork http7 g1", "fork http8 g1"]
    world.ready("http7 g1", "http8 g1", "http5 g2")
    assert world.turn() == ["drain http7 g1"]


def test_without_the_old_mold_it_is_replaced_from_the_new_one() -> None:
    world = World().started()
    world.reload()
    world.turn()
    world.ready("mold4 g2")
    world.turn()
    world.gone("http2 g1", "mold1 g1")
    assert world.turn() == ["fork http6 g2"]


def test_scaling_down_drains_the_oldest_and_scaling_up_forks() -> None:
    world = World().started()
    world.desired = replace(world.desired, http=1)
    assert world.turn() == ["drain http2 g1"]
    world.desired = replace(world.desired, http=3)
    assert world.turn() == ["fork http4 g1", "fork http5 g1"]


def test_a_child_that_is_not_ready_in_time_is_killed() -> None:
    world = World(start_timeout=5.0)
    world.turn()
    world.now += 4.9
    assert world.turn() == []
    world.now += 0.1
    assert world.turn() == [
        "kill mold1 g1: not ready within start_timeout (5 s)",
        "start mold2 g1",
    ]


def test_zero_means_no_limit_for_a_start() -> None:
    world = World(start_timeout=0.0)
    world.turn()
    world.now += 1e9
    assert world.turn() == []


def test_stopping_drains_the_ready_and_kills_whoever_serves_nobody() -> None:
    world = World(patience=10.0).started()
    world.children["http4 g1"] = Child(4, Role.HTTP, 1, State.STARTING, world.now)
    world.desired = replace(world.desired, stopping=True)
    assert world.turn() == [
        "kill mold1 g1: stopping",
        "drain http2 g1",
        "drain http3 g1",
        "kill http4 g1: stopping",
    ]
    assert world.turn() == []
    world.now += 10
    assert world.turn() == [
        "kill http2 g1: not gone within 10 s of being asked to",
        "kill http3 g1: not gone within 10 s of being asked to",
    ]


def test_nobody_is_started_while_stopping() -> None:
    world = World().started()
    world.desired = replace(world.desired, stopping=True)
    world.turn()
    world.gone("mold1 g1", "http2 g1")
    assert world.turn() == []


def test_a_reload_is_over_when_only_ready_workers_of_the_new_generation_are_left_or_leaving() -> None:
    world = World().started()
    world.reload()
    turns = 0
    while not is_settled(world.desired, list(world.children.values())):
        world.turn()
        world.ready(*(name for name, child in world.children.items() if child.state is State.STARTING))
        turns += 1
    assert turns == 5
    assert any(child.state is State.DRAINING for child in world.children.values())


def test_a_worker_that_has_done_enough_leaves_when_its_successor_is_ready() -> None:
    world = World().started()
    world.retire("http2 g1")
    assert world.turn() == ["fork http4 g1"]
    assert world.turn() == []
    world.ready("http4 g1")
    assert world.turn() == ["drain http2 g1"]
    assert world.turn() == []
    world.gone("http2 g1")
    assert world.turn() == []


def test_workers_that_have_done_enough_at_one_moment_leave_one_after_the_other() -> None:
    world = World(http=4).started()
    old = [name for name in world.children if name.startswith("http")]
    world.retire(*old)
    for number, name in enumerate(old):
        (forked,) = world.turn()
        assert forked.startswith("fork ")
        assert world.turn() == []
        world.ready(forked.removeprefix("fork "))
        drained = world.turn()
        assert drained[0] == f"drain {name}"
        world.gone(name)
        assert len(drained) == 1, number


def test_a_reload_does_not_wait_for_those_who_are_being_replaced() -> None:
    world = World().started()
    world.retire("http2 g1")
    world.turn()
    assert is_settled(world.desired, list(world.children.values()))


def test_who_has_done_enough_and_is_of_an_old_generation_is_replaced_once() -> None:
    world = World(http=1).started()
    world.retire("http2 g1")
    world.reload()
    world.turn()
    world.ready("mold3 g2")
    assert world.turn() == ["fork http4 g2"]
    world.ready("http4 g2")
    assert world.turn() == ["drain http2 g1"]
    assert world.turn() == ["kill mold1 g1: its generation has been replaced"]


def test_who_has_done_enough_may_finish_and_is_not_hurried() -> None:
    world = World(patience=5.0).started()
    world.retire("http2 g1")
    world.turn()
    world.ready("http4 g1")
    assert world.turn() == ["drain http2 g1"]
    world.now += 100
    assert world.turn() == []
    world.desired = world.desired.stopped(is_quick=False)
    assert "kill http2 g1: not gone within 5 s of being asked to" in world.turn()


def test_no_more_than_a_quarter_are_on_their_way_out_at_once() -> None:
    world = World(http=8).started()
    old = [name for name in world.children if name.startswith("http")]
    world.retire(*old)
    drained = []
    for _ in range(20):
        for word in world.turn():
            if word.startswith("fork "):
                world.ready(word.removeprefix("fork "))
            else:
                drained.append(word.removeprefix("drain "))
    assert len(drained) == 2
    world.gone(drained[0])
    assert [word.split()[0] for word in world.turn()] == ["fork"]
