"""What keeps the jobs of a framework in a database and asks for them itself (cron.poll).

Its callable says when it wants to be called again: a number of seconds, None for "when I am woken", or either
of them with a file descriptor that wakes it, as (seconds, descriptor). Calls nobody.
"""

from math import isfinite
from typing import Any

_ANSWER = "seconds, None, or one of them with a file descriptor, as in (60, connection)"


class Poller:
    """What it has said last. `fileno` is the descriptor that wakes it, -1 for none."""

    def __init__(self) -> None:
        self._fd = -1

    def fileno(self) -> int:
        return self._fd

    def rest(self) -> None:
        """It has been woken: its descriptor counts again when it has been called."""
        self._fd = -1

    def answered(self, value: Any) -> float | None:
        """Takes in what it has returned; after how many seconds it wants to be called again, None for not
        before it is woken. Raises ValueError when it says neither."""
        self._fd = -1
        seconds, wakes = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
        fd = -1
        if wakes is not None:
            fd = wakes if isinstance(wakes, int) else _fileno(wakes)
            if fd < 0:
                raise ValueError(f"the poller has named {wakes!r}, which is no open file descriptor")
        if seconds is None and fd < 0:
            raise ValueError(f"the poller has returned {value!r}, and would never be called again: {_ANSWER}")
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and isfinite(seconds) and seconds >= 0):
            raise ValueError(f"the poller has returned {value!r}, and not {_ANSWER}")
        self._fd = fd
        return None if seconds is None else float(seconds)


def _fileno(wakes: Any) -> int:
    try:
        return int(wakes.fileno())
    except (AttributeError, OSError, TypeError, ValueError):
        return -1
