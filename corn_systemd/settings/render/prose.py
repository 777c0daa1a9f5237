"""The small markup of help texts, to plain text and to roff: `code` in backquotes, and page(5)."""

import re
import textwrap

from ..sections import Row

# groff_char(7). The hyphen is one in prose and a minus in code.
_ROFF = {
    "\\": "\\(rs",
    "×": "\\(mu",
    "…": "\\&...",
    "–": "\\(en",
    "→": "\\(->",
    "µ": "\\(mc",
    "^": "\\(ha",
    "~": "\\(ti",
}
_ROFF_CODE = {"-": "\\-", "'": "\\(aq", "`": "\\(ga", '"': "\\(dq"}


def plain(text: str) -> str:
    """Without the marks."""
    return text.replace("`", "")


def first_sentence(text: str) -> str:
    """What fits a line of --help; a full stop in a number or a name ends none."""
    return re.split(r"(?<=[.;]) (?=[A-Z0-9`])", text, maxsplit=1)[0].rstrip(";.")


def flag_help(row: Row) -> str:
    """What --help and corn(1) say of a setting that is given as a flag."""
    text = first_sentence(row.help) + "."
    if row.kind.repeatable:
        text += " May be given several times."
    default = row.kind.render(row.default).strip('"') if has_default(row) and not row.kind.is_switch else ""
    return text + (f" Default: {default}." if default else "")


def has_default(row: Row) -> bool:
    """Whether the default is a value that a file could say; an empty one stands for "not set"."""
    return not row.is_required and row.default not in ("", (), {})


def commented(text: str, width: int = 88) -> list[str]:
    """Lines of a comment."""
    return [f"# {line}" for line in textwrap.wrap(plain(text), width, break_on_hyphens=False)]


def escaped(text: str, *, is_code: bool = False) -> str:
    """A text as roff takes it."""
    table = {**_ROFF, **_ROFF_CODE} if is_code else _ROFF
    return "".join(
        table.get(character) or (character if ord(character) < 128 else f"\\[u{ord(character):04X}]")
        for character in text
    )


def bold(text: str) -> str:
    """Code; \\% keeps groff from hyphenating a word of it."""
    return "\\fB" + " ".join("\\%" + escaped(word, is_code=True) for word in text.split(" ")) + "\\fR"


def synopsis(text: str) -> str:
    """NAME|FILE and the like: what is to be replaced is in italics."""
    return re.sub(r"[A-Z]{3,}", lambda match: f"\\fI{match[0]}\\fR", escaped(text, is_code=True))


def paragraph(text: str) -> list[str]:
    """Lines of roff for a text with marks."""
    parts = re.split(r"`([^`]*)`", text)
    marked = ""
    for number, part in enumerate(parts):
        if number % 2:
            marked += bold(part)
        else:
            marked += re.sub(r"\b([a-z][a-z_.@-]*)(\([1-8]\))", r"\\fB\1\\fR\2", escaped(part))
    lines = textwrap.wrap(marked, 100, break_long_words=False, break_on_hyphens=False)
    return [f"\\&{line}" if line[0] in ".'" else line for line in lines]


def literal(text: str) -> list[str]:
    """Lines of roff that keep their breaks and spaces."""
    lines = [escaped(line, is_code=True) for line in text.splitlines()]
    kept = [f"\\&{line}" if line[:1] in (".", "'") else line for line in lines]
    return [".PP", ".RS 4", ".EX", *kept, ".EE", ".RE"]
