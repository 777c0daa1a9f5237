"""The stories of those who run jobs: the cron workers and the clerk, in the world of test_histories."""

from dataclasses import replace
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from corn_systemd.policy.plan import CUT_OFF_PATIENCE, FORK_PATIENCE, is_settled, next_instant
from corn_systemd.policy.view import Action, Role, StartClerk, State

from .test_histories import World


class JobsWorld(World):
    """One in which there is a clerk, too."""

    def _do(self, action: Action) -> str:
        if isinstance(action, StartClerk):
            return "start " + self._add("clerk", Role.CLERK, 0)
        return super()._do(action)

    def wants(self, cron: int = 1, has_clerk: bool = True, clerk_from: float = 0.0) -> "JobsWorld":
        self.desired = replace(self.desired, cron=cron, has_clerk=has_clerk, clerk_from=clerk_from)
        return self

    def enters(self, name: str, state: State) -> None:
        self.children[name] = replace(self.children[name], state=state, since=self.now)

    def of(self, role: Role) -> list[str]:
        return [name for name, child in self.children.items() if child.role is role]

    @property
    def next_at(self) -> float:
        return next_instant(self.desired, list(self.children.values()), self.now)


def with_jobs(cron: int = 1, http: int = 1, **desired: float) -> JobsWorld:
    """A world that serves and has its cron workers and its clerk: with one HTTP worker and one cron worker,
    mold1, http2, cron3 and clerk4."""
    world = JobsWorld(http, **desired)
    world.started()
    world.wants(cron)
    world.turn()
    world.ready(*world.of(Role.CRON), *world.of(Role.CLERK))
    assert world.turn() == []
    return world


def reloaded(world: JobsWorld) -> JobsWorld:
    """The same world, with a mold and an HTTP worker of another generation, and the old one's asked to go."""
    world.reload()
    world.turn()
    world.ready(*world.of(Role.MOLD))
    world.turn()
    world.ready(*world.of(Role.HTTP))
    return world


# Cron workers


def test_cron_workers_and_the_clerk_come_when_the_instance_serves() -> None:
    world = JobsWorld(http=1).wants(cron=2, has_clerk=False)
    assert world.turn() == ["start mold1 g1"]
    world.ready("mold1 g1")
    assert world.turn() == ["fork http2 g1"]
    assert world.turn() == [], "the application has not shown yet that it serves"
    world.ready("http2 g1")
    assert world.turn() == ["fork cron3 g1", "fork cron4 g1"]
    assert world.turn() == []


def test_a_cron_worker_that_dies_is_replaced_and_the_others_are_left_alone() -> None:
    world = with_jobs(cron=2)
    world.gone("cron3 g1")
    assert world.turn() == ["fork cron6 g1"]
    assert world.turn() == []


def test_no_cron_worker_is_started_before_the_hold_is_over() -> None:
    world = with_jobs()
    world.gone("cron3 g1")
    world.desired = replace(world.desired, hold_until=world.now + 2)
    assert world.turn() == []
    world.now += 2
    assert world.turn() == ["fork cron5 g1"]


def test_the_successor_of_a_cron_worker_that_has_done_enough_comes_only_when_it_has_gone() -> None:
    world = with_jobs()
    world.retire("cron3 g1")
    assert world.turn() == ["drain cron3 g1"]
    assert world.turn() == [], "its job may go on for long"
    world.gone("cron3 g1")
    assert world.turn() == ["fork cron5 g1"]


def test_cron_workers_that_are_leaving_killed_or_cut_off_count_until_they_have_gone() -> None:
    for state in (State.DRAINING, State.KILLED, State.CUT_OFF):
        world = with_jobs(cron=2)
        world.enters("cron3 g1", state)
        assert world.turn() == [], state
        world.gone("cron3 g1")
        assert world.turn() == ["fork cron6 g1"], state


def test_a_reload_exchanges_the_cron_worker_only_when_the_generation_is_settled() -> None:
    world = with_jobs()
    world.reload()
    assert world.turn() == ["start mold5 g2"]
    world.ready("mold5 g2")
    assert world.turn() == ["fork http6 g2"]
    assert world.turn() == []
    world.ready("http6 g2")
    assert world.turn() == ["drain http2 g1"], "not yet, in the turn that makes it settled"
    assert world.turn() == ["kill mold1 g1: its generation has been replaced", "drain cron3 g1"]
    assert world.turn() == []
    world.gone("cron3 g1")
    assert world.turn() == ["fork cron7 g2"]


def test_a_reload_that_fails_leaves_the_cron_worker_alone() -> None:
    world = with_jobs()
    world.reload()
    world.turn()
    world.ready("mold5 g2")
    world.turn()
    world.desired = replace(world.desired, generation=1)
    assert not [said for said in world.turn() if "cron" in said]
    world.gone("mold5 g2", "http6 g2")
    assert world.turn() == []


def test_a_cron_worker_that_dies_in_a_reload_is_replaced_when_the_reload_is_over() -> None:
    world = with_jobs()
    world.reload()
    world.turn()
    world.gone("cron3 g1")
    assert world.turn() == [], "neither of the old code nor of what has not shown itself"
    world.ready("mold5 g2")
    world.turn()
    world.ready("http6 g2")
    world.turn()
    assert "fork cron7 g2" in world.turn()


def test_a_cron_worker_that_is_just_starting_when_it_becomes_stale_is_ended_at_once() -> None:
    world = with_jobs()
    world.gone("cron3 g1")
    world.turn()
    reloaded(world)
    world.turn()
    assert "kill cron5 g1: another takes its place" in world.turn()
    assert world.turn() == []
    world.gone("cron5 g1")
    assert [said[:9] for said in world.turn()] == ["fork cron"]


def test_a_reload_is_settled_while_the_old_cron_worker_finishes_its_job() -> None:
    world = with_jobs(patience=10.0)
    reloaded(world)
    world.turn()
    world.turn()
    assert world.children["cron3 g1"].state is State.DRAINING
    assert is_settled(world.desired, list(world.children.values()))


def test_a_cron_worker_that_drains_is_not_overdue_for_its_job_has_limits_of_its_own() -> None:
    world = with_jobs(patience=10.0)
    world.wants(cron=0)
    assert world.turn() == ["drain cron3 g1"]
    assert world.next_at == inf
    world.now += 1e6
    assert world.turn() == []


def test_a_cron_worker_that_drains_is_overdue_at_a_stop() -> None:
    world = with_jobs(patience=10.0)
    world.retire("cron3 g1")
    world.turn()
    world.now += 4.0
    world.desired = world.desired.stopped(is_quick=False)
    assert world.next_at == world.now + 6.0
    assert "kill" not in " ".join(said for said in world.turn() if "cron" in said)
    world.now += 6.0
    assert "kill cron3 g1: not gone within 10 s of being asked to" in world.turn()


def test_a_stop_asks_cron_workers_to_finish_what_they_run() -> None:
    world = with_jobs(patience=10.0)
    world.desired = world.desired.stopped(is_quick=False)
    assert world.turn() == ["kill mold1 g1: stopping", "drain http2 g1", "drain cron3 g1"]
    world.gone("mold1 g1", "http2 g1")
    world.now += 10.0
    assert world.turn() == ["kill cron3 g1: not gone within 10 s of being asked to"]


def test_a_cron_worker_that_has_not_begun_is_ended_at_a_stop() -> None:
    world = with_jobs()
    world.gone("cron3 g1")
    world.turn()
    world.desired = world.desired.stopped(is_quick=False)
    assert "kill cron5 g1: stopping" in world.turn()
    world.gone("cron5 g1")
    assert world.turn() == []


def test_zero_cron_workers_let_those_that_are_there_finish() -> None:
    world = with_jobs(cron=2)
    world.wants(cron=0)
    assert world.turn() == ["drain cron3 g1", "drain cron4 g1"]
    assert world.turn() == []
    world.gone("cron3 g1", "cron4 g1")
    assert world.turn() == []


def test_with_fewer_cron_workers_the_youngest_leave() -> None:
    world = with_jobs(cron=3)
    world.now += 1.0
    world.enters("cron3 g1", State.READY)
    world.wants(cron=2)
    assert world.turn() == ["drain cron3 g1"]
    assert world.turn() == []


def test_with_more_cron_workers_the_missing_ones_are_forked() -> None:
    world = with_jobs()
    world.wants(cron=3)
    assert world.turn() == ["fork cron5 g1", "fork cron6 g1"]


def test_who_has_done_enough_is_replaced_and_no_other_leaves_for_it() -> None:
    world = with_jobs(cron=2)
    world.retire("cron4 g1")
    assert world.turn() == ["drain cron4 g1"]
    assert world.turn() == []


def test_cron_workers_are_forked_by_no_older_mold() -> None:
    world = reloaded(with_jobs())
    world.gone("mold5 g2", "cron3 g1")
    assert world.turn() == ["start mold7 g2", "drain http2 g1"]
    assert world.turn() == ["kill mold1 g1: its generation has been replaced"]
    world.ready("mold7 g2")
    assert world.turn() == ["fork cron8 g2"]


def test_a_cron_worker_that_is_never_born_blames_its_mold_as_any_other_does() -> None:
    world = with_jobs()
    world.gone("cron3 g1")
    world.turn()
    world.children["cron5 g1"] = replace(world.children["cron5 g1"], is_born=False)
    assert world.next_at == world.now + FORK_PATIENCE
    world.now += FORK_PATIENCE
    assert "kill mold1 g1: it has not forked within 10 s of being asked to" in world.turn()


def test_a_cron_worker_that_has_closed_its_lifeline_has_no_successor_before_its_end() -> None:
    world = with_jobs()
    world.enters("cron3 g1", State.CUT_OFF)
    assert world.turn() == []
    world.now += CUT_OFF_PATIENCE
    assert world.turn() == ["kill cron3 g1: it has closed its lifeline"]
    assert world.turn() == []
    world.gone("cron3 g1")
    assert world.turn() == ["fork cron5 g1"]


# The clerk


def test_a_clerk_is_started_when_one_is_wanted_and_only_one() -> None:
    world = JobsWorld(http=1)
    world.started()
    world.wants(cron=0)
    assert world.turn() == ["start clerk3 g0"]
    assert world.turn() == []
    world.ready("clerk3 g0")
    assert world.turn() == []


def test_a_clerk_that_ends_is_replaced_not_before_its_instant() -> None:
    world = with_jobs()
    world.gone("clerk4 g0")
    world.wants(clerk_from=world.now + 8.0)
    assert world.turn() == []
    assert world.next_at == world.now + 8.0
    world.now += 7.9
    assert world.turn() == []
    world.now += 0.1
    assert world.next_at == inf
    assert world.turn() == ["start clerk5 g0"]


def test_the_back_off_of_the_clerk_holds_nobody_else_back() -> None:
    world = with_jobs()
    world.gone("clerk4 g0", "cron3 g1")
    world.wants(clerk_from=world.now + 8.0)
    assert world.turn() == ["fork cron5 g1"]


def test_no_clerk_is_started_while_nothing_may_be() -> None:
    world = with_jobs()
    world.gone("clerk4 g0")
    world.desired = replace(world.desired, hold_until=world.now + 2.0)
    assert world.turn() == []
    world.now += 2.0
    assert world.turn() == ["start clerk5 g0"]


def test_a_clerk_that_is_still_leaving_has_no_successor() -> None:
    world = with_jobs()
    world.wants(cron=0, has_clerk=False)
    world.turn()
    world.gone("cron3 g1")
    assert world.turn() == ["drain clerk4 g0"]
    world.wants()
    assert world.turn() == ["fork cron5 g1"]
    world.gone("clerk4 g0")
    assert world.turn() == ["start clerk6 g0"]


def test_the_clerk_stays_until_the_last_cron_worker_has_gone() -> None:
    world = with_jobs(cron=2)
    world.wants(cron=0, has_clerk=False)
    assert world.turn() == ["drain cron3 g1", "drain cron4 g1"]
    assert world.turn() == []
    world.gone("cron3 g1")
    world.enters("cron4 g1", State.KILLED)
    assert world.turn() == [], "how its run ended is still to be written"
    world.gone("cron4 g1")
    assert world.turn() == ["drain clerk5 g0"]
    assert world.turn() == []


def test_a_reload_leaves_the_clerk_alone() -> None:
    world = with_jobs()
    reloaded(world)
    said = [*world.turn(), *world.turn()]
    world.gone("cron3 g1")
    assert not [word for word in [*said, *world.turn()] if "clerk" in word]


def test_the_clerk_is_the_last_to_leave_at_a_stop() -> None:
    world = with_jobs(patience=10.0)
    world.desired = world.desired.stopped(is_quick=False)
    assert not [said for said in world.turn() if "clerk" in said]
    world.gone("mold1 g1", "http2 g1")
    assert world.turn() == []
    world.enters("cron3 g1", State.KILLED)
    assert world.turn() == []
    world.gone("cron3 g1")
    assert world.turn() == ["drain clerk4 g0"]
    assert world.next_at == world.now + 10.0
    world.now += 10.0
    assert world.turn() == ["kill clerk4 g0: not gone within 10 s of being asked to"]


def test_a_clerk_that_is_not_ready_in_time_is_killed_and_replaced() -> None:
    world = with_jobs(start_timeout=5.0)
    world.gone("clerk4 g0")
    assert world.turn() == ["start clerk5 g0"]
    world.now += 5.0
    assert world.turn() == ["kill clerk5 g0: not ready within start_timeout (5 s)"]
    assert world.turn() == [], "two would write one ledger"
    world.gone("clerk5 g0")
    assert world.turn() == ["start clerk6 g0"]


# All stories


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["turn", "ready", "gone", "retire", "cut", "reload", "back", "count", "clerk", "wait", "stop"]
            ),
            st.integers(0, 9),
        ),
        max_size=60,
    )
)
def test_whatever_happens_there_is_one_clerk_and_no_cron_worker_too_many(
    story: list[tuple[str, int]],
) -> None:
    world = with_jobs(cron=2, patience=10.0)
    for what, number in story:
        names = list(world.children)
        name = names[number % len(names)] if names else ""
        if what == "ready" and name and world.children[name].state is State.STARTING:
            world.ready(name)
        elif what == "gone" and name:
            world.gone(name)
        elif what == "retire" and name and world.children[name].role in (Role.CRON, Role.HTTP):
            world.retire(name)
        elif what == "cut" and name:
            world.enters(name, State.CUT_OFF)
        elif what == "reload":
            world.reload()
        elif what == "back" and world.desired.generation > 1:
            world.desired = replace(world.desired, generation=world.desired.generation - 1)
        elif what == "count":
            world.wants(cron=number % 4)
        elif what == "clerk":
            world.wants(cron=world.desired.cron, has_clerk=bool(number % 2))
        elif what == "wait":
            world.now += number
        elif what == "stop":
            world.desired = world.desired.stopped(is_quick=bool(number % 2))
        before = len(world.of(Role.CRON))
        was_settled = is_settled(world.desired, list(world.children.values()))
        said = world.turn()
        forked = [word for word in said if word.startswith("fork cron")]
        assert not forked or before + len(forked) <= world.desired.cron
        assert not forked or all(word.endswith(f"g{world.desired.generation}") for word in forked)
        assert was_settled or world.desired.stopping or not [word for word in said if "drain cron" in word]
        assert len(world.of(Role.CLERK)) <= 1


# Rest (idle_exit)


def test_all_but_the_mold_leave_to_rest_the_clerk_last_and_come_back_from_it() -> None:
    world = with_jobs(http=2)
    world.desired = replace(world.desired, resting=True)
    assert world.turn() == ["drain http2 g1", "drain http3 g1", "drain cron4 g1"]
    world.gone("http2 g1", "http3 g1")
    assert world.turn() == []
    world.gone("cron4 g1")
    assert world.turn() == ["drain clerk5 g0"]
    world.gone("clerk5 g0")
    assert world.turn() == []
    world.desired = replace(world.desired, resting=False)
    assert world.turn() == ["fork http6 g1", "fork http7 g1", "start clerk8 g0"]


def test_who_comes_back_does_not_wait_for_those_that_are_still_leaving() -> None:
    world = with_jobs(http=1)
    world.desired = replace(world.desired, resting=True)
    world.turn()
    world.desired = replace(world.desired, resting=False)
    assert "fork http5 g1" in world.turn()


def test_a_worker_that_does_not_leave_to_rest_is_ended_in_time() -> None:
    world = with_jobs(http=1, patience=5.0)
    world.desired = replace(world.desired, resting=True)
    world.turn()
    world.now += 5.0
    assert world.turn()[0] == "kill http2 g1: not gone within 5 s of being asked to"


def test_a_stop_goes_before_rest() -> None:
    world = with_jobs(http=1)
    world.desired = replace(world.desired, resting=True, stopping=True)
    assert "kill mold1 g1: stopping" in world.turn()


def test_a_cron_worker_that_has_nothing_to_finish_and_does_not_go_is_overdue() -> None:
    """It waits for a thread of the application's, perhaps for ever, and nobody runs jobs meanwhile."""
    world = with_jobs(patience=60.0)
    world.retire("cron3 g1")
    assert world.turn() == ["drain cron3 g1"]
    world.now += 600.0
    assert world.turn() == [], "its job has limits of its own"
    world.children["cron3 g1"] = replace(world.children["cron3 g1"], idle_since=world.now)
    assert world.next_at == world.now + 60.0
    world.now += 60.0
    assert world.turn() == ["kill cron3 g1: not gone within 60 s of being asked to"]


def test_a_worker_that_has_done_enough_and_does_not_go_keeps_nobody_else_from_going() -> None:
    world = with_jobs(patience=60.0, http=2)
    spent = world.of(Role.HTTP)[0]
    world.retire(spent)
    world.turn()
    world.ready(*world.of(Role.HTTP))
    assert world.turn() == [f"drain {spent}"]
    assert world.next_at == world.now + 60.0, "nobody tells when its last client has gone"
    world.children[spent] = replace(world.children[spent], idle_since=world.now)
    world.now += 60.0
    assert world.turn() == [f"kill {spent}: not gone within 60 s of being asked to"]
