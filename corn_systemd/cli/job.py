"""`corn job run|pause|resume NAME JOB`: one job, by hand.

Decides nothing: the master says what there is and what became of it. With --wait what a job prints comes
here as it would from a program, and so does its exit status.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote

from ..errors import CornError, Unavailable
from ..settings.verbs import VERBS
from .ask import ask, ask_for_lines
from .times import span

_OUTLOOKS = {
    "scheduled": "is scheduled",
    "paused": "is paused, until `corn job resume`",
    "disabled": "is disabled in the settings (enabled = false), and stays so",
    "suspended": "is suspended, until `corn job resume`",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    for name, text in next(verb.deeds for verb in VERBS if verb.name == "job"):
        deed = deeds.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        deed.add_argument("instance", metavar="NAME|FILE")
        deed.add_argument("job", metavar="JOB", help="its name, as `corn jobs` shows it")
        if name == "run":
            deed.add_argument(
                "--wait",
                action="store_true",
                help="print what the job prints until it ends, and exit with its status",
            )


def run(options: argparse.Namespace) -> int:
    if options.deed == "run":
        return _wait(options) if options.wait else _begin(options)
    status, answer = ask(options.instance, "POST", _path(options))
    _refuse(status, answer, options)
    print(f"{options.job} {_OUTLOOKS.get(answer['outlook'], answer['outlook'])}")
    return 0


def _begin(options: argparse.Namespace) -> int:
    status, answer = ask(options.instance, "POST", _path(options))
    _refuse(status, answer, options)
    print(f"{options.job} runs; journalctl -f CORN_RUN={answer['run']} shows it")
    return 0


def _wait(options: argparse.Namespace) -> int:
    """Prints what the job prints until it ends; returns its exit status."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        status, values = ask_for_lines(options.instance, "POST", _path(options) + "?wait=1")
        if status != 200:
            _refuse(status, next(values, {}), options)
        return _follow(values, options)
    except KeyboardInterrupt:
        # Who waits is interrupted, not the job. To whoever called us it shall look like what it is.
        print(
            f"corn: no longer waiting; {options.job} goes on: corn jobs {options.instance} shows how it ends",
            file=sys.stderr,
        )
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
        raise


def _follow(values: Iterator[dict[str, Any]], options: argparse.Namespace) -> int:
    for value in _eagerly(values):
        if "line" in value:
            _print(value["line"])
        elif "outcome" in value:
            return _tell(value, options)
        elif "error" in value:
            raise Unavailable(f"{options.job} was not run: {value['error']}")
        else:
            print("corn: a line is lost here; the journal has it", file=sys.stderr)
    raise Unavailable(
        f"instance {options.instance!r} has gone, and nobody tells how {options.job} ended: "
        f"journalctl CORN_JOB={options.job} may"
    )


def _eagerly(values: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The same, taken from the socket by a thread as they come: a job leaves who does not read behind, and
    `| less` shall see all. What waits for a reader is kept in memory, however much it is."""
    waiting: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def take() -> None:
        try:
            for value in values:
                waiting.put(value)
        finally:
            waiting.put(None)

    threading.Thread(target=take, daemon=True).start()
    while (value := waiting.get()) is not None:
        yield value


def _print(line: str) -> None:
    """As the job has printed it, and at once. Who has stopped reading still wants the exit status."""
    try:
        sys.stdout.buffer.write(line.encode("utf-8", "replace") + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())


def _tell(outcome: dict[str, Any], options: argparse.Namespace) -> int:
    """Says how the job ended; returns its exit status."""
    how = outcome["outcome"]
    said = f"{options.job}: {how} after {span(outcome.get('real', 0))}, {span(outcome.get('cpu', 0))} of CPU"
    if outcome.get("detail"):
        said += f": {outcome['detail']}"
    if how != "done":
        said += f"; journalctl CORN_JOB={options.job} tells more"
    print(said, file=sys.stderr)
    if how == "done":
        return 0
    return (outcome.get("status", 1) & 0xFF or 1) if how == "failed" else 1


def _path(options: argparse.Namespace) -> str:
    return f"/jobs/{quote(options.job, safe='')}/{options.deed}"


def _refuse(status: int, answer: dict[str, Any], options: argparse.Namespace) -> None:
    """Raises what an answer means that is none of success."""
    if status == 404:
        raise CornError(_unknown(options, str(answer.get("error", ""))))
    if status == 503:
        raise Unavailable(str(answer.get("error", "the instance refuses for now")))
    if status >= 300:
        raise CornError(str(answer.get("error", f"the instance answers {status}")))


def _unknown(options: argparse.Namespace, error: str) -> str:
    """The sentence for a job that is not there."""
    import difflib

    status, report = ask(options.instance, "GET", "/jobs")
    if status != 200:
        return error  # the master is older than this program
    names = [job["name"] for job in report["jobs"]]
    if not names:
        return f"{report['instance']} has no jobs; corn jobs {options.instance} says how to add one"
    close = difflib.get_close_matches(options.job.lower().replace("_", "-"), names, 1, 0.6)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"{report['instance']} has no job {options.job!r}; {meant}Its jobs are: {', '.join(names)}"
