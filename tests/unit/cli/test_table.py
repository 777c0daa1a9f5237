"""Tables: whole lines for programs, the width of the terminal for people."""

import io
import sys

import pytest

from corn_systemd.cli.table import print_table
from corn_systemd.errors import CornError

LONG = "x" * 300

Captured = pytest.CaptureFixture[str]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(width: int, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output from now on."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return terminal


def test_where_standard_output_is_no_terminal_a_row_is_a_line_and_nothing_is_cut(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    print_table(("job", "runs", "cause"), [("tidy", "12", f"{LONG} {LONG}"), ("b", "3", "")], ("runs",))
    assert capsys.readouterr().out.splitlines() == [
        "job   runs  cause",
        f"tidy    12  {LONG} {LONG}",
        "b        3",
    ]


def test_what_looks_like_markup_is_told_as_it_is_and_what_commands_a_terminal_is_escaped(
    capsys: Captured,
) -> None:
    print_table(("a", "b"), [("[red]x[/red] :smile:", "\x1b]0;title\a\nü")])
    assert capsys.readouterr().out.splitlines()[1] == r"[red]x[/red] :smile:  \x1b]0;title\x07\nü"


def test_a_terminal_has_colours_and_long_cells_are_folded_to_its_width(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = terminal_of(40, monkeypatch)
    print_table(("job", "cause"), [("tidy", "failed " + "word " * 20)])
    lines = terminal.getvalue().splitlines()
    assert "\x1b[1m" in lines[0]
    assert "\x1b[31m" in lines[1]
    assert len(lines) > 3
    assert terminal.getvalue().count("word") == 20


def test_on_a_terminal_that_is_too_narrow_a_row_is_a_paragraph(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = terminal_of(20, monkeypatch)
    print_table(("job", "schedule", "outcome"), [("clear-sessions", "17 3 * * *", "failed"), ("b", "-", "")])
    assert terminal.getvalue().splitlines() == [
        "clear-sessions:",
        "    schedule 17 3 *",
        "    * *; outcome",
        "    failed",
        "b:",
    ]


def test_without_rich_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(CornError, match="apt install python3-rich"):
        print_table(("a",), [("b",)])
