from corn_systemd.master.generations import Generations
from corn_systemd.settings.sections import Settings


def settings(app: str = "shop:app", start_timeout: float = 60.0) -> Settings:
    return Settings(name="shop", app=app, start_timeout=start_timeout)


def test_the_first_generation_serves_when_its_first_worker_is_ready() -> None:
    generations = Generations(settings(), now=0.0)
    assert not generations.is_settled
    assert generations.advance(1, now=1.0)
    assert not generations.advance(1, now=2.0)
    assert generations.is_settled


def test_a_later_one_serves_when_all_its_workers_are_and_can_be_given_up_until_then() -> None:
    generations = Generations(settings("old:app"), now=0.0)
    generations.advance(1, now=0.0)
    generations.begin(settings("new:app"), now=1.0)
    assert generations.settings(1).app == "old:app" and generations.settings(2).app == "new:app"
    assert not generations.advance(2, now=2.0)
    served = generations.give_up()
    assert served is not None and served.number == generations.desired.number == 1
    assert generations.begin(settings(), now=2.0).number == 3
    generations.settle()
    assert generations.serving is not None and generations.serving.number == 3


def test_the_first_generation_has_nothing_to_go_back_to() -> None:
    assert Generations(settings(), now=0.0).give_up() is None


def test_a_generation_is_overdue_start_timeout_after_its_last_progress_unless_it_may_take_for_ever() -> None:
    generations = Generations(settings(start_timeout=5.0), now=100.0)
    assert not generations.is_overdue(104.9)
    assert generations.is_overdue(105.0)
    generations.advance(1, now=105.0)
    assert not generations.is_overdue(1000.0)
    generations.begin(settings(start_timeout=5.0), now=200.0)
    generations.advance(2, now=204.0)
    assert not generations.is_overdue(208.9)
    assert generations.is_overdue(209.0)
    assert not Generations(settings(start_timeout=0.0), now=0.0).is_overdue(1e9)
