"""When a job is due: instants in (float seconds since 1970, UTC), instants out.

croniter does the calendar, of readings of a wall clock that know no time zone: with aware ones it is wrong at
both changes of summer time (1.3.5 and 2.0.7). What they mean while clocks are changed is decided here, as
Vixie cron does it: what has a fixed hour is run once, what begins its hour field with `*` follows elapsed
time. (cron also counts a `*` of the minutes, and leaves `*/5 2 * * *` out in the hour that does not exist;
and it does so for changes of less than three hours only. Here there is one rule.) Pure; no clock, no files
but the rules of time zones.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from datetime import tzinfo
from functools import lru_cache
from typing import Any, Protocol

from ..errors import ConfigError
from ..settings.kinds import LONGEST_MONTH, Crontab, Job, crontab
from .zone import Zone

# Clocks have been put by a day at most (Samoa's, in 2011), to which an hour of summer time may come.
_WIDEST = 25 * 3600
# So far around an instant a change of clocks can make a difference.
_NEAR = _WIDEST + 3600


class Schedule(ABC):
    """The due runs of one job: an endless series of instants, the same on every machine that has the same
    rules of time zones. They are the keys of the runs."""

    @staticmethod
    def of(job: Job, local: tzinfo | None = None) -> "Schedule":
        """The schedule of a job. `local` is the zone of jobs that name none; None is what the C library
        takes for it. Raises ConfigError where croniter is missing or refuses it, or the zone is unknown."""
        if job.every:
            return _Every(job.every)
        return _Wall(_calendar(job.schedule), Zone(_zone(job.timezone) if job.timezone else local))

    @abstractmethod
    def after(self, instant: float) -> float:
        """The first due instant after this one, which it is not itself."""

    def latest(self, since: float, until: float) -> float | None:
        """The last due instant in (since, until]; asks for few of those between, however many there are."""
        low = self.after(since)
        if low > until:
            return None
        following = self.after(low)
        if following > until:
            return low
        # Back from the end in growing steps until a due instant is before it, then halving.
        step, high = following - low, until
        while (start := until - step) > low and self.after(start) > until:
            step, high = 2 * step, start
        low = self.after(max(start, low))
        while (following := self.after(low)) <= until:
            low = following
            middle = (low + high) / 2
            if (due := self.after(middle)) <= until:
                low = due
            else:
                high = middle
        return low


class _Every(Schedule):
    """The multiples of a duration."""

    def __init__(self, seconds: float) -> None:
        self._microseconds = round(seconds * 1e6)  # whole, so that machines agree on their products

    def after(self, instant: float) -> float:
        count = int(instant * 1e6) // self._microseconds
        while (due := count * self._microseconds / 1e6) <= instant:
            count += 1
        return due

    def latest(self, since: float, until: float) -> float | None:
        count = int(until * 1e6) // self._microseconds + 1
        while (due := count * self._microseconds / 1e6) > until:
            count -= 1
        return due if due > since else None


class _Wall(Schedule):
    """What a calendar names, by the clocks of a zone."""

    def __init__(self, calendar: "_Calendar", zone: Zone) -> None:
        self._calendar, self._zone = calendar, zone

    def after(self, instant: float) -> float:
        second = math.floor(instant)  # due instants are whole
        return float(self._elapsed(second) if self._calendar.is_elapsed else self._once(second))

    def _once(self, instant: int) -> int:
        """Each reading that is named counts when the clocks first show it, or are put beyond it. So those
        that count after an instant are those beyond all that the clocks have shown until then."""
        zone = self._zone
        highest = zone.wall(instant)
        at = instant - _NEAR
        while (change := zone.change(at, instant)) is not None:
            highest = max(highest, zone.wall(change - 1))
            at = change
        return zone.first(self._calendar.after(highest))

    def _elapsed(self, instant: int) -> int:
        """Each instant counts at which the clocks show a reading that is named."""
        zone, at, wall = self._zone, instant, self._zone.wall(instant)
        named = self._calendar.after(wall)
        while True:
            due = at + named - wall  # if clocks are let alone
            near = at + _NEAR + 3600
            change = zone.change(at, min(due, near))
            if change is not None:
                at, wall = change, zone.wall(change)
                named = self._calendar.after(wall - 1)
            elif due <= near:
                return due
            else:  # no change between can lead back to what is named, nor on to it
                at = due - _NEAR
                wall = zone.wall(at)
                named = self._calendar.after(wall)


class _Iterator(Protocol):
    def set_current(self, start_time: float, force: bool = ...) -> Any: ...
    def get_next(self, ret_type: type) -> Any: ...


class _Calendar:
    """What a crontab names, of all readings. croniter is given no more than lists of numbers, on which its
    versions agree, and the choice between two days is made here, on which they don't."""

    def __init__(self, iterators: list[_Iterator], is_elapsed: bool) -> None:
        self._iterators = iterators
        self.is_elapsed = is_elapsed

    def after(self, wall: int) -> int:
        """The first reading that is named, after this one."""
        found = []
        for iterator in self._iterators:
            iterator.set_current(float(wall), force=True)
            found.append(int(iterator.get_next(float)))
        return min(found)


@lru_cache(maxsize=2048)
def _calendar(text: str) -> _Calendar:
    try:
        from croniter import croniter  # it takes 20 ms, and most instances have no jobs
    except ImportError as error:
        raise ConfigError(f"jobs need croniter: apt install python3-croniter ({error})") from error
    try:
        named = crontab(text)
        iterators = [croniter(line, 0.0, day_or=False) for line in _lines(named)]
        calendar = _Calendar(iterators, named.is_elapsed)
        calendar.after(0)
    except ValueError as error:  # as all errors of croniter's are
        raise ConfigError(f"schedule {text!r}: {error}") from error
    return calendar


def _lines(named: Crontab) -> list[str]:
    """What croniter is told; it takes a list of all days for a restriction, but `*` for none. A list that
    ends with a day which a month has not got leads it beyond the first of the next one (1.3.5: from the 28th
    of February `1,31` is the 31st of March): each of those days is asked for by itself."""
    minutes, hours = _listed(named.minutes, 60), _listed(named.hours, 24)
    months, weekdays = _listed(named.months, 12), _listed(named.weekdays, 7)
    days = ["*"] if len(named.days) == 31 else list(_in_all_months(named.days))
    longest = max(LONGEST_MONTH.get(month, 31) for month in named.months)
    days += [str(day) for day in named.days if 28 < day <= longest and len(named.days) < 31]
    both = [(day, "*" if named.is_either_day else weekdays) for day in days]
    both += [("*", weekdays)] if named.is_either_day else []
    return [f"{minutes} {hours} {day} {months} {weekday}" for day, weekday in both]


def _in_all_months(days: tuple[int, ...]) -> Iterator[str]:
    """Those of these days that each month has, as one list, if there are any."""
    if short := [day for day in days if day <= 28]:
        yield ",".join(map(str, short))


def _listed(numbers: tuple[int, ...], whole: int) -> str:
    return "*" if len(numbers) == whole else ",".join(map(str, numbers))


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigError(f"there is no time zone {name!r}") from None


def faults(jobs: Iterable[Job]) -> dict[str, str]:
    """Why schedules can not be followed here, by the names of their jobs."""
    causes = {}
    for job in jobs:
        try:
            Schedule.of(job)
        except ConfigError as error:
            causes[job.name] = str(error)
    return causes


def check(jobs: Iterable[Job]) -> None:
    """Raises ConfigError, a line for each job whose schedule cannot be followed here."""
    errors = [f"cron.jobs: job {name!r}: {cause}" for name, cause in faults(jobs).items()]
    if errors:
        raise ConfigError("\n".join(errors))
