"""Asking a running instance over its control socket."""

import http.client
import json
import os
import socket
from typing import Any

from ..errors import CornError, Unavailable
from . import place


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("corn", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(instance: str, method: str, path: str, timeout: float | None = 10.0) -> tuple[int, dict[str, Any]]:
    """(HTTP status, JSON) of one question; Unavailable when nobody answers, with what to do."""
    errors = []
    for directory in place.candidates(instance):
        control = os.path.join(directory, "control")
        connection = _Connection(control, timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            value: dict[str, Any] = json.loads(response.read())
            return response.status, value
        except FileNotFoundError:
            continue
        except ConnectionRefusedError:
            errors.append(f"{control} is of a master that has ended")
        except PermissionError:
            raise CornError(f"{control}: permission denied; ask as root or as the instance's user") from None
        except (TimeoutError, OSError, http.client.HTTPException, ValueError) as error:
            raise Unavailable(
                f"{control}: {error or type(error).__name__}; is the instance stuck?"
            ) from error
        finally:
            connection.close()
    cause = "; ".join(errors) or "there is no control socket of that name"
    raise Unavailable(
        f"instance {instance!r} does not run: {cause}; systemctl status corn@{instance} says more"
    )
