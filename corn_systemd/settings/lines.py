"""On which line of a TOML document each key stands, and what its syntax errors mean.

tomllib tells values, not places. But each statement of TOML is a document of its own: lines are gathered
until they parse. Exact whatever a string holds, and done on demand alone: a start without errors never
comes here. Pure.
"""

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

__all__ = ["deepest", "line_of", "lines_of", "longest_number", "syntax_error", "tomllib"]

Path = tuple[str | int, ...]
"""Keys as the document writes them; the tables of an array are told apart by their number."""

# How a statement of several lines may end: an array, an inline table, a multi-line string.
_MAY_END = ("]", "}", '"""', "'''")


def line_of(text: str, path: Path) -> int:
    """The line of the statement that sets `path`, or of the nearest table above it; 0 if there is none."""
    lines = lines_of(text)
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 0


def lines_of(text: str) -> dict[Path, int]:
    """The first line of each key and table of a document that tomllib accepts."""
    found: dict[Path, int] = {}
    arrays: dict[Path, int] = {}  # how many tables each array of tables has so far
    prefix: Path = ()
    for number, statement, parsed in _statements(text):
        if not statement.lstrip().startswith("["):
            for path in _paths(parsed, prefix):
                found.setdefault(path, number)
            continue
        keys = _header(parsed)
        is_array = statement.lstrip().startswith("[[")
        prefix = ()
        for depth, key in enumerate(keys):
            prefix = (*prefix, key)
            found.setdefault(prefix, number)
            if is_array and depth == len(keys) - 1:
                arrays[prefix] = arrays.get(prefix, 0) + 1
            if prefix in arrays:
                prefix = (*prefix, arrays[prefix] - 1)
                found.setdefault(prefix, number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """(number of the first line, text, meaning) of each statement; blank lines and comments are skipped."""
    chunk, first = "", 1
    # Not splitlines(): a form feed or U+2028 ends no line in TOML.
    for number, line in enumerate(text.split("\n"), 1):
        if not chunk:
            first = number
        elif not any(end in line for end in _MAY_END):
            chunk += line + "\n"
            continue
        chunk += line + "\n"
        try:
            parsed = tomllib.loads(chunk)
        except tomllib.TOMLDecodeError:
            continue
        if parsed:
            yield first, chunk, parsed
        chunk = ""


def _header(parsed: dict[str, Any]) -> list[str]:
    """The keys of [a.b] or [[a.b]], which stands alone in `parsed`."""
    keys = []
    table: Any = parsed
    while table:
        if isinstance(table, list):
            table = table[0]
            continue
        (key,) = table
        keys.append(key)
        table = table[key]
    return keys


def _paths(table: dict[str, Any], prefix: Path) -> Iterator[Path]:
    for key, value in table.items():
        yield (*prefix, key)
        if isinstance(value, dict):
            yield from _paths(value, (*prefix, key))


def deepest(text: str) -> int:
    """The line with the most brackets and dots: where what is too deep for Python most likely stands."""
    return _first_most(text, lambda line: sum(line.count(character) for character in "[{."))


def longest_number(text: str) -> int:
    """The line with the longest row of digits."""
    return _first_most(text, lambda line: max(map(len, re.findall(r"[0-9_]+", line)), default=0))


def _first_most(text: str, measure: Callable[[str], int]) -> int:
    sizes = [measure(line) for line in text.split("\n")]
    return sizes.index(max(sizes)) + 1


def syntax_error(text: str, error: tomllib.TOMLDecodeError) -> tuple[int, str]:
    """(line, cause in plain words) of what tomllib has refused."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
    if not match:
        return 1, str(error)
    cause, line, column = match.groups()
    if line is None:
        what = "a list or a text is not closed" if cause == "Invalid value" else _plainly(cause)
        return text.rstrip().count("\n") + 1, f"{what}, at the end of the file"
    return int(line), f"{_plainly(cause)}, at column {column}"


def _plainly(cause: str) -> str:
    if cause == "Invalid value":
        return "not a value; a text needs quotes"
    if cause.startswith("Expected '='"):
        return "expected key = value"
    twice = re.fullmatch(r"Cannot declare \((.*?),?\) twice", cause)
    if twice:
        table = ".".join(re.findall("'([^']*)'", twice[1]))
        return f"the section [{table}] is there twice: join them"
    if cause == "Cannot overwrite a value":
        return "this key has a value already"
    return cause[:1].lower() + cause[1:]
