"""What can be told of an instance: the line for STATUS=, and the report for whoever asks.

Reads the registry and the scoreboard; changes neither.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..listeners import Listener
from ..policy.view import Role
from ..slot import SlotView
from . import spawn
from .children import Children
from .generations import Generations
from .record import Record
from .workforce import Workforce


class Overview:
    """The instance as the master sees it, and the requests that its workers, dead or alive, have begun."""

    def __init__(
        self,
        children: Children,
        generations: Generations,
        workforce: Workforce,
        served: Sequence[Listener],
        now: float,
        words_of_jobs: Callable[[], str],
    ) -> None:
        self._children = children
        self._generations = generations
        self._workforce = workforce
        self._words_of_jobs = words_of_jobs
        self.listen = [str(listener.address) for listener in served]
        self._started_at = self._read_at = now
        self._of_the_dead = self._counted = 0
        self._waited_of_the_dead = 0.0
        self._rate = 0.0
        self._deaths = ""
        self.is_stopping = False
        self.trouble = ""
        """Why the last reload failed; it stays until one succeeds."""

    def bury(self, view: SlotView | None) -> None:
        """A worker has ended; the requests that it had begun stay counted."""
        if view is not None and view.role == Role.HTTP.value:
            self._of_the_dead += view.requests
            self._waited_of_the_dead += view.waited

    def clear(self) -> None:
        """New code serves: what was wrong is over."""
        self.trouble = self._deaths = ""

    def requests(self) -> int:
        return self._of_the_dead + sum(view.requests for view in self._children.slot_views())

    def waited(self) -> float:
        """Seconds that all those requests together have waited for a worker."""
        return self._waited_of_the_dead + sum(view.waited for view in self._children.slot_views())

    def read(self, now: float, deaths: str) -> None:
        """Brings the rate up to date, requests per second since the last reading, and what is told of
        children that die as soon as they are started."""
        self._deaths = deaths
        count = self.requests()
        if now > self._read_at:
            self._rate = (count - self._counted) / (now - self._read_at)
        self._counted, self._read_at = count, now

    def line(self) -> str:
        """`3/8 busy, 12.4 req/s, 118 MiB`: the user interface of systemctl status."""
        if self._generations.serving is None and not self.is_stopping:
            return f"starting {self._generations.desired.settings.app}"
        working = [view for view in self._children.slot_views() if view.state not in ("empty", "starting")]
        parts = [f"{sum(view.is_busy for view in working)}/{len(working)} busy", f"{self._rate:.1f} req/s"]
        parts += filter(None, [self._workforce.line()])
        memory = memory_bytes()
        if memory is not None:
            parts.append(f"{memory / 2**20:.0f} MiB")
        parts += filter(None, (self._words_of_jobs(),))
        text = ("stopping, " if self.is_stopping else "") + ", ".join(parts)
        return "; ".join(filter(None, (self._deaths, self.trouble, text)))

    def report(self, now: float) -> dict[str, Any]:
        """Everything, as JSON can carry it; ages in seconds. `workers` is how many there shall be."""
        scaling = self._workforce.report()
        serving = self._generations.serving
        return {
            "instance": self._generations.desired.settings.name,
            "app": self._generations.desired.settings.app,
            "status": self.line(),
            "generation": serving.number if serving is not None else 0,
            "listen": self.listen,
            "uptime": round(now - self._started_at, 3),
            "workers": scaling["workers"],
            "scaling": scaling,
            "requests": self.requests(),
            "requests_per_second": round(self._rate, 2),
            "waited": round(self.waited(), 6),
            "memory_bytes": memory_bytes(),
            "processes": [self._row(record, now) for record in self._children],
        }

    def _row(self, record: Record, now: float) -> dict[str, Any]:
        row: dict[str, Any] = {
            "role": record.role.value,
            "pid": record.pid,
            "generation": record.generation,
            "state": record.state.value,
            "age": round(now - record.born_at, 3),
        }
        if record.slot is not None:
            row["worker"] = record.worker
        view = self._children.slot_view(record)
        if view is not None:
            row["requests"] = view.requests
            row["connections"] = view.connections
            row["waited"] = round(view.waited, 6)
            row["real"] = round(view.real, 6)
            row["sent_bytes"] = view.sent
            group = record.group
            cpu = group.cpu_seconds() if group is not None else spawn.cpu_seconds(record.pid)
            row["cpu"] = round(cpu, 6)
            if record.retires:
                row["retires"] = record.retires
            if view.is_busy:
                row["request"] = view.request
                row["request_age"] = round(now - view.began_at, 3)
        return row


def memory_bytes() -> int | None:
    """What the service's cgroup is charged with (memory.current); None where no service contains us."""
    try:
        with open("/proc/self/cgroup") as file:
            path = next((entry[3:].strip() for entry in file if entry.startswith("0::/")), "")
        service, found, _ = path.rpartition(".service")
        if not found:
            return None
        with open(f"/sys/fs/cgroup{service}.service/memory.current") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
