"""Which limits are those of a request: a pure rule."""

from dataclasses import replace
from fnmatch import fnmatchcase

from ..settings.sections import Limits


def limits_for(limits: Limits, request: str) -> Limits:
    """The limits of a request like `GET /report/1?x=2`: the first of limits.path whose `match` fits its path,
    decoded and without the query, over those of all."""
    if not limits.path:
        return limits
    path = path_of(request.partition(" ")[2])
    for rule in limits.path:
        if fnmatchcase(path, rule.match):
            return replace(
                limits,
                time_real=limits.time_real if rule.time_real is None else rule.time_real,
                time_cpu=limits.time_cpu if rule.time_cpu is None else rule.time_cpu,
                grace=limits.grace if rule.grace is None else rule.grace,
            )
    return limits


def path_of(target: str) -> str:
    """The path that a request target means (RFC 9112, 3.2)."""
    from urllib.parse import unquote, urlsplit  # some milliseconds: only those pay who have such rules

    if not target.startswith("/"):
        try:
            target = urlsplit(target).path or "/"
        except ValueError:
            return target
    return unquote(target.partition("?")[0])
