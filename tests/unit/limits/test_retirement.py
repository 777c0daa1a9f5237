from math import inf

from corn_systemd.limits.retirement import requests_most, why_retired
from corn_systemd.settings.sections import Limits

LIMITS = Limits(request=1000, lifetime_min=1.0, lifetime=3600.0, memory_soft=640 << 20)


def test_workers_that_began_together_do_not_end_together() -> None:
    assert [requests_most(LIMITS, chance) for chance in (0.0, 0.5, 1.0)] == [900, 1000, 1100]
    assert requests_most(Limits(request=1), 0.0) == 1
    assert requests_most(Limits(request=0), 0.5) == inf


def test_one_that_has_not_done_enough_stays() -> None:
    assert why_retired(LIMITS, 950, requests=949, age=3599.0, memory=(640 << 20) - 1) == ""
    off = Limits(request=0, lifetime=0.0, memory_soft=0, memory_hard=0)
    assert why_retired(off, inf, requests=10**9, age=1e9, memory=1e12) == ""


def test_number_of_requests_ends_nobody_who_has_hardly_begun() -> None:
    assert why_retired(LIMITS, 950, requests=20_000, age=0.9) == ""
    assert why_retired(LIMITS, 950, requests=20_000, age=1.0) != ""
    at_once = Limits(request=1000, lifetime_min=0.0)
    assert why_retired(at_once, 950, requests=950, age=0.0) != ""


def test_each_reason_names_its_setting() -> None:
    assert why_retired(LIMITS, 950, requests=950, age=1.0) == (
        "it has served 950 requests (limits.request = 1000)"
    )
    assert why_retired(LIMITS, 950, requests=1, age=3600.0) == (
        "it has lived for 3600 s (limits.lifetime = 3600 s)"
    )
    assert why_retired(LIMITS, 950, requests=1, age=1.0, memory=700 << 20) == (
        "it uses 700 MiB of private memory (limits.memory_soft = 640 MiB)"
    )
    hard = Limits(memory_soft=0, memory_hard=768 << 20)
    assert why_retired(hard, 950, requests=1, age=1.0, memory=800 << 20) == (
        "it uses 800 MiB of private memory (limits.memory_hard = 768 MiB)"
    )
    assert why_retired(LIMITS, 950, requests=1, age=1.0, dead=64) == (
        "64 processes have ended under it, and nobody waits for them"
    )
