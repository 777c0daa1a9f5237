"""`corn check [NAME|FILE…]`: all that is wrong with instances, before systemd finds out.

Beyond what load() says it looks at what the values name: programs, directories, users, and what two
instances want at once. It starts nothing, and runs nothing that belongs to an application.
"""

import argparse
import grp
import os
import pwd
import stat
import sys
import time
from collections.abc import Iterator

from ..errors import ConfigError
from ..master.spawn import interpreter
from ..settings.kinds import SPAN, Job
from ..settings.load import DIRECTORY, Loaded, addresses, instances, load
from . import workers
from .times import instant

# The user of an instance that names none (units/corn@.service).
DEFAULT_USER = "corn"
_OLDEST_PYTHON = (3, 10)
# How many of the next instants of a job are told: enough to see a rhythm.
_INSTANTS = 3


class _Report:
    """What there is to say, in the order in which it was found."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "instances", metavar="NAME|FILE", nargs="*", help=f"all of {DIRECTORY} if none is given"
    )


def run(options: argparse.Namespace, directory: str = DIRECTORY) -> int:
    asked = options.instances or instances(directory)
    if not asked:
        print(
            f"no instance: there is no {directory}/NAME.toml yet; corn.toml(5) shows an example",
            file=sys.stderr,
        )
    report = _Report()
    good: list[Loaded] = []
    for name_or_path in dict.fromkeys(asked):
        try:
            loaded = load(name_or_path, directory=directory)
        except ConfigError as error:
            report.errors += str(error).splitlines()
            continue
        report.warnings += loaded.warnings
        before = len(report.errors)
        look_at(loaded, report)
        good += [loaded] if len(report.errors) == before else []
    clashing = compare(good, _neighbours(good, directory), report)
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for line in report.errors:
        print(line, file=sys.stderr)
    for loaded in good:
        if loaded.settings.name not in clashing:
            print(summary(loaded))
            for line in agenda(loaded, time.time()):
                print(line)
    return ConfigError.exit_status if report.errors else 0


def summary(loaded: Loaded) -> str:
    """One line: what the instance would do."""
    settings = loaded.settings
    count = workers.of_instance(settings)
    parts = [
        f"app {settings.app}",
        f"python {settings.python or sys.executable}",
        f"listen {' '.join(map(str, addresses(settings)))}",
        f"workers {workers.text(count)}" + (f" ({count.reason})" if count.reason else ""),
    ]
    return f"{settings.name}: {', '.join(parts)}"


def agenda(loaded: Loaded, now: float) -> Iterator[str]:
    """A line for each job: when it is due next, by the clocks of its time zone."""
    cron = loaded.settings.cron
    for job in cron.jobs:
        if not job.enabled:
            due = "disabled (enabled = false)"
        elif not cron.workers:
            due = "not run here (cron.workers = 0)"
        else:
            due = ", ".join(_next(job, now))
            due += f", each up to {SPAN.words(job.jitter)} later (jitter)" if job.jitter else ""
        yield f"  job {job.name} ({job.rhythm}, {job.timezone or 'local time'}): {due}"


def _next(job: Job, now: float) -> Iterator[str]:
    from zoneinfo import ZoneInfo  # most instances have no jobs

    from ..cron.schedule import Schedule

    due_at, schedule = now, Schedule.of(job)
    zone = ZoneInfo(job.timezone) if job.timezone else None
    for _ in range(_INSTANTS):
        due_at = schedule.after(due_at)
        yield instant(due_at, zone)


def look_at(loaded: Loaded, report: _Report) -> None:
    """What the values of one instance name, and whether it is there."""
    settings, origin = loaded.settings, loaded.origin
    if settings.python:
        try:
            _look_at_python(settings.python)
        except ConfigError as error:
            report.errors.append(f"{origin['python']}: {error}")
    if settings.chdir and not os.path.isdir(settings.chdir):
        cause = "is not a directory" if os.path.exists(settings.chdir) else "does not exist"
        report.errors.append(f"{origin['chdir']}: chdir: {settings.chdir} {cause}")
    for address in settings.listen:
        if address.group is not None and not _group_exists(address.group):
            report.errors.append(f"{origin['listen']}: listen: there is no group {address.group!r}")
    if settings.cron.jobs:
        from ..cron import schedule

        try:
            schedule.check(settings.cron.jobs)
        except ConfigError as error:
            report.errors += [f"{origin['cron.jobs']}: {line}" for line in str(error).splitlines()]
    if settings.cron.lock and settings.cron.workers:
        from ..clerk import session

        try:
            session.check()
        except ConfigError as error:
            # HTTP is served all the same.
            report.warnings.append(f"{origin['cron.lock']}: {error}; until then no run that is due begins")
    if settings.idle_exit:
        from . import check_idle

        report.warnings += check_idle.warnings(loaded)
    user = _user(settings.user or DEFAULT_USER)
    if settings.user and user is None:
        cure = f"adduser --system --group --no-create-home {settings.user}"
        report.errors.append(f"{origin['user']}: there is no user {settings.user!r}; make it: {cure}")
    if settings.user in ("root", "0"):
        report.warnings.append(
            f"{origin['user']}: {settings.name} runs as root: a fault in it is a fault in all"
        )
    for file in loaded.files:
        if user is not None and not _may_read(user, file):
            cure = f"chgrp {user.pw_name} {file} && chmod g+r {file}"
            report.errors.append(f"{file}: user {user.pw_name!r}, who is to run it, cannot read it; {cure}")


def _look_at_python(python: str) -> None:
    """Raises ConfigError if it is no usable interpreter. It is not run: check may be root, it may not."""
    link = os.path.join(python, "bin", "python") if os.path.isdir(python) else python
    if os.path.islink(link) and not os.path.exists(link):
        cause = f"{link} leads to {os.path.realpath(link)}, which does not exist"
        raise ConfigError(f"python: {cause}; if Python was upgraded, make the environment anew")
    executable = interpreter(python, "")
    version = _venv_version(os.path.dirname(os.path.dirname(executable)))
    if version is not None and version < _OLDEST_PYTHON:
        raise ConfigError(
            f"python: {python} is Python {'.'.join(map(str, version))}; corn needs 3.10 or newer"
        )


def _venv_version(directory: str) -> tuple[int, ...] | None:
    """The Python of a virtual environment, as PEP 405's pyvenv.cfg notes it."""
    try:
        with open(os.path.join(directory, "pyvenv.cfg"), encoding="utf-8", errors="replace") as stream:
            pairs = [line.split("=", 1) for line in stream if "=" in line]
    except OSError:
        return None
    for key, value in pairs:
        numbers = value.strip().split(".")[:2]
        if key.strip() in ("version", "version_info") and all(number.isdigit() for number in numbers):
            return tuple(map(int, numbers))
    return None


def compare(good: list[Loaded], neighbours: list[Loaded], report: _Report) -> set[str]:
    """What two instances cannot, or should not, share; returns the names of those that cannot."""
    clashing = set()
    everyone = good + neighbours
    for index, one in enumerate(good):
        for other in everyone[index + 1 :]:
            for mine in addresses(one.settings):
                if any(mine.clashes_with(theirs) for theirs in addresses(other.settings)):
                    where = " and ".join(
                        f"{loaded.settings.name} ({_where(loaded)})" for loaded in (one, other)
                    )
                    clashing |= {one.settings.name, other.settings.name}
                    report.errors.append(f"{where} both listen on {mine}")
    by_user: dict[str, list[str]] = {}
    for loaded in everyone:
        by_user.setdefault(loaded.settings.user or DEFAULT_USER, []).append(loaded.settings.name)
    for user, names in by_user.items():
        if len(names) > 1 and {loaded.settings.name for loaded in good} & set(names):
            report.warnings.append(
                f"{', '.join(sorted(names))} run as the same user {user!r} and can read and kill each other; "
                "give each its own with `user`"
            )
    return clashing


def _neighbours(good: list[Loaded], directory: str) -> list[Loaded]:
    """The other instances of the directory, as far as they can be read: their errors are not asked for."""
    found = []
    known = {loaded.settings.name for loaded in good}
    for name in instances(directory) if good else ():
        if name not in known:
            try:
                found.append(load(name, directory=directory))
            except ConfigError:
                continue
    return found


def _where(loaded: Loaded) -> str:
    return str(loaded.origin.get("listen", loaded.files[0]))


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
    except KeyError:
        return None


def _group_exists(name: str) -> bool:
    try:
        grp.getgrgid(int(name)) if name.isdigit() else grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _may_read(user: pwd.struct_passwd, file: str) -> bool:
    """Whether the mode of the file lets the user read it (lists of access control are not looked at)."""
    status = os.stat(file)
    if user.pw_uid in (0, status.st_uid):
        return user.pw_uid == 0 or bool(status.st_mode & stat.S_IRUSR)
    if status.st_gid in os.getgrouplist(user.pw_name, user.pw_gid):
        return bool(status.st_mode & stat.S_IRGRP)
    return bool(status.st_mode & stat.S_IROTH)
