"""How a cob is drawn: numbers in, places out. Knows neither Django nor SVG."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import pi, sin, sqrt

ROWS = 16
WIDTH = 200
HEIGHT = 380
_STEP = HEIGHT / ROWS


@dataclass(frozen=True)
class Cell:
    """One kernel's place: an ellipse."""

    x: float
    y: float
    rx: float
    ry: float


def _girth(row: int) -> float:
    """Half the cob's width at that row: an ellipse that is blunt below and pointed above."""
    along = (row + 0.5) / ROWS
    return WIDTH / 2 * sqrt(sin(pi * (0.06 + 0.88 * along**0.8)))


def _cells() -> Iterator[Cell]:
    for row in reversed(range(ROWS)):
        count = max(2, round(_girth(row) / 13))
        for column in range(count):
            # Seen from the front, kernels near the edge turn away and look narrow.
            left = sin(pi * (column / count - 0.5))
            right = sin(pi * ((column + 1) / count - 0.5))
            yield Cell(
                x=round(WIDTH / 2 + _girth(row) * (left + right) / 2, 1),
                y=round((row + 0.5) * _STEP, 1),
                rx=round(_girth(row) * (right - left) / 2 * 0.94, 1),
                ry=round(_STEP / 2 * 0.94, 1),
            )


# From the bottom up, left to right: the order in which guests fill the cob.
CELLS: tuple[Cell, ...] = tuple(_cells())
FULL = len(CELLS)
