"""Children that die young are replaced more and more slowly."""

from dataclasses import dataclass

# A child that lived this long was not killed by its own start.
YOUNG = 10.0
# So many times in a row it may be an accident (somebody's kill -9): they are replaced at once.
FREE = 4
LONGEST = 30.0


@dataclass(frozen=True)
class Backoff:
    """How many have died young in a row, how often they were tried, and when (monotonic).

    Those who were started together and die together are one try, however many they are.
    """

    deaths: int = 0
    tries: int = 0
    tried_at: float = float("-inf")
    """When the first of the last try died."""
    last_at: float = float("-inf")

    def died(self, born_at: float, now: float) -> "Backoff":
        """What is known after a child, born at `born_at`, has died at `now` though nobody asked it to."""
        if now - born_at >= YOUNG:
            return Backoff()
        if now - self.last_at > 2 * LONGEST:
            return Backoff(deaths=1, tries=1, tried_at=now, last_at=now)
        if born_at < self.tried_at:
            return Backoff(self.deaths + 1, self.tries, self.tried_at, now)
        return Backoff(self.deaths + 1, self.tries + 1, now, now)

    @property
    def delay(self) -> float:
        """Seconds to wait after the last try: 0 for the first few, then 0.5, 1, 2 … 30."""
        if self.tries <= FREE:
            return 0.0
        return min(LONGEST, 0.5 * 2.0 ** min(self.tries - FREE - 1, 10))

    @property
    def hold_until(self) -> float:
        return self.tried_at + self.delay if self.delay else 0.0

    def is_over(self, now: float) -> bool:
        """Whether those of the next try have lived for long enough."""
        return not self.delay or now >= self.hold_until + YOUNG
