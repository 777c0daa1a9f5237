"""Asking a running instance over its control socket."""

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from ..errors import CornError, Unavailable
from . import place
from .asleep import asleep


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("corn", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(instance: str, method: str, path: str, timeout: float | None = 10.0) -> tuple[int, dict[str, Any]]:
    """(HTTP status, JSON) of one question; Unavailable when nobody answers, with what to do (Asleep: nothing
    needs to be done)."""
    connection = _connected(instance, timeout)
    with closing(connection), _blaming(connection.path):
        connection.request(method, path)
        response = connection.getresponse()
        value: dict[str, Any] = json.loads(response.read())
        return response.status, value


def ask_for_lines(instance: str, method: str, path: str) -> tuple[int, Iterator[dict[str, Any]]]:
    """(HTTP status, one JSON after the other, as they come) of a question whose answer takes its time. They
    end also when the instance has gone, and who misses the last one knows it. What is no JSON is told as an
    empty one: a line may be torn."""
    connection = _connected(instance, None)
    with _blaming(connection.path):
        connection.request(method, path)
        response = connection.getresponse()
    return response.status, _values(connection, response)


def _values(connection: _Connection, response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    with closing(connection), closing(response):
        try:
            for line in filter(bytes.strip, response):
                yield _value(line)
        except (OSError, http.client.HTTPException):
            return


def _value(line: bytes) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(line)
    except ValueError:
        return {}
    return value


def _connected(instance: str, timeout: float | None) -> _Connection:
    errors = []
    for directory in place.candidates(instance):
        connection = _Connection(os.path.join(directory, "control"), timeout)
        try:
            with _blaming(connection.path):
                connection.connect()
                return connection
        except FileNotFoundError:
            connection.close()
        except ConnectionRefusedError:
            connection.close()
            errors.append(f"{connection.path} is of a master that has ended")
    if (sleeper := asleep(instance)) is not None:
        raise sleeper
    cause = "; ".join(errors) or "there is no control socket of that name"
    raise Unavailable(
        f"instance {instance!r} does not run: {cause}; systemctl status corn@{instance} says more"
    )


@contextmanager
def _blaming(control: str) -> Iterator[None]:
    """What goes wrong with somebody at the other end; that there is none is the caller's to tell."""
    try:
        yield
    except (FileNotFoundError, ConnectionRefusedError):
        raise
    except PermissionError:
        raise CornError(f"{control}: permission denied; ask as root or as the instance's user") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"{control}: {error or type(error).__name__}; is the instance stuck?") from error
