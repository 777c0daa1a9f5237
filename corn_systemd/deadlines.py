"""For code that knows better how long it takes: `corn_systemd.deadline()` and
`corn_systemd.extend_deadline()`.

Within a worker of corn they speak of the request at work; anywhere else (a test, a shell, another server)
there is no deadline, and asking for more time does nothing.
"""

from math import inf
from typing import Protocol


class Clock(Protocol):
    """Who knows the request at work."""

    def deadline(self) -> float | None: ...

    def extend(self, seconds: float) -> None: ...


_clock: Clock | None = None


def serve_by(clock: Clock | None) -> None:
    """From now on there is a worker who knows; None: none."""
    global _clock
    _clock = clock


def deadline() -> float | None:
    """The instant, by time.monotonic(), at which limits.time_real of the request at work is over; None when
    there is none."""
    return _clock.deadline() if _clock is not None else None


def extend_deadline(seconds: float) -> float | None:
    """The request at work may take so much longer than limits.time_real, again with each call, up to
    limits.extend_max altogether; the deadline that comes of it. Raises ValueError for less than nothing."""
    try:
        seconds = float(seconds)
    except OverflowError:
        seconds = inf
    if not seconds >= 0:
        raise ValueError(f"a deadline is not put off by {seconds} s")
    if _clock is not None:
        _clock.extend(seconds)
    return deadline()
