"""What every kind can do."""

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

AUTO = 0
"""What COUNT_OR_AUTO makes of `"auto"`."""


class Kind(Generic[T]):
    """`expects` ends the sentence "expected …"; `metavar` stands for a value in --help; a `repeatable` flag
    may be given several times, each time with one part of the value."""

    expects: str
    metavar: str
    repeatable = False
    is_table = False  # entries are merged one by one, and never repeated in a message: they may be secret
    is_tables = False  # a list of tables: [[…]], and errors that tell which
    is_path = False
    is_secret = False  # never repeated in a message, and shown as public() has it
    is_switch = False  # a flag without a value, and one with no- before it

    def parse(self, value: object) -> T:
        """The value that a TOML value means."""
        raise NotImplementedError

    def read(self, texts: Sequence[str]) -> T:
        """The value that a flag means: its text, or all its texts if the kind is repeatable."""
        return self.parse(texts[-1])

    def render(self, value: T) -> str:
        """The value as TOML; parse() makes the same of it."""
        raise NotImplementedError

    def public(self, value: T) -> T:
        """The same without what is nobody's business; it need not mean anything any more."""
        return value


class Faults(ValueError):
    """All that is wrong within one value: each fault with its path below the value (as the file writes the
    keys, and the numbers of tables), and its sentence."""

    def __init__(self, faults: Sequence[tuple[tuple[str | int, ...], str]]) -> None:
        super().__init__("; ".join(text for _, text in faults))
        self.faults = tuple(faults)


def quoted(text: str) -> str:
    """A TOML basic string (https://toml.io/en/v1.0.0#string)."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(c) or (c if c.isprintable() else _escaped(c)) for c in text) + '"'


def key(text: str) -> str:
    """A TOML key, bare where that is allowed."""
    is_bare = text and all(
        character.isascii() and (character.isalnum() or character in "-_") for character in text
    )
    return text if is_bare else quoted(text)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
