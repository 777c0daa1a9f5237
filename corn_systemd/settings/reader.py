"""The work of load: files and flags in, values and errors out.

Source after source, the later over the earlier, and no error ends the reading: all of them are told at once.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import ConfigError
from . import names
from .lines import line_of, syntax_error, tomllib
from .sections import Row, Settings, build, rows, sections

Flags = Mapping[str, str | Sequence[str]]
"""Keys like http.keepalive, and their texts as they were typed."""


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
            with open(file, "rb") as stream:
                content = stream.read()
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
        source = Source(file, text, {})
        self.sources.append(source)
        self._section(source, table, Settings, (), ())

    def _broken(self, file: str, line: int, cause: str) -> None:
        self._is_broken = True
        self.sources.append(Source(file, "", {}))
        self._errors.append((len(self.sources), line, f"{file}:{line}: {cause}"))

    def _unreadable(self, file: str, error: OSError) -> None:
        self._is_broken = True
        cause = error.strerror or str(error)
        if isinstance(error, PermissionError):
            cause += f" for {_user()}: an instance reads its file as the user it runs as"
        self.sources.append(Source(file, "", {}))
        self._errors.append((len(self.sources), 0, f"{file}: {cause}"))

    def _error(self, source: Source, path: tuple[str, ...], text: str) -> None:
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
        for key, texts in flags.items():
            row = by_key[key]
            try:
                value = row.kind.read([texts] if isinstance(texts, str) else texts)
            except ValueError as error:
                self._errors.append(
                    (len(self.sources) + 1, 0, f"{row.flag or row.key}: {_refused(row, texts, error)}")
                )
                self._refused.add(row.path)
                continue
            if row.kind.is_table:
                used += [f"{key}.{name}" for name in value]
                value = {**self._values.get(row.path, {}), **value}
            else:
                used.append(key)
            self._values[row.path] = _absolute(value, key) if row.kind.is_path else value
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


def _refused(row: Row, value: object, error: ValueError) -> str:
    detail = f" ({error})" if str(error) else ""
    shown = ""
    if not row.kind.is_table:
        text = repr(value) if not isinstance(value, bool) else str(value).lower()
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


def _absolute(path: str, key: str) -> str:
    """A path from a command line, from where it was typed; a bare name of an interpreter is looked for."""
    if key == "python" and "/" not in path and not os.path.exists(path):
        import shutil

        return shutil.which(path) or os.path.abspath(path)
    # Never realpath(): an environment's python is a symbolic link, and is known by the link's place.
    return os.path.abspath(os.path.expanduser(path))


def _user() -> str:
    import pwd

    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name!r}"
    except KeyError:
        return f"uid {os.geteuid()}"
