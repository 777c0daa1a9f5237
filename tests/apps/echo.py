"""Answers with the request: its body, or with ?environ its environ, a line each."""


def application(environ, start_response):
    if environ["QUERY_STRING"] == "environ":
        lines = [f"{key}={value!r}\n" for key, value in sorted(environ.items())]
        body = "".join(lines).encode()
    else:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
