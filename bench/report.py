"""What was measured, as Markdown for the README and as JSON. Pure: figures in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from .loads import Load
from .servers import Server


@dataclass
class Cell:
    """The figures of one server under one load, or why there are none."""

    values: list[float] = field(default_factory=list)
    failure: str = ""

    def text(self, scale: float, digits: int = 0) -> str:
        """The median, in the unit of the table."""
        if self.failure:
            return "failed"
        return f"{median(self.values) * scale:.{digits}f}" if self.values else "–"


Table = dict[str, dict[str, Cell]]


def markdown(
    servers: Sequence[Server],
    loads: Sequence[Load],
    cells: Table,
    missing: Mapping[str, str],
    versions: Mapping[str, str],
    facts: Mapping[str, str],
) -> str:
    """The tables: loads × servers, then starts and memory."""
    lines = [
        f"Python {facts['python']}, Linux {facts['kernel']}, {facts['cores']} cores, {facts['date']}; "
        f"medians of {facts['rounds']} interleaved rounds of {facts['seconds']} s.",
        "",
    ]
    names = [f"{server.title} {versions.get(server.name, '')}".strip() for server in servers]
    rows = [(load.title, load.name, 1e6, 0) for load in loads if load.name in cells]
    if rows:
        lines += _table("CPU time per request, µs", names, servers, cells, rows)
    rest = [
        ("start to READY=1, ms", "ready", 1e3, 0),
        ("start to the first answer, ms", "answer", 1e3, 0),
        ("first process, MB (PSS)", "master", 1e-6, 1),
        ("one more hello worker, MB (PSS)", "worker", 1e-6, 1),
        ("one idle keep-alive connection, bytes (PSS)", "idle", 1.0, 0),
    ]
    load = [("two workers beside one", "scale", 1.0, 2)]
    for title, table in (
        ("Start and memory", rest),
        ("Requests per second, 1 ms of CPU each, 32 keep-alive connections", load),
    ):
        table = [row for row in table if row[1] in cells]
        if table:
            lines += _table(title, names, servers, cells, table)
    lines += [f"* {name}: not installed: {why}" for name, why in missing.items()]
    for title, row in cells.items():
        lines += [f"* {name}, {title}: {cell.failure}" for name, cell in row.items() if cell.failure]
    return "\n".join(lines).rstrip() + "\n"


def _table(
    title: str,
    names: Sequence[str],
    servers: Sequence[Server],
    cells: Table,
    rows: Sequence[tuple[str, str, float, int]],
) -> list[str]:
    lines = ["| " + " | ".join([title, *names]) + " |", "|---" + "|---:" * len(names) + "|"]
    for text, key, scale, digits in rows:
        values = [cells[key].get(server.name, Cell()).text(scale, digits) for server in servers]
        lines.append("| " + " | ".join([text, *values]) + " |")
    return [*lines, ""]


def as_json(cells: Table) -> dict[str, dict[str, dict[str, object]]]:
    """Every single value, for those who doubt a median."""
    return {
        key: {name: {"values": cell.values, "failure": cell.failure} for name, cell in row.items()}
        for key, row in cells.items()
    }
