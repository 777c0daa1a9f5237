"""What keeps an instance awake, and what is told of its sleep; everybody around it pretends."""

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from corn_systemd.errors import ConfigError
from corn_systemd.master.slumber import EARLY, SOON, Slumber, Wakers, first_answer, why_awake
from corn_systemd.policy.view import Child, Desired, Role, State
from corn_systemd.settings.sections import Settings
from corn_systemd.slot import SlotView

from .house import MINUTE, NOON, House, minutely

ALLOWED = 10.0


def view(requests: int = 0, *, is_busy: bool = False, connections: int = 0, **more: Any) -> SlotView:
    return SlotView(
        **{
            "number": 0, "pid": 1, "generation": 1, "role": "http", "state": "ready", "requests": requests,
            "is_busy": is_busy, "began_at": 0.0, "connections": connections, "request": "GET /",
            "request_id": "x", "has_head_left": False, "waited": 0.0, "extended_by": 0.0, "real": 0.0,
            "sent": 0, **more,
        }
    )  # fmt: skip


class Bed:
    """An instance that nobody uses, with one worker; each of the things that may be in use can be had."""

    def __init__(
        self, obstacle: str = "", *, idle_exit: float = ALLOWED, alarm: object = "", born_at: float = 99.9,
        is_woken: bool = False,
    ) -> None:  # fmt: skip
        self.now = 100.0
        self.views = [view()]
        self.roles = [Role.MOLD, Role.HTTP]
        self.state = State.READY
        self.settings: Settings | Exception = Settings(name="shop", app="shop", idle_exit=idle_exit)
        self.relay = SimpleNamespace(is_waiting=lambda: self.is_relay_waiting)
        self.is_relay_waiting = False
        self.control = SimpleNamespace(has_askers=False)
        self.reloads = SimpleNamespace(is_wanted=False, is_running=False)
        self.desired = Desired(generation=1, http=1)
        self.house = House()
        self.told: list[str] = []
        self.door = socket.create_server(("127.0.0.1", 0))
        serving = SimpleNamespace(settings=self.settings)
        parts: Any = (
            self,
            SimpleNamespace(serving=serving),
            self,
            self.house.jobs,
            SimpleNamespace(
                requests=lambda: sum(one.requests for one in self.views), listen=["127.0.0.1:80"]
            ),
            self.control,
            self.relay,
            [SimpleNamespace(socket=self.door)],
            SimpleNamespace(
                sleeps=lambda listen, alarm: self.told.append(f"sleeps {listen} {alarm}".strip()),
                stays_awake=lambda cause: self.told.append(f"awake: {cause}"),
                woken=lambda first, took: self.told.append(f"woken {first.request} {took:.1f}"),
            ),
        )
        children, generations, course, jobs, overview, control, relay, listeners, voice = parts
        self.slumber = Slumber(
            children, generations, course, jobs, overview, control, relay, listeners, voice,
            read_settings=self.read, wakers=Wakers(obstacle, str(alarm), born_at, is_woken),
        )  # fmt: skip
        self.slumber.adopt(self.now)

    def read(self) -> Settings:
        if isinstance(self.settings, Exception):
            raise self.settings
        return self.settings

    # As the children

    def __iter__(self) -> Any:
        return iter([SimpleNamespace(role=role) for role in self.roles])

    def slot_views(self) -> list[SlotView]:
        return self.views

    def view(self) -> list[Child]:
        return [Child(1, Role.HTTP, 1, self.state, 0.0)]

    # What happens

    def look(self, seconds: float = 0.0) -> str:
        """What it wants after so many seconds more."""
        self.now += seconds
        self.house.wait(seconds)
        is_over = self.slumber.look(self.now)
        return "over" if is_over else "rest" if self.slumber.wants(self.desired).resting else "stay"

    def rest(self) -> "Bed":
        assert [self.look(), self.look(ALLOWED)] == ["stay", "rest"]
        return self

    def close(self) -> None:
        self.door.close()


@pytest.fixture
def bed() -> Any:
    made: list[Bed] = []

    def make(*arguments: Any, **more: Any) -> Bed:
        made.append(Bed(*arguments, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


Make = Callable[..., Bed]


def test_all_are_asked_to_rest_and_it_is_over_when_only_the_mold_is_left(bed: Make) -> None:
    one = bed().rest()
    assert one.look(0.1) == "rest"
    one.roles = [Role.MOLD, Role.CLERK]
    assert one.look(0.1) == "rest"
    one.roles = [Role.MOLD]
    assert one.look(0.1) == "over"
    assert one.told == ["sleeps ['127.0.0.1:80']"]


def knock(one: Bed) -> None:
    one.caller = socket.create_connection(one.door.getsockname())  # type: ignore[attr-defined]


USES: dict[str, Callable[[Bed], None]] = {
    "a connection": lambda one: setattr(one, "views", [view(connections=1)]),
    "a request of one that has gone": lambda one: setattr(one, "views", [view(is_busy=True)]),
    "a request that was served meanwhile": lambda one: setattr(one, "views", [view(1)]),
    "a connection that a worker has given away": lambda one: setattr(one, "is_relay_waiting", True),
    "a connection that nobody has accepted": knock,
    "a question": lambda one: setattr(one.control, "has_askers", True),
    "a reload that is asked for": lambda one: setattr(one.reloads, "is_wanted", True),
    "a reload under way": lambda one: setattr(one.reloads, "is_running", True),
    "a job that is scheduled": lambda one: one.house.adopt(minutely("tidy")),
    "a poller": lambda one: one.house.adopt(poll="shop:poll"),
}


@pytest.mark.parametrize("use", USES)
def test_what_is_in_use_stays_awake_and_what_comes_while_they_leave_calls_them_back(
    bed: Make, use: str
) -> None:
    one = bed()
    assert one.look() == "stay"
    USES[use](one)
    assert one.look(ALLOWED) == "stay"
    one = bed().rest()
    one.roles = [Role.MOLD]
    USES[use](one)
    assert one.look(0.1) == "stay"


def test_a_worker_that_is_only_starting_keeps_it_awake(bed: Make) -> None:
    one = bed()
    one.look()
    one.state = State.STARTING
    assert one.look(ALLOWED) == "stay"


def test_nobody_rests_while_a_stop_is_under_way(bed: Make) -> None:
    one = bed().rest()
    one.desired = replace(one.desired, stopping=True)
    one.roles = [Role.MOLD]
    assert one.look(1.0) != "over"
    assert one.told == []


def test_where_nobody_would_start_it_again_it_stays_and_says_so_once(bed: Make) -> None:
    one = bed("nobody would")
    one.slumber.adopt(one.now)
    assert [one.look(), one.look(ALLOWED), one.look(ALLOWED)] == ["stay"] * 3
    assert one.told == ["awake: nobody would"]
    assert one.slumber.look_at == inf
    assert bed("nobody would", idle_exit=0.0).told == []


def test_it_stays_where_its_file_would_not_let_it_start_again_or_does_not_want_it_any_more(
    bed: Make,
) -> None:
    one = bed()
    one.settings = ConfigError("shop.toml:3: no key 'x'\nand more")
    assert [one.look(), one.look(ALLOWED), one.look(ALLOWED)] == ["stay"] * 3
    assert one.told == ["awake: it could not start again: shop.toml:3: no key 'x'"]
    one.settings = Settings(name="shop", app="shop")
    assert one.look(ALLOWED) == "stay"
    one.settings = Settings(name="shop", app="shop", idle_exit=1.0)
    assert one.look(ALLOWED) == "rest"


def test_what_of_its_jobs_keeps_it_awake_is_named() -> None:
    house, without, with_timer = House(), Wakers(""), Wakers("", "wake")
    assert why_awake(house.jobs, without) == ""
    house.adopt(minutely("off", enabled=False), minutely("tidy"))
    assert why_awake(house.jobs, without) == "job 'tidy' is scheduled, and no timer would start it for that"
    assert why_awake(house.jobs, with_timer) == ""
    assert house.jobs.agenda is not None
    house.jobs.agenda.pause("tidy", house.wall)
    assert why_awake(house.jobs, without) == ""
    house.adopt(poll="shop:poll")
    assert why_awake(house.jobs, with_timer) == "cron.poll looks for jobs"


def with_jobs(one: Bed, *every: float) -> Bed:
    one.house.clerk()
    one.house.adopt(*(minutely(f"every-{seconds:.0f}", every=seconds) for seconds in every))
    one.house.look()
    return one


@pytest.mark.parametrize(
    ("idle_exit", "start_took", "early"),
    [
        (0.2, 0.5, SOON + 1),
        (ALLOWED, 0.5, ALLOWED),
        (4 * EARLY, 0.5, EARLY),
        (ALLOWED, 20.0, SOON + 40.0),  # who starts slowly is to be there in time as well
    ],
)
def test_it_is_woken_a_little_before_its_next_job_is_due(
    bed: Make, tmp_path: Path, idle_exit: float, start_took: float, early: float
) -> None:
    alarm = tmp_path / "state" / "wake"
    one = bed(idle_exit=idle_exit, alarm=alarm, born_at=100.0 - start_took)
    with_jobs(one, 20 * MINUTE, 10 * MINUTE)
    one.roles = [Role.MOLD]
    assert [one.look(), one.look(idle_exit), one.look(0.1)] == ["stay", "rest", "over"]
    assert int(alarm.read_text()) == NOON + 10 * MINUTE - early
    assert os.listdir(alarm.parent) == ["wake"]
    (told,) = one.told
    assert told.endswith("when job 'every-600' is due")


def test_it_does_not_sleep_for_a_job_that_is_due_within_as_long_again(bed: Make, tmp_path: Path) -> None:
    one = with_jobs(bed(alarm=tmp_path / "wake"), 2.5 * ALLOWED)
    one.roles = [Role.MOLD]
    assert one.look() == "stay"
    assert one.look(ALLOWED + 1) == "rest"
    # The job has come nearer while all were leaving: it is over a little later, or not at all.
    assert one.look(ALLOWED) == "stay"
    assert not (tmp_path / "wake").exists() and one.told == []


def test_it_does_not_sleep_if_it_would_have_to_start_again_at_once(bed: Make, tmp_path: Path) -> None:
    one = with_jobs(bed(alarm=tmp_path / "wake", born_at=0.0), 3 * MINUTE)
    one.roles = [Role.MOLD]
    assert [one.look(), one.look(ALLOWED)] == ["stay", "stay"]


def test_the_word_for_who_wakes_it_is_taken_back_when_it_serves_and_when_somebody_stops_it(
    bed: Make, tmp_path: Path
) -> None:
    word = tmp_path / "wake"
    word.write_text("1\n")
    one = with_jobs(bed(alarm=word), 10 * MINUTE)
    assert not word.exists()
    one.rest()
    one.roles = [Role.MOLD]
    assert one.look(0.1) == "over" and word.exists()
    one.slumber.forget()
    assert not word.exists()
    one.slumber.forget()


@pytest.mark.parametrize("what", ["unconfirmed", "trouble"])
def test_it_does_not_sleep_before_all_of_a_run_is_written_down(
    bed: Make, tmp_path: Path, what: str
) -> None:
    one = with_jobs(bed(alarm=tmp_path / "wake"), 10 * MINUTE)
    house = one.house
    worker, (clerk,) = house.worker(), house.children.of(Role.CLERK)
    if what == "trouble":
        house.says(clerk, "trouble", about="the database", cause="it is gone")
        over: Callable[[], None] = lambda: house.says(clerk, "trouble", about="the database", cause="")  # noqa: E731
    else:
        house.wait(10 * MINUTE)
        house.look()
        at = house.flight("every-600").run.at
        house.grants("every-600")
        house.look()
        house.ran(worker)
        house.look()
        over = lambda: house.says(clerk, "written", job="every-600", at=at)  # noqa: E731
    assert [one.look(), one.look(2 * ALLOWED)] == ["stay", "stay"]
    over()
    assert [one.look(), one.look(ALLOWED)] == ["stay", "rest"]


def test_without_jobs_nobody_waits_for_a_clerk_who_is_not_there(bed: Make, tmp_path: Path) -> None:
    one = with_jobs(bed(alarm=tmp_path / "wake"), 10 * MINUTE)
    (clerk,) = one.house.children.of(Role.CLERK)
    one.house.says(clerk, "trouble", about="the database", cause="it is gone")
    one.house.adopt()
    one.house.gone(clerk)
    assert [one.look(), one.look(ALLOWED)] == ["stay", "rest"]


def test_where_its_timer_can_not_be_set_it_stays_and_says_so(bed: Make, tmp_path: Path) -> None:
    (tmp_path / "none").touch()
    one = with_jobs(bed(alarm=tmp_path / "none" / "wake"), 10 * MINUTE).rest()
    one.roles = [Role.MOLD]
    assert [one.look(0.1), one.look(0.1)] == ["stay", "stay"]
    (told,) = one.told
    assert told.startswith("awake: the timer for job 'every-600' can not be set") and "none" in told


def test_the_first_answer_after_a_waking_is_told_of_once(bed: Make) -> None:
    one = bed(born_at=98.0, is_woken=True)
    one.look()
    one.views = [view(1, is_busy=True, began_at=100.5), view()]
    one.look(1.0)
    assert one.told == []
    one.views = [view(1, began_at=100.5, real=0.2, request="GET /a"), view()]
    one.look(1.0)
    one.look(1.0)
    assert one.told == ["woken GET /a 2.7"]


def test_who_has_answered_more_than_once_has_done_so_by_now() -> None:
    assert first_answer([view(), view(1, is_busy=True)], 9.0) is None
    several = view(3, began_at=7.0, real=5.0)
    assert first_answer([several], 9.0) == (9.0, several)
    early = view(1, began_at=7.0, real=0.5)
    assert first_answer([several, early], 9.0) == (7.5, early)
