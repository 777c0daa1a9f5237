"""Breaks the rules in the way that the path names."""


def application(environ, start_response):
    path = environ["PATH_INFO"].lstrip("/")
    return globals()[path.replace("-", "_")](start_response)


def too_long(start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello", b" HTTP/1.1 200 OK\r\n\r\n"]


def too_short(start_response):
    start_response("200 OK", [("Content-Length", "50")])
    return [b"hello"]


def too_long_in_pieces(start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return iter([b"hel", b"lo HTTP/1.1 200 OK\r\n\r\n"])


def splitting(start_response):
    start_response("200 OK", [("X", "a\r\nSet-Cookie: b")])
    return [b"hello"]


def no_reason(start_response):
    start_response("200", [])
    return [b"hello"]


def hop_by_hop(start_response):
    start_response("200 OK", [("Connection", "close")])
    return [b"hello"]


def text(start_response):
    start_response("200 OK", [])
    return ["hello"]


def silent(start_response):
    return [b"hello"]


def twice(start_response):
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b"hello"]
