"""`corn config NAME`: what is in force, and where each value comes from."""

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from ..settings.load import Loaded, addresses, load
from ..settings.sections import Row, rows, value_of
from . import workers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="NAME|FILE")
    parser.add_argument(
        "--json", action="store_true", help="print JSON, durations in seconds, sizes in bytes"
    )


def run(options: argparse.Namespace) -> int:
    loaded = load(options.instance)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(
        json.dumps(as_json(loaded), indent=2, ensure_ascii=False) if options.json else as_toml(loaded), end=""
    )
    if options.json:
        print()
    return 0


def as_toml(loaded: Loaded) -> str:
    """A file that means the same, each line with its origin as a comment."""
    lines = [(f"# {loaded.settings.name}: {', '.join(loaded.files)}", "")]
    origins = {key: str(origin) for key, origin in loaded.origin.items()}
    above: tuple[str, ...] = ()
    # A table may not come before the plain keys of what it stands in.
    for row in sorted(rows(), key=lambda row: (len(row.path) > 1, row.kind.is_table)):
        value = _effective(loaded, row)
        if row.path[:-1] != above:
            above = row.path[:-1]
            lines += [("", ""), (f"[{'.'.join(above)}]", "")]
        if row.kind.is_table:
            if value:
                lines += [("", ""), (f"[{row.key}]", "")]
                above = row.path
            lines += [
                (row.kind.render({name: text})[1:-1], origins[f"{row.key}.{name}"])
                for name, text in value.items()
            ]
        elif (public := row.kind.public(value)) != value:
            shown = f"{row.path[-1]} = {row.kind.render(public)}"
            lines.append((f"# {shown}, with its password", _comment(loaded, row, origins)))
        elif value == "":
            lines.append((f"# {row.path[-1]} is not set{_meaning(row)}", ""))
        else:
            lines.append((f"{row.path[-1]} = {row.kind.render(value)}", _comment(loaded, row, origins)))
    width = min(48, max(len(text) for text, comment in lines if comment))
    return "".join(
        f"{text.ljust(width)}  # {comment}\n" if comment else f"{text}\n" for text, comment in lines
    )


def as_json(loaded: Loaded) -> dict[str, Any]:
    """The same for programs: settings by their key, each with value and origin."""
    origins = {key: str(origin) for key, origin in loaded.origin.items()}
    settings: dict[str, Any] = {}
    for row in rows():
        value = _effective(loaded, row)
        if row.kind.is_table:
            for name, text in value.items():
                settings[f"{row.key}.{name}"] = {"value": text, "origin": origins[f"{row.key}.{name}"]}
            continue
        if row.key == "listen":
            value = [str(address) for address in value]
        elif row.kind.is_tables:
            value = [asdict(table) for table in value]
        else:
            value = row.kind.public(value)
        settings[row.key] = {"value": value, "origin": origins.get(row.key, "default")}
    count = workers.of_instance(loaded.settings)
    settings["workers.count"] |= {"value": count.start, "reason": count.reason}
    settings["workers.min"]["value"], settings["workers.max"]["value"] = count.least, count.most
    return {"instance": loaded.settings.name, "files": list(loaded.files), "settings": settings}


def _effective(loaded: Loaded, row: Row) -> Any:
    if row.key == "listen":
        return addresses(loaded.settings)
    return value_of(loaded.settings, row)


def _comment(loaded: Loaded, row: Row, origins: dict[str, str]) -> str:
    origin = origins.get(row.key, "default")
    if row.path[0] == "workers":
        count = workers.of_instance(loaded.settings)
        if row.key == "workers.count" and count.reason:
            return f"{count.start} here: {count.reason}; {origin}"
        if row.key in ("workers.min", "workers.max") and not value_of(loaded.settings, row):
            return f"{count.least if row.key == 'workers.min' else count.most} here, as count; {origin}"
    return origin


def _meaning(row: Row) -> str:
    if row.key == "python":
        return f": the application runs in {sys.executable}"
    return ": it runs as corn under systemd, else as who starts it" if row.key == "user" else ""
