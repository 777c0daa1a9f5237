from math import inf

from corn_systemd.limits.verdict import Allowance, Deed, Limit, Struck, Usage, verdict

ALLOWED = Allowance(time_real=10.0, time_cpu=3.0, memory_hard=1000.0, grace=2.5)
N, INTERRUPT, TAKE_OVER = Deed.NOTHING, Deed.INTERRUPT, Deed.TAKE_OVER


def story(*looks: tuple[float, int, float], allowed: Allowance = ALLOWED) -> list[Deed]:
    """What is done at each look (instant, request, CPU time); each request began at 0."""
    struck: Struck | None = None
    deeds = []
    for now, request, cpu in looks:
        deed, struck, look_at = verdict(allowed, request, Usage(now, cpu), struck, now)
        assert look_at > now
        deeds.append(deed)
    return deeds


def test_what_stays_within_its_limits_is_let_be() -> None:
    assert story((0.0, 1, 0.0), (9.99, 1, 2.99)) == [N, N]


def test_real_time_runs_out() -> None:
    looks = ((9.9, 1, 0.0), (10.0, 1, 0.0), (10.5, 1, 0.0), (11.0, 1, 0.0))
    assert story(*looks) == [N, INTERRUPT, N, INTERRUPT]
    found = verdict(ALLOWED, 1, Usage(10.0), None, 70.0)
    assert found.struck == Struck(1, Limit.TIME_REAL, 70.0, 70.0)


def test_cpu_time_runs_out() -> None:
    found = verdict(ALLOWED, 1, Usage(4.0, 3.0), None, 4.0)
    assert (found.deed, found.struck) == (INTERRUPT, Struck(1, Limit.TIME_CPU, 4.0, 4.0))


def test_memory_that_runs_out_ends_it_at_once() -> None:
    found = verdict(ALLOWED, 1, Usage(0.1, 0.1, 1000.0), None, 4.0)
    assert (found.deed, found.struck) == (TAKE_OVER, Struck(1, Limit.MEMORY_HARD, 4.0, 4.0))
    assert verdict(ALLOWED, 1, Usage(0.1, 0.1, 999.0), None, 4.0).deed is N


def test_memory_that_runs_out_during_the_grace_ends_it_at_once() -> None:
    struck = Struck(1, Limit.TIME_REAL, 10.0, 10.0)
    found = verdict(ALLOWED, 1, Usage(10.1, 0.0, 2000.0), struck, 10.1)
    assert found.deed is TAKE_OVER and found.struck is not None and found.struck.limit is Limit.MEMORY_HARD


def test_who_does_not_come_back_is_taken_over_after_the_grace() -> None:
    looks = [(10.0 + step / 2, 1, 0.0) for step in range(7)]
    assert story(*looks) == [INTERRUPT, N, INTERRUPT, N, INTERRUPT, TAKE_OVER, TAKE_OVER]


def test_without_a_grace_there_is_no_second_stage() -> None:
    looks = [(10.0 + step, 1, 0.0) for step in range(1000)]
    assert set(story(*looks, allowed=Allowance(time_real=10.0))) == {INTERRUPT}


def test_the_next_request_begins_anew() -> None:
    assert story((10.0, 1, 0.0), (10.1, 2, 0.0)) == [INTERRUPT, INTERRUPT]
    assert story((10.0, 1, 0.0), (9.0, 2, 0.0)) == [INTERRUPT, N]


def test_who_has_got_more_time_after_all_is_let_be_until_that_is_over() -> None:
    longer = Allowance(time_real=20.0, grace=2.5)
    struck = Struck(1, Limit.TIME_REAL, 10.0, 10.0)
    assert verdict(longer, 1, Usage(13.0), struck, 13.0) == (N, None, 20.0)
    again = verdict(longer, 1, Usage(20.0), None, 20.0)
    assert (again.deed, again.struck) == (INTERRUPT, Struck(1, Limit.TIME_REAL, 20.0, 20.0))


def test_what_is_off_never_runs_out() -> None:
    assert story((1e9, 1, 1e9), allowed=Allowance()) == [N]
    assert verdict(Allowance(), 1, Usage(9.0, 5.0, 1e12), None, 9.0).look_at == inf


def test_the_next_look_is_when_something_could_run_out() -> None:
    assert verdict(ALLOWED, 1, Usage(4.0, 2.0), None, 54.0).look_at == 55.0
    assert verdict(ALLOWED, 1, Usage(4.0, 2.99), None, 54.0).look_at == 54.05
    assert verdict(Allowance(time_real=10.0), 1, Usage(4.0), None, 54.0).look_at == 60.0
