"""By how much memory has grown, in words."""

import pytest

from corn_systemd.limits.growth import mebibytes


@pytest.mark.parametrize(
    ("grown", "text"),
    [
        (3 << 20, "+3.0"),
        (-(3 << 19), "-1.5"),
        (0, "0.0"),
        (4096, "0.0"),
        (-4096, "0.0"),
        (60_000, "+0.1"),
        (-60_000, "-0.1"),
    ],
)
def test_what_has_grown_or_shrunk_has_a_sign_and_what_rounds_to_nothing_has_none(
    grown: int, text: str
) -> None:
    assert mebibytes(grown) == text
