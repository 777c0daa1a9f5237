"""`corn reload NAME`: asks the master for a new generation and waits for the outcome."""

import argparse
import sys

from ..settings.load import load
from .ask import ask
from .asleep import Asleep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="NAME|FILE")
    parser.add_argument(
        "--wait", action="store_true", help="wait for the outcome; it always does, the option says so aloud"
    )


def run(options: argparse.Namespace) -> int:
    try:
        status, outcome = ask(options.instance, "POST", "/reload", timeout=None)
    except Asleep as sleeper:
        # What is wrong with its settings is told now, not when somebody comes.
        load(options.instance)
        print(
            f"{sleeper.name} sleeps: it starts with the code and the settings that are there by then; "
            f"to have it wake for a job that is new: systemctl start corn@{sleeper.name}"
        )
        return 0
    if status == 200:
        print(f"reloaded: generation {outcome['generation']} serves")
        return 0
    print(f"corn: reload failed, nothing has changed: {outcome['error']}", file=sys.stderr)
    if outcome.get("traceback"):
        print(outcome["traceback"].rstrip(), file=sys.stderr)
    return 1
