"""For jobs that stand in the application's own code: `@corn_systemd.job("17 3 * * *")` on a function.

The mold imports the application, which thereby declares them, and tells the master. Outside of corn (a test,
a shell, another server) a declaration does nothing. Calls no job.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from .settings.kinds import JOBS, Job

Function = TypeVar("Function", bound=Callable[..., object])

_declared: dict[str, Job] = {}
# The import during which each was declared: a module that is imported anew declares its jobs anew.
_imports: dict[str, object] = {}


def job(
    schedule: str | None = None,
    *,
    name: str | None = None,
    every: float | str | None = None,
    timezone: str | None = None,
    args: Sequence[Any] | Mapping[str, Any] | None = None,
    overlap: str | None = None,
    catch_up: bool | None = None,
    jitter: float | str | None = None,
    enabled: bool | None = None,
    time_real: float | str | None = None,
    time_cpu: float | str | None = None,
) -> Callable[[Function], Function]:
    """Declares a function to be a job, with what [[cron.jobs]] in corn.toml(5) may say of one; without `name`
    it is called as the function is. The function stays what it is.

    Raises ValueError, where it stands, for everything that the file would be refused for, and for a second
    job of the same name, be it another function or the same one.
    """
    if callable(schedule):
        raise TypeError('a job needs to know when: @corn_systemd.job("17 3 * * *") or job(every="90s")')
    said = {
        "name": name, "schedule": schedule, "every": every, "timezone": timezone, "args": args,
        "overlap": overlap, "catch_up": catch_up, "jitter": jitter, "enabled": enabled,
        "time_real": time_real, "time_cpu": time_cpu,
    }  # fmt: skip

    def declare(function: Function) -> Function:
        call = f"{function.__module__}:{function.__qualname__}"
        table = {key: value for key, value in said.items() if value is not None}
        table.setdefault("name", function.__name__)
        (declared,) = JOBS.parse([{**table, "call": call}])
        other, this_import = _declared.get(declared.name), _import_of(function)
        if other is not None and other.call != call:
            raise ValueError(
                f"job {declared.name!r} is {other.call} and {call}: give one of them another name, name=…"
            )
        if other is not None and this_import is not None and this_import is _imports[declared.name]:
            raise ValueError(
                f"job {declared.name!r} is {call} twice, {other.rhythm} and {declared.rhythm}: "
                "give one of them another name, name=…"
            )
        _declared[declared.name], _imports[declared.name] = declared, this_import
        return function

    return declare


def _import_of(function: Callable[..., object]) -> object:
    """What is another after each import of the function's module, importlib.reload() included; None where
    somebody types (`__main__`), who may say a thing again."""
    return getattr(sys.modules.get(function.__module__), "__spec__", None)


def declared() -> tuple[Job, ...]:
    """All that have been declared in this process, in their order."""
    return tuple(_declared.values())
