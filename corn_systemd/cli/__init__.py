"""The door: `corn VERB …`. Parses, calls, prints, and is the only place that turns an error into a status."""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import CornError
from ..settings import verbs as table

VERBS = {verb.name: verb.help for verb in table.VERBS}
_EPILOG = "corn(1) and corn.toml(5) say more. An instance is named, or given as the path of its file."


def parser(verb: str | None = None) -> argparse.ArgumentParser:
    """The parser, with the arguments of one verb, or of none."""
    top = argparse.ArgumentParser(
        prog="corn",
        description="A prefork WSGI application server that is a true systemd daemon.",
        epilog=_EPILOG,
    )
    top.add_argument("--version", action="version", version=f"corn-systemd {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=_EPILOG)
        if name == verb:
            # Only the module of the verb that is called is imported: starting is what must be quick.
            module = importlib.import_module(f".{name}", __name__)
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; returns the exit status (corn(1))."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Ctrl-C ends whatever has not begun to listen to it, without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_standard_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((word for word in words if word in VERBS), None)
    options = parser(verb).parse_args(words)
    try:
        status: int = options.run(options)
    except CornError as error:
        for line in str(error).splitlines():
            print(f"corn: {line}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        # Whoever read our output (head, less) has seen enough.
        sys.stderr.close()
        return 0
    return status


def _open_standard_streams() -> None:
    """Puts /dev/null where a standard stream is closed: the next file or socket would get its number, and
    whatever somebody prints."""
    for fd, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest number that is free: this one, as those below are open by now.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            stream = os.fdopen(fd, mode, encoding="utf-8", errors="backslashreplace", closefd=False)
            setattr(sys, name, stream)
