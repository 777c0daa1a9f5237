from corn_systemd.policy.backoff import FREE, LONGEST, YOUNG, Backoff


def after(deaths: int, lived: float = 0.1, between: float = 0.1) -> Backoff:
    backoff, now = Backoff(), 1000.0
    for _ in range(deaths):
        now += between
        backoff = backoff.died(now - lived, now)
    return backoff


def test_the_first_who_die_young_are_replaced_at_once() -> None:
    assert after(FREE).delay == 0


def test_those_after_them_wait_twice_as_long_each_time_up_to_the_longest() -> None:
    assert [after(FREE + n).delay for n in (1, 2, 3, 7, 8, 1000)] == [0.5, 1, 2, LONGEST, LONGEST, LONGEST]


def test_one_who_lived_long_ends_the_row() -> None:
    now = 2000.0
    assert after(10).died(now - YOUNG, now).delay == 0


def test_early_deaths_far_apart_are_no_row() -> None:
    assert after(50, between=3 * LONGEST).delay == 0
