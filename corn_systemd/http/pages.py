"""The pages that corn itself answers with: one for each status, in the form the client would rather have.

They never say anything about the inside of the application.
"""

REASONS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    417: "Expectation Failed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}

_HTML = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{status} {reason}</title></head>
<body><h1>{reason}</h1><p>{detail}</p></body></html>
"""


def page(
    status: int,
    detail: str = "",
    accept: str = "",
    date: str = "",
    connection: str = "Connection: close\r\n",
    *,
    is_head: bool = False,
) -> bytes:
    """A whole answer. `detail` is our own words, `date` and `connection` are lines or nothing."""
    reason = REASONS[status]
    detail = detail or reason
    if "application/problem+json" in accept or "application/json" in accept:
        # RFC 9457. Our words hold nothing that JSON would want escaped; a test holds them to it.
        kind = "application/problem+json"
        text = f'{{"status": {status}, "title": "{reason}", "detail": "{detail}"}}\n'
    elif "text/html" in accept:
        kind, text = "text/html; charset=utf-8", _HTML.format(status=status, reason=reason, detail=detail)
    else:
        kind, text = "text/plain; charset=utf-8", f"{status} {reason}: {detail}\n"
    body = text.encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\n{date}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Cache-Control: no-store\r\n{connection}\r\n"
    )
    return head.encode() + (b"" if is_head else body)
