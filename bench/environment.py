"""What the bench needs: wrk, and the peers in an environment of their own outside the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from .servers import Server

REPOSITORY = Path(__file__).resolve().parent.parent
PYTHON = os.environ.get("PYTHON") or "/usr/bin/python3"
_HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_CACHE = Path(os.environ.get("CORN_CACHE") or _HOME / "corn-systemd")
# uWSGI and bjoern have no wheels.
_PACKAGES = ("wrk", "python3-venv", "python3-dev", "gcc", "libev-dev")


def prepare(servers: Iterable[Server]) -> tuple[Path, dict[str, str]]:
    """The environment's bin directory, and for each server that can not be had, why."""
    apt = str(REPOSITORY / "scripts" / "apt-install")
    if subprocess.run([apt, *_PACKAGES]).returncode and subprocess.run([apt, "wrk"]).returncode:
        sys.exit("bench: wrk is missing and can not be installed")
    home = _CACHE / "bench-venv"
    if not (home / "bin" / "python").exists():
        subprocess.run([PYTHON, "-m", "venv", str(home)], check=True)
    missing = {server.name: why for server in servers if server.package and (why := _bring(home, server))}
    return home / "bin", missing


def _bring(home: Path, server: Server) -> str:
    """Installs one peer; returns why it could not."""
    if version(home / "bin", server):
        return ""
    print(f"bench: installing {server.package}", file=sys.stderr, flush=True)
    command = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", server.package]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0 and version(home / "bin", server):
        return ""
    lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    return (lines or ["pip failed"])[-1].strip()


def version(bin: Path, server: Server) -> str:
    """The version of the server, empty when it is not installed."""
    package = server.package or "corn-systemd"
    python = str(bin / "python") if server.package else sys.executable
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
