"""Long answers in the ways there are: /bytes, /pieces (?count), /write, /file, /endless."""

import io
import os

PIECE = b"0123456789abcdef" * 512
CONTENT = [("Content-Type", "application/octet-stream")]


def application(environ, start_response):
    path = environ["PATH_INFO"]
    count = int(environ["QUERY_STRING"] or 64)
    if path == "/write":
        write = start_response("200 OK", list(CONTENT))
        for _ in range(count):
            write(PIECE)
        return []
    start_response("200 OK", list(CONTENT))
    if path == "/bytes":
        return [PIECE * count]
    if path == "/file":
        return environ["wsgi.file_wrapper"](_file(count))
    if path == "/buffer":
        return environ["wsgi.file_wrapper"](io.BytesIO(PIECE * count))
    if path == "/endless":
        return endless()
    return pieces(count)


def pieces(count):
    for _ in range(count):
        yield PIECE


def endless():
    while True:
        yield PIECE


def _file(count):
    file = os.fdopen(os.memfd_create("answer"), "w+b")
    file.write(PIECE * count)
    file.seek(0)
    return file
