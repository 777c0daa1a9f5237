"""Fails in the way that the path names: /before, /within, /close, /exit, /kill."""

import os
import signal


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/before":
        raise RuntimeError("before the head")
    if path == "/exit":
        raise SystemExit(3)
    if path == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/within":
        start_response("200 OK", [])
        return within()
    if path == "/close":
        start_response("200 OK", [])
        return FailsToClose()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"unharmed\n"]


def within():
    yield b"half of it"
    raise RuntimeError("within the body")


class FailsToClose:
    def __iter__(self):
        yield b"whole"

    def close(self):
        raise RuntimeError("in close")
