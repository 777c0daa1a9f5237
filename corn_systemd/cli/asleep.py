"""Whether an instance that does not run only sleeps: its socket unit listens, and starts it when somebody
comes (idle_exit), or its timer does for its next job.

systemd alone knows that: nothing of a sleeping instance is left that could be asked.
"""

import os
import subprocess
from datetime import datetime, timezone

from ..errors import Unavailable
from ..settings.load import is_name
from .times import instant

# systemctl waits for nobody but systemd, which may be busy.
_PATIENCE = 10.0


class Asleep(Unavailable):
    """Nobody answers, and that is as it should be. `addresses`: where somebody is waited for; `wakes_at`:
    when it is started for a job, in seconds since 1970, if it is."""

    def __init__(self, name: str, addresses: str, wakes_at: float | None = None) -> None:
        self.name, self.addresses, self.wakes_at = name, addresses, wakes_at
        super().__init__(f"instance {name!r} sleeps: {self.wakers}, and so does systemctl start corn@{name}")

    @property
    def wakers(self) -> str:
        """Who starts it."""
        timer = f", or its timer at {instant(self.wakes_at)} for a job," if self.wakes_at is not None else ""
        return f"the next connection to {self.addresses}{timer} starts it"


def asleep(name_or_path: str) -> Asleep | None:
    """That it sleeps, if it does."""
    name = os.path.basename(name_or_path).removesuffix(".toml")
    if not is_name(name):
        return None
    socket, service = (_shown(f"corn@{name}.{kind}") for kind in ("socket", "service"))
    if (socket.get("ActiveState"), service.get("ActiveState")) != ("active", "inactive"):
        return None
    # "127.0.0.1:8080 (Stream)", one a line.
    addresses = socket.get("Listen", "").replace(" (Stream)", "").replace("\n", ", ")
    return Asleep(name, addresses, _due_at(_shown(f"corn@{name}.timer").get("NextElapseUSecRealtime", "")))


def _due_at(text: str) -> float | None:
    """`Wed 2026-11-25 16:47:22 UTC` in seconds since 1970; None for what is no such time."""
    try:
        return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return None


def _shown(unit: str) -> dict[str, str]:
    """What systemd says of a unit; nothing where there is no systemd."""
    wanted = "--property=ActiveState,Listen,NextElapseUSecRealtime"
    command = ["systemctl", "show", wanted, unit]
    # --timestamp=unix is not for what a timer waits for (252, 257).
    environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, env=environment)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        found[key] = f"{found[key]}\n{value}" if key in found else value
    return found
