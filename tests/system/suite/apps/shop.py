"""The application of most tests: says who it is, what it can import, and can be slow in several ways."""

import importlib.util
import json
import os
import sys
import time

if os.environ.get("SHOP_IMPORT_SECONDS"):
    time.sleep(float(os.environ["SHOP_IMPORT_SECONDS"]))
if os.environ.get("SHOP_IMPORTED"):
    with open(os.environ["SHOP_IMPORTED"], "a") as file:
        file.write(f"{os.getpid()}\n")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    answer = "shop\n"
    if path == "/who":
        answer = json.dumps({"pid": os.getpid(), "prefix": sys.prefix, "path": sys.path})
    elif path.startswith("/can-import/"):
        answer = str(importlib.util.find_spec(path.rpartition("/")[2]) is not None)
    elif path.startswith("/sleep/"):
        time.sleep(float(path.rpartition("/")[2]))
    elif path == "/deep":
        sorted(range(-40_000_000, 0), key=lambda number: 0)  # seconds in C with the GIL held
    elif path == "/lock":
        # One call of C that never looks whether another thread waits for the interpreter.
        sum(range(10**12))
    elif path == "/write":
        with open(os.path.join(os.environ["STATE_DIRECTORY"], "data"), "w") as file:
            file.write("kept\n")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer.encode()]


def speak():
    print("spoken by", os.getpid())


def leave(status):
    sys.exit(status)


def sleep():
    time.sleep(600)
