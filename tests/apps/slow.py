"""Takes as many seconds as the query says (?0.5), asleep or, with ?spin=0.5, busy."""

import time


def application(environ, start_response):
    name, _, value = environ["QUERY_STRING"].rpartition("=")
    seconds = float(value or 1)
    if name == "spin":
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
    else:
        time.sleep(seconds)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"at last\n"]
