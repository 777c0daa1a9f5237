"""The five fields of cron, as crontab(5) has them: a text in, sets of numbers out.

Everything that can be wrong with them is found here, so that a file's errors are told with their lines and
without croniter, which the application's interpreter does not have. Extensions (`L`, `#`, `5/15`, seconds)
are refused: the versions of croniter do not agree on them. Pure.
"""

import re
from typing import NamedTuple

SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    names: tuple[str, ...] = ()


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 7, _WEEKDAYS),
)
_PART = re.compile(r"(?:(\*)|([0-9]{1,4}|[a-z]{3})(?:-([0-9]{1,4}|[a-z]{3}))?)(?:/([0-9]{1,4}))?")
LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


class Crontab(NamedTuple):
    """What the fields name, in ascending order; Sunday is 0."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    is_either_day: bool
    """Whether one of the two days is enough: neither of their fields begins with `*`."""
    is_elapsed: bool
    """Whether the hour field begins with `*`: such a job follows elapsed time when clocks change."""


def crontab(text: str) -> Crontab:
    """What a schedule names; a ValueError says what is wrong with it, and what would be right."""
    texts = SHORTHANDS.get(text.strip().lower(), text).lower().split()
    if texts and texts[0].startswith("@"):
        raise ValueError(_shorthand(texts))
    if len(texts) != 5:
        cure = '; there are no seconds: write every = "10s"' if len(texts) == 6 else ""
        raise ValueError(f"{len(texts)} fields, and not five: minute hour day month weekday{cure}")
    minutes, hours, days, months, weekdays = (
        _numbers(field, part) for field, part in zip(_FIELDS, texts, strict=True)
    )
    found = Crontab(
        minutes,
        hours,
        days,
        months,
        tuple(sorted({number % 7 for number in weekdays})),
        is_either_day=not texts[2].startswith("*") and not texts[4].startswith("*"),
        is_elapsed=texts[1].startswith("*"),
    )
    if not found.is_either_day and all(days[0] > LONGEST_MONTH.get(month, 31) for month in months):
        raise ValueError(f"no calendar has such a day: no month of {texts[3]} is so long as day {texts[2]}")
    return found


def _shorthand(texts: list[str]) -> str:
    if texts[0] == "@every":
        return f'write every = "{texts[1] if len(texts) > 1 else "90s"}" instead of schedule'
    if texts[0] == "@reboot":
        return "a job starts by the clock, not with the machine"
    return f"{texts[0]} is none of {', '.join(SHORTHANDS)}"


def _numbers(field: _Field, text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(f"{field.name}: {part!r} is no number, range or step of cron's")
        star, first, last, step = match.groups()
        low = field.least if star else _number(field, first)
        high = field.most if star else _number(field, last or first)
        if star and field.most == 7:
            high = 6  # 0 and 7 are one day: */2 begins anew on Sunday
        if last and field.most == 7 and high == 0 < low:
            high = 7  # fri-sun
        if high < low:
            raise ValueError(f"{field.name}: {part} goes backwards; write it as two, with a comma")
        if step and not star and not last:
            raise ValueError(f"{field.name}: a step needs a range: {first}-{field.most}/{step}")
        if step and not 0 < int(step) <= field.most - field.least + 1:
            cure = f'; write every = "{int(step)}{_UNIT[field.name]}"' if field.name in _UNIT else ""
            raise ValueError(f"{field.name}: no step of {step} fits into {field.least}-{field.most}{cure}")
        found.update(range(low, high + 1, int(step or 1)))
    return tuple(sorted(found))


_UNIT = {"minute": "min", "hour": "h", "day of the month": "d"}


def _number(field: _Field, text: str) -> int:
    if text in field.names:
        return field.names.index(text) + (field.most == 12)
    if not text.isdigit():
        raise ValueError(f"{field.name}: {text!r} is no number" + (" and no name" if field.names else ""))
    if not field.least <= int(text) <= field.most:
        raise ValueError(f"{field.name}: {text} is not in {field.least}-{field.most}")
    return int(text)
