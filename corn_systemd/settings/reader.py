"""The work of load: files and flags in, values and errors out.

Source after source, the later over the earlier, and no error ends the reading: all of them are told at once.
"""

import errno
import functools
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import ConfigError
from . import names
from .kinds import Faults
from .lines import Path, deepest, line_of, longest_number, syntax_error, tomllib
from .sections import Row, Settings, build, rows, sections

Flags = Mapping[str, str | Sequence[str]]
"""Keys like http.keepalive, and their texts as they were typed."""


_TOO_DEEP = "lists or tables too many levels deep"


class Source(NamedTuple):
    """A file that was read: `used` says under which key of this file each setting was found."""

    file: str
    text: str
    used: dict[str, tuple[str, ...]]


class Reader:
    """Gathers values and errors, source after source."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.sources: list[Source] = []
        self.warnings: list[str] = []
        self._errors: list[tuple[int, int, str]] = []  # source, line, text: in the order to be told
        self._values: dict[tuple[str, ...], Any] = {}
        self._refused: set[tuple[str, ...]] = set()  # settings that were given, but not well
        self._is_broken = False  # whether a file could not be read, so that what is missing says nothing

    def drop_ins(self, directory: str) -> Iterable[str]:
        """The drop-ins of a file in the order of their names."""
        try:
            names = sorted(os.listdir(directory))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._unreadable(directory, error)
            return
        for name in names:
            if name.endswith(".toml") and not name.startswith("."):
                yield os.path.join(directory, name)
            elif not name.startswith(".") and not name.endswith("~"):
                self.warnings.append(f"{directory}/{name} is ignored: its name does not end in .toml")

    def file(self, file: str) -> None:
        """Reads one file: its values go over those that are there."""
        try:
            content = _content(file)
            text = content.decode().removeprefix("\ufeff")
        except OSError as error:
            self._unreadable(file, error)
            return
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            self._broken(file, line, f"byte {content[error.start]:#04x} is not UTF-8")
            return
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self._broken(file, *syntax_error(text, error))
            return
        except RecursionError:
            self._broken(file, deepest(text), _TOO_DEEP)
            return
        except ValueError:  # int() takes 4300 digits at most, and tomllib leaves it at that
            self._broken(file, longest_number(text), "a number of too many digits")
            return
        source = Source(file, text, {})
        self.sources.append(source)
        try:
            self._section(source, table, Settings, (), ())
        except RecursionError:  # dotted keys: tomllib reads any depth of them
            self._broken(file, deepest(text), _TOO_DEEP)

    def _broken(self, file: str, line: int, cause: str) -> None:
        self._is_broken = True
        self.sources.append(Source(file, "", {}))
        self._errors.append((len(self.sources), line, f"{file}:{line}: {cause}"))

    def _unreadable(self, file: str, error: OSError) -> None:
        self._is_broken = True
        cause = error.strerror or str(error)
        if isinstance(error, PermissionError):
            cause += f" for user {user_name()!r}: an instance reads its file as the user it runs as"
        self.sources.append(Source(file, "", {}))
        self._errors.append((len(self.sources), 0, f"{file}: {cause}"))

    def _error(self, source: Source, path: Path, text: str) -> None:
        line = line_of(source.text, path)
        self._errors.append((len(self.sources), line, f"{source.file}:{line}: {text}"))

    def _section(
        self,
        source: Source,
        table: dict[str, Any],
        of: type[Any],
        above: tuple[str, ...],
        raw: tuple[str, ...],
    ) -> None:
        """Takes the keys of one section: `above` is where it stands, `raw` how the file writes that."""
        known_rows = {row.path: row for row in rows(of, above)}
        known_sections = dict(sections(of, above))
        spelt: dict[str, str] = {}
        for key, value in table.items():
            name = key.replace("-", "_")
            path, raw_path = (*above, name), (*raw, key)
            if name in spelt:
                self._error(
                    source, raw_path, f"{'.'.join(raw_path)!r} is there twice, also as {spelt[name]!r}"
                )
                continue
            spelt[name] = key
            if path in known_sections:
                if isinstance(value, dict):
                    self._section(source, value, known_sections[path], path, raw_path)
                else:
                    self._error(source, raw_path, names.misplaced(path, value, known_sections[path]))
            elif path in known_rows:
                self._value(source, known_rows[path], value, raw_path)
            elif isinstance(value, dict) or (
                isinstance(value, list) and value and isinstance(value[0], dict)
            ):
                self._error(source, raw_path, names.unknown_section(raw_path))
            else:
                self._error(source, raw_path, names.unknown_key(raw_path))

    def _value(self, source: Source, row: Row, value: Any, raw: tuple[str, ...]) -> None:
        if not row.kind.is_table or not isinstance(value, dict):
            try:
                self._values[row.path] = row.kind.parse(value)
            except Faults as error:
                for path, text in error.faults:
                    self._error(source, (*raw, *path), f"{row.key}: {text}")
                self._refused.add(row.path)
            except ValueError as error:
                self._error(source, raw, _refused(row, value, error))
                self._refused.add(row.path)
            source.used[row.key] = raw
            return
        merged = self._values.setdefault(row.path, {})
        for name, entry in value.items():
            try:
                merged.update(row.kind.parse({name: entry}))
            except ValueError as error:
                self._error(source, (*raw, name), f"{row.key}.{name}: {error}")
            source.used[f"{row.key}.{name}"] = (*raw, name)

    def flags(self, flags: Flags) -> list[str]:
        """Puts flags over what the files say; tells which settings came from them."""
        by_key = {row.key: row for row in rows()}
        used = []
        for key, given in flags.items():
            row = by_key[key]
            texts = [given] if isinstance(given, str) else given
            try:
                value = row.kind.read(texts)
            except ValueError as error:
                meant = texts if row.kind.repeatable else texts[-1]
                self._errors.append(
                    (len(self.sources) + 1, 0, f"{row.flag or row.key}: {_refused(row, meant, error)}")
                )
                self._refused.add(row.path)
                continue
            if row.kind.is_table:
                used += [f"{key}.{name}" for name in value]
                value = {**self._values.get(row.path, {}), **value}
            else:
                used.append(key)
            self._values[row.path] = absolute(value, key) if row.kind.is_path else value
        return used

    def settings(self, main: str) -> Settings:
        """The settings, or ConfigError; `main` is the file that what is missing is missing in."""
        for row in rows():
            if (
                row.is_required
                and not self._is_broken
                and row.path not in self._values.keys() | self._refused
            ):
                example = f"{row.key} = {row.example}"
                self._errors.append((0, 0, f"{main}: {row.key} is missing; write for example {example}"))
        if self._errors:
            raise ConfigError("\n".join(text for _, _, text in sorted(self._errors)))
        return build(Settings, _nested({("name",): self._name, **self._values}))


def _content(file: str) -> bytes:
    """The bytes of a regular file: nothing else is read, as a pipe or a device may keep a reader for ever."""
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "is not a regular file")
    with open(fd, "rb") as stream:
        return stream.read()


def _refused(row: Row, value: object, error: ValueError) -> str:
    detail = f" ({error})" if str(error) else ""
    shown = ""
    if not (row.kind.is_table or row.kind.is_secret):
        try:
            text = repr(value) if not isinstance(value, bool) else str(value).lower()
        except ValueError:
            text = "a number of too many digits"
        shown = f", not {text if len(text) < 60 else text[:56] + ' …'}"
    return f"{row.key}: expected {row.kind.expects}{shown}{detail}"


def _nested(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        table = tree
        for name in path[:-1]:
            table = table.setdefault(name, {})
        table[path[-1]] = value
    return tree


def absolute(path: str, key: str = "") -> str:
    """A path from a command line, from where it was typed; a bare name of an interpreter is looked for.

    Raises ConfigError when the directory in which it was typed is gone.
    """
    try:
        return _absolute(path, key)
    except FileNotFoundError:
        cause = "the directory in which this was typed has been removed"
        raise ConfigError(f"{path}: {cause}; give the path from /") from None


def _absolute(path: str, key: str) -> str:
    if key == "python" and "/" not in path and not os.path.exists(path):
        import shutil

        return shutil.which(path) or os.path.abspath(path)
    # Never realpath(): an environment's python is a symbolic link, and is known by the link's place.
    return os.path.abspath(os.path.expanduser(path))


@functools.cache
def user_name() -> str:
    """The name of who runs this, or the number of who has none. Asked once: it may come from far away (LDAP),
    and a reload may not wait."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
