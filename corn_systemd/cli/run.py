"""`corn run MODULE:CALLABLE`: an application without any file, as one tries things out."""

import argparse

from ..settings.kinds import Address
from ..settings.load import Loaded, from_flags
from . import flags, place
from .launch import launch

DEFAULT = Address("tcp4", "127.0.0.1", 8000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("app", metavar="MODULE:CALLABLE", help="the WSGI application, for example hello:app")
    parser.add_argument(
        "--name", help="the name of the instance, for `corn status`; without it the module's", default=""
    )
    flags.add_settings(parser)


def run(options: argparse.Namespace) -> int:
    """Runs until Ctrl-C. The application's modules are found from the current directory."""
    given = flags.given(options)
    name = _free(options.name or from_flags(options.app, given).settings.name)

    def read() -> Loaded:
        return from_flags(options.app, given, name)

    return launch(name, read, DEFAULT)


def _free(name: str) -> str:
    """The name, with a number behind it where an instance of that name is running; ours from now on."""
    names = (name, *(f"{name}-{number}" for number in range(2, 100)))
    return next((one for one in names if place.claim(place.own(one))), name)
