"""Wall clocks: between instants and what a clock on the wall shows, also while clocks are changed.

Both are whole seconds since 1970-01-01 00:00, instants in UTC, and readings as the wall shows it, taken as if
it were UTC: they may be subtracted and compared without a thought of time zones. Pure: the rules of a zone
are a tzinfo's, or, without one, those of the C library (TZ, /etc/localtime) by datetime.
"""

from datetime import datetime, timedelta, tzinfo

_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
# No zone has left its offset for so short a time, and taken it again.
_STRIDE = 6 * 3600


class Zone:
    """The wall clocks of one time zone."""

    def __init__(self, rules: tzinfo | None) -> None:
        self._rules = rules

    def wall(self, instant: int) -> int:
        """What the clocks show at an instant."""
        return (datetime.fromtimestamp(instant, self._rules).replace(tzinfo=None) - _EPOCH) // _SECOND

    def first(self, wall: int) -> int:
        """The first instant at which the clocks show so much or, where they never do, are put beyond it."""
        shown = (_EPOCH + timedelta(seconds=wall)).replace(tzinfo=self._rules)
        # PEP 495: fold=0 means the first of two instants, and in a gap the offset before it, so that what it
        # gives lies behind the gap, and what fold=1 gives before.
        first, second = int(shown.timestamp()), int(shown.replace(fold=1).timestamp())
        if first <= second:
            return first
        changed = self.change(second, first)
        return first if changed is None else changed

    def change(self, after: int, until: int) -> int | None:
        """The first instant in (after, until] with another offset than at `after`."""
        offset = self.wall(after) - after
        low = after
        while low < until:
            high = min(low + _STRIDE, until)
            if self.wall(high) - high != offset:
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if self.wall(middle) - middle == offset else (low, middle)
                return high
            low = high
        return None
