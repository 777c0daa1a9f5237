"""`corn reload NAME`: asks the master for a new generation and waits for the outcome."""

import argparse
import sys

from .ask import ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="NAME|FILE")
    parser.add_argument(
        "--wait", action="store_true", help="wait for the outcome; it always does, the option says so aloud"
    )


def run(options: argparse.Namespace) -> int:
    status, outcome = ask(options.instance, "POST", "/reload", timeout=None)
    if status == 200:
        print(f"reloaded: generation {outcome['generation']} serves")
        return 0
    print(f"corn: reload failed, nothing has changed: {outcome['error']}", file=sys.stderr)
    if outcome.get("traceback"):
        print(outcome["traceback"].rstrip(), file=sys.stderr)
    return 1
