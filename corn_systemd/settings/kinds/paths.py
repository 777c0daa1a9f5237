"""Limits for some paths: a list of tables, the first that matches counts."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from .kind import Kind, quoted
from .quantities import Span

_SPAN = Span()


@dataclass(frozen=True)
class PathLimits:
    """What requests may spend whose path matches; None is what all may."""

    match: str
    time_real: float | None = None
    time_cpu: float | None = None
    grace: float | None = None


_LIMITS = tuple(one.name for one in fields(PathLimits) if one.name != "match")


class PathRules(Kind[tuple[PathLimits, ...]]):
    expects = 'tables, for example [[limits.path]] with match = "/report/*" and time_real = "10min"'
    metavar = "RULES"
    is_tables = True

    def parse(self, value: object) -> tuple[PathLimits, ...]:
        if isinstance(value, dict):
            raise ValueError("a list of tables: write [[limits.path]], in two pairs of brackets")
        if not isinstance(value, (list, tuple)):
            raise ValueError
        return tuple(map(self._one, value))

    def read(self, texts: Sequence[str]) -> tuple[PathLimits, ...]:
        raise ValueError("these are set in the file alone")

    def _one(self, item: object) -> PathLimits:
        if not isinstance(item, dict):
            raise ValueError(f"{item!r} is no table")
        found: dict[str, float] = {}
        match = None
        for key, value in item.items():
            name = key.replace("-", "_")
            if name == "match":
                match = value
            elif name not in _LIMITS:
                raise ValueError(f"a rule for paths has match, {', '.join(_LIMITS)}, not {key!r}")
            else:
                try:
                    found[name] = _SPAN.parse(value)
                except ValueError as error:
                    raise ValueError(f"{key}: expected {_SPAN.expects}, not {value!r}") from error
        if not isinstance(match, str) or not match.startswith(("/", "*")):
            raise ValueError('match is a path with wildcards, for example match = "/report/*"')
        if not found:
            raise ValueError(f"the rule for {match} has no limit: {', '.join(_LIMITS)}")
        return PathLimits(match, **found)

    def render(self, value: tuple[PathLimits, ...]) -> str:
        return "[" + ", ".join(map(_rendered, value)) + "]"


def _rendered(rule: PathLimits) -> str:
    parts = [f"match = {quoted(rule.match)}"]
    for name in _LIMITS:
        seconds = getattr(rule, name)
        if seconds is not None:
            parts.append(f"{name} = {_SPAN.render(seconds)}")
    return "{" + ", ".join(parts) + "}"
