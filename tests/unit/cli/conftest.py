"""A control socket with nobody but a script behind it."""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

# No machine that runs these tests has such an instance.
NAME = "shop-of-the-tests"

Parts = Callable[[], Iterable[bytes]]


class Control:
    """Answers each question as it was told to, and remembers what was asked."""

    def __init__(self, path: Path) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, tuple[int, Parts]] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def says(self, question: str, value: dict[str, Any], status: int = 200) -> None:
        """The answer to "GET /jobs" and the like."""
        body = json.dumps(value).encode() + b"\n"
        head = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._answers[question] = status, lambda: [head + body]

    def streams(self, question: str, parts: Parts) -> None:
        """An answer in parts, each sent when the one before has been: bytes, of lines of JSON."""
        head = b"Content-Type: application/x-ndjson\r\n\r\n"
        self._answers[question] = 200, lambda: chain([head], parts())

    def close(self) -> None:
        # close(2) does not wake who waits in accept(2).
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        heard = b""
        while b"\r\n\r\n" not in heard:
            data = client.recv(4096)
            if not data:
                return
            heard += data
        question = heard.decode().partition(" HTTP/1.1\r\n")[0]
        self.asked.append(question)
        status, parts = self._answers.get(question, (404, lambda: [b"Content-Length: 3\r\n\r\n{}\n"]))
        try:
            client.sendall(b"HTTP/1.1 %d X\r\nConnection: close\r\n" % status)
            for part in parts():
                client.sendall(part)
        except OSError:
            return


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """The control socket of an instance called NAME."""
    directory = tmp_path / "corn" / NAME
    directory.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    control = Control(directory / "control")
    yield control
    control.close()
