"""wsgiref.validate between the gateway and the example applications finds nothing, on either side."""

import importlib
import warnings
from wsgiref.validate import validator

import pytest

from .calling import call

REQUESTS = [
    ("hello", "/"),
    ("echo", "/"),
    ("echo", "/?environ"),
    ("slow", "/?0"),
    ("streaming", "/bytes?3"),
    ("streaming", "/pieces?3"),
    ("streaming", "/write?3"),
    ("streaming", "/buffer?3"),
    ("crashing", "/"),
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize(("name", "target"), REQUESTS)
def test_the_validator_finds_nothing(name: str, target: str, version: str, method: str) -> None:
    application = importlib.import_module(f"tests.apps.{name}").application
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sink, exchange = call(
            validator(application),
            f"{method} {target} {version}",
            "Content-Type: text/plain",
            "Content-Length: 5",
            body=b"hello",
        )
    assert exchange.failure is None, exchange.failure
    assert exchange.complaint == ""
    assert exchange.is_done
    assert sink.data.startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_validator_would_have_found_something() -> None:
    _, exchange = call(validator(lambda environ, start_response: ["text"]))
    assert isinstance(exchange.failure, AssertionError)
