"""Who answers: each server is a row, one worker unless told otherwise, tuned as its manual says."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

APPLICATION = "bench.application:application"

_BJOERN = (
    "import bjoern; from bench.application import application; bjoern.run(application, '127.0.0.1', {port})"
)


@dataclass(frozen=True)
class Server:
    """One column of the table.

    `command(bin, port, workers)` is what starts it, `bin` being the directory of the bench's environment.
    """

    name: str
    title: str
    command: Callable[[Path, int, int], Sequence[str]]
    package: str = ""
    has_workers: bool = True
    says_ready: bool = False
    # An answer without a length ends with the connection: wrk counts each of them as a read error too.
    ends_by_closing: bool = False
    # Whether thousands of clients may stay connected: waitress takes 100, gunicorn and uWSGI keep none
    # as they are started here, granian with its one thread stops answering.
    keeps_alive: bool = False


def _corn(bin: Path, port: int, workers: int) -> Sequence[str]:
    # The application runs in the same interpreter as under the others; the master in corn's own.
    return [
        *(sys.executable, "-m", "corn_systemd", "run", APPLICATION),
        *("--listen", f"127.0.0.1:{port}", "--workers", str(workers), "--python", str(bin / "python")),
    ]


# What `limits` costs is seen by what it is without any of them.
_UNLIMITED = [
    *("--limits-time-real", "0", "--limits-time-cpu", "0", "--limits-memory-soft", "0"),
    *("--limits-memory-hard", "0", "--limits-request", "0"),
]


def _unlimited(bin: Path, port: int, workers: int) -> Sequence[str]:
    return [*_corn(bin, port, workers), *_UNLIMITED]


def _gunicorn(bin: Path, port: int, workers: int) -> Sequence[str]:
    return [
        *(str(bin / "gunicorn"), "-b", f"127.0.0.1:{port}", "-w", str(workers), "-k", "sync"),
        *("--no-control-socket", "--log-level", "error", APPLICATION),
    ]


def _granian(bin: Path, port: int, workers: int) -> Sequence[str]:
    return [
        *(str(bin / "granian"), "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", "1", "--http", "1", "--no-ws"),
        *("--log-level", "error", APPLICATION),
    ]


def _uwsgi(bin: Path, port: int, workers: int) -> Sequence[str]:
    # --http-socket has no keep-alive, and costs least all the same: 29 µs where --http11-socket took 50 and
    # the router of --http with --http-keepalive 105. It doesn't say that it closes, so the header says it.
    return [
        *(str(bin / "uwsgi"), "--http-socket", f"127.0.0.1:{port}", "--add-header", "Connection: close"),
        *("--master", "--processes", str(workers), "--module", APPLICATION, "--disable-logging"),
        *("--virtualenv", str(bin.parent), "--die-on-term", "--need-app"),
    ]


def _waitress(bin: Path, port: int, workers: int) -> Sequence[str]:
    # Four threads are its default; with one it costs no less.
    return [str(bin / "waitress-serve"), f"--listen=127.0.0.1:{port}", APPLICATION]


def _bjoern(bin: Path, port: int, workers: int) -> Sequence[str]:
    return [str(bin / "python"), "-c", _BJOERN.format(port=port)]


SERVERS: tuple[Server, ...] = (
    Server("corn", "corn", _corn, says_ready=True, keeps_alive=True),
    Server("unlimited", "corn, no limits", _unlimited, says_ready=True, keeps_alive=True),
    Server("gunicorn", "gunicorn (sync)", _gunicorn, "gunicorn", says_ready=True),
    Server("granian", "granian", _granian, "granian"),
    Server("uwsgi", "uWSGI", _uwsgi, "uwsgi", says_ready=True, ends_by_closing=True),
    Server("waitress", "waitress", _waitress, "waitress", has_workers=False),
    Server("bjoern", "bjoern", _bjoern, "bjoern", has_workers=False, keeps_alive=True),
)
