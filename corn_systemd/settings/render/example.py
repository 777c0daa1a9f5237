"""docs/example.toml: every setting with its default, in comments, to copy from."""

from ..sections import Row, rows, sections
from .prose import commented, has_default

_HEAD = """\
# An instance of corn. Copied to /etc/corn/NAME.toml it is served by: systemctl start corn@NAME
#
# What is commented out shows the default, or an example where there is none (marked so). Durations are
# seconds or texts like "90s", "2min", "1h 30min"; sizes are bytes or texts like "32K", "640M"; 0 is off.
# Drop-ins in /etc/corn/NAME.toml.d/*.toml go over this file. See corn.toml(5), and try: corn check NAME
"""


def example() -> str:
    """The file; with its comment signs taken away it is a valid one."""
    own = [row for row in rows() if len(row.path) == 1]
    lines = [_HEAD]
    for row in own:
        if not row.kind.is_table:
            lines += [*commented(_help(row)), assignment(row), ""]
    for row in own:
        if row.kind.is_table:
            lines += [*commented(_help(row)), f"[{row.key}]", f"#{row.example}", ""]
    for path, section in sections():
        lines += [*commented(" ".join((section.__doc__ or "").split())), f"[{'.'.join(path)}]", ""]
        for row in rows(section, path):
            if len(row.path) == len(path) + 1:
                lines += [*commented(_help(row)), assignment(row), ""]
    return "\n".join(lines).rstrip() + "\n"


def assignment(row: Row) -> str:
    """The line that sets it: for what is required without a comment sign."""
    value = row.kind.render(row.default) if has_default(row) else row.example
    return f"{'' if row.is_required else '#'}{row.path[-1]} = {value}"


def _help(row: Row) -> str:
    return row.help + ("" if has_default(row) or row.is_required else " (An example:)")
