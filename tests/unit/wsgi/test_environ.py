import io
import sys

from corn_systemd.http.lines import limits
from corn_systemd.http.request import RequestHead, parse
from corn_systemd.wsgi.environ import base, environ, peer_of, server_of, unchunk

BASE = base(("shop", "8080"), sys.stderr, multiprocess=True)


def head(data: bytes) -> RequestHead:
    return parse(data, limits(0, 0, 0, 0))


def test_a_request_becomes_its_environ() -> None:
    body = io.BytesIO(b"hello")
    made = environ(
        BASE,
        ("10.0.0.1", "5555"),
        head(
            b"POST /caf%C3%A9?q=%41 HTTP/1.1\r\nHost: a\r\nContent-Type: x/y\r\n"
            b"Content-Length: 5\r\nX-A: b\r\n\r\n"
        ),
        body,
        "7f-1",
        0.25,
    )
    assert made == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/cafÃ©",
        "QUERY_STRING": "q=%41",
        "REQUEST_URI": "/caf%C3%A9?q=%41",
        "CONTENT_TYPE": "x/y",
        "CONTENT_LENGTH": "5",
        "SERVER_NAME": "shop",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "corn",
        "REMOTE_ADDR": "10.0.0.1",
        "REMOTE_PORT": "5555",
        "HTTP_HOST": "a",
        "HTTP_X_A": "b",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": BASE["wsgi.file_wrapper"],
        "wsgi.input_terminated": True,
        "REQUEST_ID": "7f-1",
        "corn.wait": 0.25,
    }


def test_one_request_leaves_nothing_to_the_next() -> None:
    sent = head(b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")
    first = environ(BASE, ("", ""), sent, io.BytesIO(), "1", 0.0)
    first["SCRIPT_NAME"] = "/changed"
    second = environ(BASE, ("", ""), head(b"GET /b HTTP/1.0\r\n\r\n"), io.BytesIO(), "2", 0.0)
    assert "HTTP_X" not in second
    assert second["SCRIPT_NAME"] == ""
    assert second["SERVER_PROTOCOL"] == "HTTP/1.0"
    assert second["REMOTE_ADDR"] == ""
    assert "REMOTE_PORT" not in second


def test_no_client_can_set_what_is_not_a_field() -> None:
    sent = head(b"GET / HTTP/1.1\r\nHost: a\r\nRemote-Addr: 1.1.1.1\r\nRemote_Addr: 2.2.2.2\r\n\r\n")
    made = environ(BASE, ("10.0.0.1", ""), sent, io.BytesIO(), "1", 0.0)
    assert made["REMOTE_ADDR"] == "10.0.0.1"
    assert "REMOTE_PORT" not in made


def test_addresses_are_told_as_cgi_does() -> None:
    assert server_of(("127.0.0.1", 80)) == ("127.0.0.1", "80")
    assert server_of(("::1", 80, 0, 0)) == ("::1", "80")
    assert server_of("/run/x.sock") == ("localhost", "80")
    assert peer_of(("1.2.3.4", 5)) == ("1.2.3.4", "5")
    assert peer_of(("::1", 5, 0, 0)) == ("::1", "5")
    assert peer_of(("fe80::1%eth0", 5, 0, 2)) == ("fe80::1", "5")
    assert peer_of(("::ffff:1.2.3.4", 5, 0, 0)) == ("1.2.3.4", "5")
    assert peer_of("") == ("", "")
    assert peer_of(b"") == ("", "")


def test_a_body_in_chunks_gets_a_length() -> None:
    fields = {"HTTP_TRANSFER_ENCODING": "chunked", "HTTP_TRAILER": "X", "HTTP_X": "y"}
    unchunk(fields, 7)
    assert fields == {"HTTP_X": "y", "CONTENT_LENGTH": "7"}
