from corn_systemd.policy.backoff import FREE, LONGEST, YOUNG, Backoff


def after(tries: int, lived: float = 0.1, between: float = 0.2, together: int = 1) -> Backoff:
    backoff, now = Backoff(), 1000.0
    for _ in range(tries):
        now += between
        for number in range(together):
            backoff = backoff.died(now - lived, now + number / 1000)
    return backoff


def test_the_first_who_die_young_are_replaced_at_once() -> None:
    assert after(FREE).delay == 0


def test_those_after_them_wait_twice_as_long_each_time_up_to_the_longest() -> None:
    assert [after(FREE + n).delay for n in (1, 2, 3, 7, 8, 1000)] == [0.5, 1, 2, LONGEST, LONGEST, LONGEST]


def test_many_who_die_together_are_one_try() -> None:
    backoff = after(FREE + 2, together=60)
    assert (backoff.delay, backoff.deaths) == (1, (FREE + 2) * 60)


def test_the_wait_counts_from_the_first_of_those_who_die_together() -> None:
    backoff = after(FREE + 1)
    assert backoff.died(backoff.tried_at - 0.01, backoff.tried_at + 0.3).hold_until == backoff.hold_until


def test_one_who_lived_long_ends_the_row() -> None:
    now = 2000.0
    assert after(10).died(now - YOUNG, now).delay == 0


def test_early_deaths_far_apart_are_no_row() -> None:
    assert after(50, between=3 * LONGEST).delay == 0


def test_it_is_over_when_those_of_the_next_try_have_lived() -> None:
    backoff = after(FREE + 3)
    assert not backoff.is_over(backoff.hold_until + YOUNG - 0.1)
    assert backoff.is_over(backoff.hold_until + YOUNG)
    assert after(FREE).is_over(0.0)
