"""`corn serve NAME|FILE`: what the unit corn@NAME.service runs."""

import argparse

from ..errors import ConfigError
from ..settings.load import Loaded, is_file, load
from ..settings.reader import absolute
from . import flags
from .launch import launch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "instance", metavar="NAME|FILE", help="its name in /etc/corn, or the path of its file"
    )
    flags.add_settings(parser)


def run(options: argparse.Namespace) -> int:
    """Runs until it is stopped; the file and its drop-ins are read anew for every reload."""
    name = options.instance.rpartition("/")[2].removesuffix(".toml")
    given = flags.given(options)
    if not name:
        raise ConfigError(f"{options.instance!r} is no instance: give a NAME or the path of a .toml file")
    # Once, for all reloads: the directory from which it was started need not outlive this moment.
    instance = absolute(options.instance) if is_file(options.instance) else options.instance

    def read() -> Loaded:
        return load(instance, given)

    return launch(name, read)
