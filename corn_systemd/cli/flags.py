"""Settings as flags: each declaration is one, for the verbs that start something."""

import argparse

from ..settings.reader import absolute
from ..settings.render.prose import flag_help, plain
from ..settings.sections import rows

# An attribute that no other argument of a parser can have.
_MARK = "setting "


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Adds a flag for every setting that may be given as one."""
    group = parser.add_argument_group("settings", "They go over what files say; corn.toml(5) tells more.")
    for row in rows():
        if not row.flag:
            continue
        text = plain(flag_help(row)).replace("%", "%%")
        name = _MARK + row.key
        if row.kind.is_switch:
            group.add_argument(row.flag, dest=name, action="store_const", const="yes", help=text)
            group.add_argument(f"--no-{row.flag[2:]}", dest=name, action="store_const", const="no",
                               help="the contrary")  # fmt: skip
        else:
            group.add_argument(row.flag, dest=name, action="append", metavar=row.kind.metavar, help=text)


def given(options: argparse.Namespace) -> dict[str, str | list[str]]:
    """What was given on the command line, as load() and from_flags() take it; its paths are absolute, as a
    reload may find the directory in which they were typed gone."""
    paths = {row.key for row in rows() if row.kind.is_path}
    marked = (
        (name.removeprefix(_MARK), value) for name, value in vars(options).items() if name.startswith(_MARK)
    )
    return {
        key: [absolute(text, key) if text else text for text in value] if key in paths else value
        for key, value in marked
        if value is not None
    }
