"""A table for people: folded to the width of a terminal; where standard output is none, a row is a line.

Made by rich, which is imported when a table is printed, and by nothing else: starting is what must be quick.
"""

import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence

from ..errors import CornError

# Wider than any row: nothing is folded or cut.
_UNBOUNDED = 1 << 20
# What asks for attention, by the word with which a cell begins.
_STYLES = {
    "failed": "red",
    "killed": "red",
    "suspended": "red",
    "paused": "yellow",
    "disabled": "dim",
    "running": "green",
}


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[str] = ()
) -> None:
    """Prints a head and a line for each row; the columns of `numbers` are set to the right. On a terminal
    that is too narrow for its words each row is a paragraph. What could command a terminal is escaped."""
    try:
        from rich.console import Console
        from rich.measure import Measurement
        from rich.table import Table
        from rich.text import Text
    except ImportError as error:
        raise CornError(f"a table needs rich: apt install python3-rich ({error}); or --json") from error
    is_terminal = sys.stdout.isatty()
    console = Console(force_terminal=is_terminal, width=None if is_terminal else _UNBOUNDED)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        is_number = column in numbers
        table.add_column(
            Text(column), justify="right" if is_number else "left", no_wrap=is_number, overflow="fold"
        )
    cells = [[_harmless(cell) for cell in row] for row in rows]
    for row in cells:
        table.add_row(*(Text(cell, _STYLES.get(cell.partition(" ")[0], "")) for cell in row))
    needed = Measurement.get(console, console.options.update(max_width=_UNBOUNDED), table).minimum
    if needed > console.width:
        for row in cells:
            print(_paragraph(columns, row, console.width))
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().rstrip("\n").split("\n"):
        print(line.rstrip())


def _paragraph(columns: Sequence[str], row: Sequence[str], width: int) -> str:
    pairs = zip(columns[1:], row[1:], strict=True)
    text = f"{row[0]}: " + "; ".join(f"{column} {cell}" for column, cell in pairs if cell not in ("", "-"))
    return textwrap.fill(text, width, subsequent_indent="    ", break_on_hyphens=False)


def _harmless(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
