import pytest

from corn_systemd.limits.paths import limits_for, path_of
from corn_systemd.settings.kinds import PathLimits
from corn_systemd.settings.sections import Limits

LIMITS = Limits(
    path=(
        PathLimits("/report/*", time_real=600.0),
        PathLimits("/report/quick", time_real=1.0),
        PathLimits("*.pdf", time_cpu=0.0, grace=1.0),
    )
)


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        ("GET /", (120.0, 60.0, 5.0)),
        ("GET /report/1/2?x=3", (600.0, 60.0, 5.0)),
        ("GET /report/quick", (600.0, 60.0, 5.0)),
        ("GET /report", (120.0, 60.0, 5.0)),
        ("POST /re%70ort/1", (600.0, 60.0, 5.0)),
        ("GET /x?/report/1", (120.0, 60.0, 5.0)),
        ("GET http://shop.example/report/1", (600.0, 60.0, 5.0)),
        ("GET http://[/report/1", (120.0, 60.0, 5.0)),
        ("GET /a/b.pdf?c", (120.0, 0.0, 1.0)),
        ("OPTIONS *", (120.0, 60.0, 5.0)),
    ],
)
def test_the_first_rule_that_matches_counts(request_line: str, expected: tuple[float, ...]) -> None:
    found = limits_for(LIMITS, request_line)
    assert (found.time_real, found.time_cpu, found.grace) == expected


def test_without_rules_there_is_nothing_to_look_at() -> None:
    limits = Limits()
    assert limits_for(limits, "GET /") is limits


def test_a_target_has_one_path() -> None:
    assert path_of("/a%20b?c=d") == "/a b"
    assert path_of("http://shop.example") == "/"
