"""What `corn check` says of idle_exit: what keeps an instance awake, or leaves it asleep. Asks nobody."""

import os
import time
from collections.abc import Iterator, Sequence

from ..cron.schedule import Schedule
from ..errors import ConfigError
from ..master.slumber import SOON
from ..settings.kinds import SPAN, Job
from ..settings.load import DIRECTORY, Loaded

# A week has all that people do by the clock; of more instants than these nobody looks at all.
_WEEK, _INSTANTS = 7 * 86400.0, 12_000
# Where units/corn-generator writes (systemd.generator(7)).
_GENERATED = "/run/systemd/generator"


def warnings(loaded: Loaded) -> Iterator[str]:
    """What keeps an instance from sleeping, or from waking, as far as its file tells."""
    settings = loaded.settings
    where = f"{loaded.origin['idle_exit']}: idle_exit has no effect"
    cron = settings.cron
    cure = "give jobs an instance of their own, and set cron.workers = 0 here"
    if cron.workers and cron.poll:
        yield f"{where} while cron.poll looks for jobs: nobody would start the instance for it; {cure}"
    scheduled = [job for job in cron.jobs if job.enabled] if cron.workers else []
    # It is idle for so long before it sleeps, and nothing may be due for as long from then.
    least = settings.idle_exit + max(settings.idle_exit, SOON)
    if scheduled and not _is_ever_idle(scheduled, time.time(), least):
        often = SPAN.words(least)
        yield f"{where} while jobs are due at least every {often}, and keep the instance awake; {cure}"
    if any(address.family != "unix" and not address.port for address in settings.listen):
        yield f"{where}: systemd does not hold a socket at port 0, which is any; name one in `listen`"
    drop_in = f"{_GENERATED}/corn@{settings.name}.socket.d/50-corn.conf"
    is_unit_s = loaded.files[0] == f"{DIRECTORY}/{settings.name}.toml" and os.path.isdir(_GENERATED)
    if is_unit_s and not _says(drop_in, "StopWhenUnneeded=no"):
        yield f"{where} before: systemctl daemon-reload && systemctl restart corn@{settings.name}"


def _is_ever_idle(jobs: Sequence[Job], now: float, seconds: float) -> bool:
    """Whether within a week there is a time of so many seconds in which no job is due."""
    try:
        schedules = [Schedule.of(job) for job in jobs]
    except ConfigError:
        return True  # which is told elsewhere
    due_at = [schedule.after(now) for schedule in schedules]
    before = now
    for _ in range(_INSTANTS):
        first = min(due_at)
        if first - before > seconds:
            return True
        if first > now + _WEEK:
            return False
        before = first
        due_at = [
            schedule.after(first) if at == first else at
            for schedule, at in zip(schedules, due_at, strict=True)
        ]
    return False


def _says(path: str, line: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return line in file.read().splitlines()
    except OSError:
        return False
