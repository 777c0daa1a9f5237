"""Jobs: a list of tables, each a function and the times at which it is to be called."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from .crontab import crontab
from .kind import Faults, Kind, key, quoted
from .quantities import Span, YesNo
from .texts import Target, Text

Arguments = tuple[Any, ...] | Mapping[str, Any]
"""What JSON can carry: positional ones, or those with names."""

OVERLAPS = ("skip", "queue")
# An agenda that has a job more often than the master turns has nothing else to do.
_SHORTEST = 1.0

_TEXT, _TARGET, _SPAN, _YES_NO = Text(), Target(), Span(), YesNo()


@dataclass(frozen=True)
class Job:
    """One job. Either `schedule` (five fields or a shorthand, see crontab) or `every` (seconds) is set;
    `timezone` is a name of the IANA's, or empty for the machine's own. Limits that are None are those of
    [cron.limits]."""

    name: str
    call: str
    schedule: str = ""
    every: float = 0.0
    timezone: str = ""
    args: Arguments = field(default=(), hash=False)
    overlap: str = "skip"
    catch_up: bool = True
    jitter: float = 0.0
    enabled: bool = True
    time_real: float | None = None
    time_cpu: float | None = None

    @property
    def rhythm(self) -> str:
        """When it is due, in people's words: `17 3 * * *`, `every 90s`."""
        return self.schedule or f"every {_SPAN.words(self.every)}"


_KEYS = tuple(one.name for one in fields(Job))
_DEFAULTS = {one.name: one.default for one in fields(Job)}

Path = tuple[str | int, ...]


class Jobs(Kind[tuple[Job, ...]]):
    expects = "tables, each [[cron.jobs]] with name, call, and schedule or every"
    metavar = "JOBS"
    is_tables = True

    def parse(self, value: object) -> tuple[Job, ...]:
        """The jobs; raises Faults with everything that is wrong with them."""
        if isinstance(value, dict):
            raise ValueError("a list of tables: write [[cron.jobs]], in two pairs of brackets")
        if not isinstance(value, (list, tuple)):
            raise ValueError
        jobs: list[Job] = []
        faults: list[tuple[Path, str]] = []
        names: dict[str, int] = {}
        for number, item in enumerate(value):
            if not isinstance(item, dict):
                faults.append(((number,), f"{item!r} is no table"))
                continue
            told, found = _read(item)
            name = found.get("name")
            title = f"job {name!r}" if name else f"job number {number + 1}"
            if name and names.setdefault(name, number) != number:
                told.append(((), f"number {names[name] + 1} has the same name: each job has its own"))
            faults += [((number, *path), f"{title}: {text}") for path, text in told]
            if not told:
                jobs.append(Job(**found))
        if faults:
            raise Faults(faults)
        return tuple(jobs)

    def read(self, texts: Sequence[str]) -> tuple[Job, ...]:
        raise ValueError("these are set in the file alone")

    def render(self, value: tuple[Job, ...]) -> str:
        return "[" + ", ".join(map(_rendered, value)) + "]"


class Function(Kind[str]):
    expects = 'MODULE:FUNCTION, for example "shop.jobs:poll"'
    metavar = "MODULE:FUNCTION"

    def parse(self, value: object) -> str:
        return _call(value)

    def read(self, texts: Sequence[str]) -> str:
        return _call(texts[-1])

    def render(self, value: str) -> str:
        return quoted(value)


def _read(item: dict[str, Any]) -> tuple[list[tuple[Path, str]], dict[str, Any]]:
    """(what is wrong with a job, its values by their names)."""
    told: list[tuple[Path, str]] = []
    found: dict[str, Any] = {}
    given: dict[str, str] = {}
    for raw, value in item.items():
        name = raw.replace("-", "_")
        if name not in _PARSE:
            told.append(((raw,), f"it has no {raw!r}; {_nearest(name)}"))
        elif name in given:
            told.append(((raw,), f"{raw!r} is there twice, also as {given[name]!r}"))
        else:
            given[name] = raw
            try:
                found[name] = _PARSE[name](value)
            except ValueError as error:
                told.append(((raw,), f"{raw}: {error}"))
    for name, example in (("name", "clear-sessions"), ("call", "shop.jobs:clear_sessions")):
        if name not in given:
            told.append(((), f'{name} is missing; write for example {name} = "{example}"'))
    if "schedule" in given and "every" in given:
        told.append(((given["every"],), "it has schedule and every; take one of them away"))
    if "schedule" not in given and "every" not in given:
        example = 'schedule = "17 3 * * *" or every = "90s"'
        told.append(((), f"it does not say when; write for example {example}"))
    if "every" in found and "timezone" in given:
        told.append(((given["timezone"],), "timezone means nothing to every; take one of them away"))
    if found.get("jitter", 0.0) >= found.get("every", float("inf")):
        told.append(((given["jitter"],), "jitter is shorter than every, or two runs would fall together"))
    return told, found


def _nearest(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, _KEYS, 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else f"it may have {', '.join(_KEYS)}"


def _expecting(kind: Kind[Any], value: object) -> Any:
    try:
        return kind.parse(value)
    except ValueError as error:
        detail = f" ({error})" if str(error) else ""
        raise ValueError(f"expected {kind.expects}, not {value!r}{detail}") from error


def _name(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[a-z0-9][a-z0-9_-]{0,63}", value):
        rule = "small letters, digits, - and _, 64 at most, the first a letter or digit"
        raise ValueError(f"{value!r} is no name of a job ({rule})")
    return value


def _call(value: object) -> str:
    example = 'for example "shop.jobs:clear_sessions"'
    if isinstance(value, str) and "(" in value:
        raise ValueError(f"{value!r}: without brackets; what it is called with is args")
    try:
        target = _TARGET.parse(value)
    except ValueError:
        target = ""
    if ":" not in target:
        raise ValueError(f"expected MODULE:FUNCTION, {example}, not {value!r}")
    return target


def _schedule(value: object) -> str:
    text = " ".join(_expecting(_TEXT, value).split())
    try:
        crontab(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error
    return text


def _every(value: object) -> float:
    seconds: float = _expecting(_SPAN, value)
    if seconds < _SHORTEST:
        raise ValueError(f"a second at least, not {value!r}; enabled = false turns a job off")
    return seconds


def _timezone(value: object) -> str:
    name: str = _expecting(_TEXT, value)
    import zoneinfo  # most schedules are in the machine's own time

    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: "Europe", a directory
        raise ValueError(_no_timezone(name)) from None
    return name


def _no_timezone(name: str) -> str:
    import difflib
    import zoneinfo

    known = sorted(zoneinfo.available_timezones())
    if not known:
        return f"{name!r} is not known here, nor is any: apt install tzdata"
    wanted = name.lower().replace(" ", "_")
    close = [zone for zone in known if zone.lower().rpartition("/")[2] == wanted]
    close = close or difflib.get_close_matches(name, known, 1, 0.7)
    cure = f"did you mean {close[0]!r}?" if close else "they are called like 'Europe/Berlin' and 'UTC'"
    return f"there is no time zone {name!r}; {cure}"


def _args(value: object) -> Arguments:
    _check_argument(value, "args")
    if isinstance(value, dict):
        wrong = next((name for name in value if not name.isidentifier()), None)
        if wrong is not None:
            raise ValueError(f"{wrong!r} is no name of a parameter")
        return value
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"a list, or a table of parameters, not {value!r}: write args = [{_toml(value)}]")
    return tuple(value)


def _check_argument(value: object, place: str) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_argument(inner, f"{place}.{name}")
    elif isinstance(value, (list, tuple)):
        for number, inner in enumerate(value):
            _check_argument(inner, f"{place}[{number}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place}: JSON has no {value}, by which it comes to the worker")
    elif not isinstance(value, (str, bool, int, float)):
        raise ValueError(f'{place}: JSON has no dates and times: put it in quotes, "{value}"')


def _overlap(value: object) -> str:
    if value not in OVERLAPS:
        raise ValueError(f'expected "skip" or "queue", not {value!r}')
    return str(value)


def _span(value: object) -> float:
    seconds: float = _expecting(_SPAN, value)
    return seconds


def _yes_no(value: object) -> bool:
    answer: bool = _expecting(_YES_NO, value)
    return answer


_PARSE = {
    "name": _name,
    "call": _call,
    "schedule": _schedule,
    "every": _every,
    "timezone": _timezone,
    "args": _args,
    "overlap": _overlap,
    "catch_up": _yes_no,
    "jitter": _span,
    "enabled": _yes_no,
    "time_real": _span,
    "time_cpu": _span,
}
_SPANS = ("every", "jitter", "time_real", "time_cpu")


def _rendered(job: Job) -> str:
    parts = []
    for name in _KEYS:
        value = getattr(job, name)
        if value != _DEFAULTS[name]:
            parts.append(f"{name} = {_SPAN.render(value) if name in _SPANS else _toml(value)}")
    return "{" + ", ".join(parts) + "}"


def _toml(value: object) -> str:
    """A value as TOML writes it within one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key(name)} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)
