"""Notes each request and each run of a job in files that it opens when it is imported: it can
also where descriptors have run out."""

import os
import time

HANDLED, RUNS = (os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) for name in ("handled", "runs"))


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    os.write(HANDLED, name.encode() + b"\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [name.encode()]


def work():
    run = os.environb[b"CORN_RUN"]
    os.write(RUNS, b"begun %s\n" % run)
    time.sleep(0.2)
    os.write(RUNS, b"ended %s\n" % run)
