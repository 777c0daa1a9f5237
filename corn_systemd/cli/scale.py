"""`corn scale NAME N`: so many workers from now on, until the next reload."""

import argparse
import sys
from urllib.parse import quote

from .ask import ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance", metavar="NAME|FILE")
    parser.add_argument("workers", metavar="N|auto", help="how many workers; auto is what the settings say")


def run(options: argparse.Namespace) -> int:
    status, answer = ask(options.instance, "POST", f"/scale?workers={quote(options.workers)}")
    if status == 200:
        print(_outcome(answer["workers"], answer))
        return 0
    print(f"corn: not scaled: {answer['error']}", file=sys.stderr)
    return 2 if status == 400 else 1


def _outcome(workers: int, answer: dict[str, object]) -> str:
    if answer["is_by_hand"]:
        return f"{workers} workers are wanted, until the next reload"
    if answer["min"] == answer["max"]:
        return f"{workers} workers are wanted, as the settings say"
    return f"{workers} workers are wanted now, {answer['min']} to {answer['max']} by what there is to do"
