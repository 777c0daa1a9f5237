"""What an instance is told: defaults, then its file, then its drop-ins, then flags.

Finds all errors before it complains, and knows where each value came from. It opens files and looks at
nothing else: whether a path or a user exists is for `corn check` to say. Standard library only, as the
systemd generator uses it too; no line of a file is counted unless somebody asks.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import ConfigError
from .kinds import SIZE, Address
from .lines import line_of
from .reader import Flags, Reader, Source, absolute
from .sections import Settings, rows

__all__ = [
    "DIRECTORY",
    "Flags",
    "Loaded",
    "Origin",
    "addresses",
    "from_flags",
    "instances",
    "is_file",
    "is_name",
    "load",
]

DIRECTORY = "/etc/corn"

# A name is a part of paths and units: /run/corn/NAME/control must fit in the 108 bytes of a socket's address.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"


class Origin(NamedTuple):
    """Where a value came from: a line of a file, or (line 0) a flag."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Loaded(NamedTuple):
    """Settings that may be used, and how they came to be."""

    settings: Settings
    files: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]
    flags: tuple[str, ...]

    @property
    def origin(self) -> dict[str, Origin]:
        """Where each value that is no default came from; an entry of a table is environment.NAME."""
        found = {}
        for source in self.sources:
            for key, path in source.used.items():
                found[key] = Origin(source.file, line_of(source.text, path))
        flags = {row.key: row.flag for row in rows()}
        for key in self.flags:
            found[key] = Origin(flags.get(key) or flags[key.rpartition(".")[0]])
        return found


def load(name_or_path: str, flags: Flags | None = None, directory: str = DIRECTORY) -> Loaded:
    """The settings of an instance, by its name or by the path of its file; raises ConfigError with all
    errors, one a line."""
    name, file = _locate(name_or_path, directory)
    reader = Reader(name)
    reader.file(file)
    for drop_in in reader.drop_ins(f"{file}.d"):
        reader.file(drop_in)
    return _finish(reader, flags or {}, main=file)


def from_flags(app: str, flags: Flags | None = None, name: str = "") -> Loaded:
    """The settings of an instance that has no file; its name is made from the module's."""
    name = name or re.split(r"[.:]", app)[0]
    if not is_name(name):
        name = "app"
    return _finish(Reader(name), {**(flags or {}), "app": app}, main="")


def _finish(reader: Reader, flags: Flags, main: str) -> Loaded:
    used = reader.flags(flags)
    settings = reader.settings(main)
    files = tuple(source.file for source in reader.sources)
    warnings = (*reader.warnings, *_oddities(settings))
    loaded = Loaded(settings, files, warnings, tuple(reader.sources), tuple(used))
    contradictions = list(_contradictions(loaded))
    if contradictions:
        raise ConfigError("\n".join(contradictions))
    return loaded


def _contradictions(loaded: Loaded) -> Iterator[str]:
    """What can not be meant at once."""
    workers = loaded.settings.workers
    for lower, upper in (("min", "max"), ("count", "max"), ("min", "count")):
        less, more = getattr(workers, lower), getattr(workers, upper)
        if less and more and less > more:
            here, there = (loaded.origin[f"workers.{name}"] for name in (lower, upper))
            # Who names a range need not count.
            cure = 'leave workers.count to "auto"' if "count" in (lower, upper) else "raise workers.max"
            yield f"{here}: workers.{lower} = {less} is more than workers.{upper} = {more} ({there}); {cure}"


def _oddities(settings: Settings) -> Iterator[str]:
    """What is allowed and can hardly be meant."""
    limits = settings.limits
    if limits.memory_hard and limits.memory_soft >= limits.memory_hard:
        soft, hard = SIZE.render(limits.memory_soft), SIZE.render(limits.memory_hard)
        yield (
            f"limits.memory_soft = {soft} is not below limits.memory_hard = {hard}: a worker is ended before "
            "it could be replaced"
        )
    if settings.refork_after and not settings.preload:
        yield "refork_after does nothing with preload = false: there is no mold that has the application"


def addresses(settings: Settings) -> tuple[Address, ...]:
    """Where an instance listens: `listen`, or its place in /run/corn (as units/corn@.socket has it)."""
    return settings.listen or (Address("unix", path=f"/run/corn/{settings.name}.sock"),)


def is_file(name_or_path: str) -> bool:
    """Whether an instance is given by its file, and not by its name in DIRECTORY."""
    return "/" in name_or_path or name_or_path.endswith(".toml")


def is_name(text: str) -> bool:
    """Whether an instance may be called so."""
    return bool(re.fullmatch(_NAME, text))


def instances(directory: str = DIRECTORY) -> list[str]:
    """The names of the instances that have a file; none if the directory cannot be read."""
    try:
        files = os.listdir(directory)
    except OSError:
        return []
    stems = (file.removesuffix(".toml") for file in files if file.endswith(".toml"))
    return sorted(stem for stem in stems if is_name(stem))


def _exists(file: str) -> bool:
    """Whether it is there, or may be: what nobody lets us look at is for the reader to tell."""
    try:
        os.lstat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True


def _locate(name_or_path: str, directory: str) -> tuple[str, str]:
    """(name, file) of an instance; ConfigError if there is no such file."""
    is_path = is_file(name_or_path)
    name = os.path.basename(name_or_path).removesuffix(".toml") if is_path else name_or_path
    file = absolute(name_or_path) if is_path else os.path.join(directory, f"{name}.toml")
    if not is_name(name):
        cure = f"; to run an application without a file: corn run {name}" if ":" in name else ""
        rule = "letters, digits, . _ and -, 64 at most, the first not . or -"
        raise ConfigError(f"{name!r} is no name of an instance ({rule}){cure}")
    if is_path and not file.endswith(".toml"):
        raise ConfigError(f"{file}: the name of an instance's file ends in .toml")
    if not _exists(file):
        there = ", ".join(instances(directory))
        known = f"the instances are: {there}" if there else f"there is none in {directory} yet"
        raise ConfigError(
            f"{file} does not exist" if is_path else f"no instance {name!r}: {file} does not exist; {known}"
        )
    return name, file
