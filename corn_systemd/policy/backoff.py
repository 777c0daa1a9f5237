"""Children that die young are replaced more and more slowly."""

from dataclasses import dataclass, replace

# A child that lived this long was not killed by its own start.
YOUNG = 10.0
# So many early deaths may be accidents (somebody's kill -9): they are replaced at once.
FREE = 4
LONGEST = 30.0


@dataclass(frozen=True)
class Backoff:
    """How many have died young in a row, and when the last did (monotonic)."""

    deaths: int = 0
    last_at: float = float("-inf")

    def died(self, born_at: float, now: float) -> "Backoff":
        """What is known after a child, born at `born_at`, has died at `now` though nobody asked it to."""
        if now - born_at >= YOUNG:
            return Backoff()
        deaths = 1 if now - self.last_at > 2 * LONGEST else self.deaths + 1
        return replace(self, deaths=deaths, last_at=now)

    @property
    def delay(self) -> float:
        """Seconds to wait after the last death: 0 for the first few, then 0.5, 1, 2 … 30."""
        if self.deaths <= FREE:
            return 0.0
        return min(LONGEST, 0.5 * 2.0 ** min(self.deaths - FREE - 1, 10))

    @property
    def hold_until(self) -> float:
        return self.last_at + self.delay if self.delay else 0.0
