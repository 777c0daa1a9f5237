"""Every way in which corn is known to differ from h11 or httptools, and why it does.

Each row has an example that shows it, so that a row that has outlived its reason fails. Where both sides go
on and would see different requests behind (`WRONG`), only the opponent's fault by the RFC is an excuse.
"""

import re
from dataclasses import dataclass

from .comparing import CORN_ACCEPTS, CORN_REFUSES, KEEPS, SMUGGLING, SWITCH, Disagreement

BOTH = ("h11", "httptools")
H11 = ("h11",)
HTTPTOOLS = ("httptools",)


@dataclass(frozen=True)
class Row:
    kind: str
    opponents: tuple[str, ...]
    reason: str
    """What the one who refuses says, as an expression."""
    clause: str
    why: str
    example: bytes
    where: bytes = b""
    """An expression to be found in the bytes."""

    def explains(self, difference: Disagreement) -> bool:
        refusing = difference.corn if self.kind == CORN_REFUSES else difference.other
        return (
            difference.kind == self.kind
            and difference.opponent in self.opponents
            and re.match(self.reason, refusing.reason) is not None
            and re.search(self.where, difference.data) is not None
        )


def ask(line: bytes = b"GET / HTTP/1.1", fields: bytes = b"Host: a\r\n", body: bytes = b"") -> bytes:
    return line + b"\r\n" + fields + b"\r\n" + body


def post(fields: bytes, body: bytes = b"hello") -> bytes:
    return ask(b"POST / HTTP/1.1", b"Host: a\r\n" + fields, body)


def chunks(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


STRICTER = (
    # Lines.
    Row(CORN_REFUSES, H11, "bare LF", "RFC 9112, 2.2",
        "A recipient MAY take a lone LF for a line's end; who takes it sees other lines than who does not.",
        b"GET / HTTP/1.1\nHost: a\n\n"),
    Row(CORN_REFUSES, HTTPTOOLS, "bare LF|bad request line", "RFC 9112, 2.2",
        "One empty line (CRLF) before a request is forgiven; not more, and no lone CR or LF.",
        b"\n\r" + ask(), rb"\A(?:\r\n)?[\r\n]"),
    Row(CORN_REFUSES, HTTPTOOLS, "bad request line|bad HTTP version", "RFC 9112, 3",
        "One space and no more: who parses on blanks may find another target.",
        ask(b"GET  / HTTP/1.1"), rb"\A(?:\r\n)?(?:[^ \r\n]+ {2,}|[^ \r\n]+ [^ \r\n]+ {2,})[^ \r\n]"),
    Row(CORN_REFUSES, HTTPTOOLS, "bad request line|bare LF", "RFC 9112, 3",
        "A request line without a version is HTTP/0.9, which ends with an answer without a head.",
        b"GET /\r\nHost: a\r\n\r\n", rb"\A(?:\r\n)?[^ \r\n]+ +[^ \r\n]* *\r?\n"),
    Row(CORN_REFUSES, HTTPTOOLS, "bad HTTP version", "RFC 9112, 2.3",
        "RTSP and ICE (icecast) are other protocols.",
        ask(b"OPTIONS / RTSP/1.0"), rb"\A(?:\r\n)?[^ \r\n]+ [^ \r\n]+ (?:RTSP|ICE)/"),
    Row(CORN_REFUSES, BOTH, "this server speaks HTTP/1.1 and HTTP/1.0", "RFC 9110, 15.6.6",
        "505 for versions whose rules are not ours; HTTP/0.9 and 2.0 are never sent in this form.",
        ask(b"GET / HTTP/2.0")),
    # Methods and targets.
    Row(CORN_REFUSES, BOTH, "this server is no proxy", "RFC 9110, 9.3.6",
        "CONNECT asks for a tunnel: an origin server that has none answers 501.",
        ask(b"CONNECT a:80 HTTP/1.1")),
    Row(CORN_REFUSES, BOTH, "bad target", "RFC 9112, 3.2",
        "Only the four forms; no fragment, no quote or angle bracket, no asterisk but for OPTIONS.",
        ask(b"GET /#a HTTP/1.1")),
    Row(CORN_REFUSES, BOTH, "bad host in the target", "RFC 9110, 4.2.1 and 4.2.4",
        "No empty host, no user, nothing that could be taken for the end of the host (as with Host).",
        ask(b"GET http://u@a/ HTTP/1.1")),
    Row(CORN_REFUSES, BOTH, "bad escape in the target", "RFC 3986, 2.1",
        "A percent sign without two hexadecimal digits has no meaning; %00 ends a path in C.",
        ask(b"GET /%zz HTTP/1.1")),
    # Host.
    Row(CORN_REFUSES, BOTH, "bad Host", "RFC 9112, 3.2",
        "400 for an invalid Host. Narrower than RFC 3986, 3.2.2 by sub-delims, escapes and IPvFuture, which "
        "no client sends: applications build links and choose tenants by it.",
        ask(fields=b"Host: a/b\r\n")),
    Row(CORN_REFUSES, HTTPTOOLS, "no Host", "RFC 9112, 3.2", "400 for HTTP/1.1 without Host.",
        ask(fields=b"X: a\r\n")),
    Row(CORN_REFUSES, HTTPTOOLS, "more than one Host", "RFC 9112, 3.2", "400 for more than one Host.",
        ask(fields=b"Host: a\r\nHost: b\r\n")),
    # Fields.
    Row(CORN_REFUSES, H11, "bad header field", "RFC 9112, 5.2",
        "A line folded from the one before: a server MUST refuse it or unfold it.",
        ask(fields=b"Host: a\r\nX: a\r\n b\r\n"), rb"\n[ \t]"),
    Row(CORN_REFUSES, H11, "bad character in a header field", "RFC 9110, 5.5",
        "Control characters other than tab are invalid, and dangerous in logs.",
        ask(fields=b"Host: a\r\nX: \x1b\r\n"), rb"[\x01-\x08\x0e-\x1f\x7f]"),
    Row(CORN_REFUSES, BOTH, "the only expectation known is 100-continue", "RFC 9110, 10.1.1",
        "417 for what is expected and not known.",
        post(b"Expect: x\r\nContent-Length: 5\r\n")),
    # Framing.
    Row(CORN_REFUSES, H11, "more than one Content-Length", "RFC 9110, 8.6",
        "Equal ones may be refused or merged; one who repeats himself here is not to be trusted.",
        post(b"Content-Length: 5\r\nContent-Length: 5\r\n")),
    Row(CORN_REFUSES, H11, "bad Content-Length", "RFC 9110, 8.6",
        "A list of equal lengths MAY be refused.",
        post(b"Content-Length: 5, 5\r\n"), rb"(?i)content-length:[^\r\n]*,"),
    Row(CORN_REFUSES, BOTH, "bad Content-Length", "RFC 9110, 8.6",
        "More than 18 digits are no length of anything, and no integer overflows.",
        post(b"Content-Length: 00000000000000000005\r\n"), rb"(?i)content-length:[^\r\n]*[0-9]{19}"),
    Row(CORN_REFUSES, H11, "Content-Length with Transfer-Encoding", "RFC 9112, 6.3",
        "A server MAY refuse both at once: it is how requests are smuggled.",
        post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    Row(CORN_REFUSES, BOTH, "Transfer-Encoding in HTTP/1.0", "RFC 9112, 6.1",
        "Its framing MUST be treated as faulty.",
        ask(b"POST / HTTP/1.0", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    Row(CORN_REFUSES, HTTPTOOLS, "the only transfer coding known is chunked", "RFC 9112, 6.1",
        "501 for codings that are not understood; llhttp leaves them to the application.",
        post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")),
    Row(CORN_REFUSES, HTTPTOOLS, "bad Transfer-Encoding", "RFC 9112, 6.3",
        "A request whose final coding is not chunked MUST get 400, also where another protocol is asked for.",
        post(b"Transfer-Encoding: gzip\r\nConnection: upgrade\r\nUpgrade: x\r\n"), rb"(?i)\nupgrade:"),
    # Chunks.
    Row(CORN_REFUSES, H11, "bad chunk size", "RFC 9112, 7.1",
        "No blank may stand behind a chunk's size or its extensions.",
        chunks(b"5 \r\nhello\r\n0\r\n\r\n"), rb"\n[0-9A-Fa-f]+(?:;[^\n]*)?[ \t]+\r?\n"),
    Row(CORN_REFUSES, H11, "bad chunk size", "RFC 9112, 7.1.1",
        "An extension is a name, and a token or a whole quoted string: no control character, no open quote.",
        chunks(b"5;a=\"b\r\nhello\r\n0\r\n\r\n"), rb"\n[0-9A-Fa-f]+[ \t]*;"),
    Row(CORN_REFUSES, HTTPTOOLS, "bad chunk size", "RFC 9112, 7.1.1",
        "An extension has a name, and behind its equals sign a value.",
        chunks(b"5;a=\r\nhello\r\n0\r\n\r\n"), rb"\n[0-9A-Fa-f]+[ \t]*;"),
    Row(CORN_REFUSES, BOTH, "bad chunk size", "RFC 9112, 7.1",
        "Sizes have at most 15 digits, leading zeros too: no integer overflows.",
        chunks(b"0" * 16 + b"\r\n\r\n"), rb"\n[0-9A-Fa-f]{16,}"),
    Row(CORN_REFUSES, BOTH, "a chunk's size line is too long", "RFC 9112, 7.1.1",
        "A server ought to limit the length of extensions.",
        chunks(b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n")),
    # Sizes.
    Row(CORN_REFUSES, BOTH, "the body is too long", "RFC 9110, 15.5.14", "A limit of ours: 413.",
        post(b"Content-Length: 134217729\r\n")),
    Row(CORN_REFUSES, BOTH, "the target is too long", "RFC 9112, 3", "A limit of ours: 414.",
        ask(b"GET /" + b"a" * 9000 + b" HTTP/1.1")),
    Row(CORN_REFUSES, BOTH, "a header field is too long", "RFC 9110, 5.4", "A limit of ours: 431.",
        ask(fields=b"Host: a\r\nX: " + b"a" * 9000 + b"\r\n")),
    Row(CORN_REFUSES, BOTH, "the head is too long", "RFC 9110, 5.4", "A limit of ours: 431.",
        ask(fields=b"Host: a\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 5)),
    Row(CORN_REFUSES, BOTH, "too many header fields", "RFC 9110, 5.4", "A limit of ours: 431.",
        ask(fields=b"Host: a\r\n" + b"X: a\r\n" * 100)),
    Row(CORN_REFUSES, BOTH, "too many trailer fields", "RFC 9112, 7.1.2", "A limit of ours: 431.",
        chunks(b"0\r\n" + b"X: a\r\n" * 101 + b"\r\n")),
    Row(CORN_REFUSES, BOTH, "a trailer field is too long", "RFC 9112, 7.1.2", "A limit of ours: 431.",
        chunks(b"0\r\nX: " + b"a" * 9000 + b"\r\n\r\n")),
    Row(CORN_REFUSES, BOTH, "the trailers are too long", "RFC 9112, 7.1.2", "A limit of ours: 431.",
        chunks(b"0\r\n" + (b"X: " + b"a" * 8000 + b"\r\n") * 5 + b"\r\n")),
)  # fmt: skip

LAXER = (
    Row(CORN_ACCEPTS, H11, "no request line received", "RFC 9112, 2.2",
        "A server SHOULD ignore at least one empty line before a request line.",
        b"\r\n" + ask(), rb"\A\r\n[^\r\n]"),
    Row(CORN_ACCEPTS, HTTPTOOLS, "Invalid method|Expected space after|Expected HTTP/2", "RFC 9110, 9.1",
        "Methods are tokens; it is for the application to say which it knows.",
        ask(b"GETT / HTTP/1.1"), rb"\A(?:\r\n)?[!#-'*+.^`|~\w-]+ "),
    Row(CORN_ACCEPTS, BOTH, "illegal chunk header|Invalid character in chunk", "RFC 9112, 7.1.1",
        "Blanks around the semicolon and the equals sign are bad, and MUST be parsed (RFC 9110, 5.6.3).",
        chunks(b"5 ; a = b\r\nhello\r\n0\r\n\r\n"), rb"\n[0-9A-Fa-f]+[^\r\n]*(?:[ \t][;=]|[;=][ \t])"),
    Row(CORN_ACCEPTS, HTTPTOOLS, "Request has invalid `Transfer-Encoding`", "RFC 9110, 5.5 and 5.6.3",
        "A tab behind a value is a blank, and no part of it.",
        post(b"Transfer-Encoding: chunked\t\r\n", b"0\r\n\r\n"), rb"(?i)transfer-encoding:[^\r\n]*\t"),
    Row(CORN_ACCEPTS, BOTH, "(?i).*(?:Content-Length|Transfer-Encoding)", "RFC 9110, 6.5.1",
        "Trailers are never merged into the head: what they say of framing is dropped with them.",
        chunks(b"0\r\nContent-Length: x\r\nTransfer-Encoding: x\r\n\r\n"),
        rb"(?si)\n0[^\n]*\n(?:[^\r\n]+\r\n)*(?:content-length|transfer-encoding):"),
    Row(KEEPS, HTTPTOOLS, "", "RFC 9112, 9.3",
        "The option close is looked at first, also in HTTP/1.0.",
        ask(b"GET / HTTP/1.0", b"Connection: keep-alive, close\r\n"), rb"(?i)\nconnection:[^\n]*close"),
    Row(KEEPS, HTTPTOOLS, "", "RFC 9112, C.2.2",
        "Proxy-Connection is no field of HTTP; it says nothing about this connection.",
        ask(b"GET / HTTP/1.0", b"Proxy-Connection: keep-alive\r\n"), rb"(?i)\nproxy-connection:"),
)  # fmt: skip

WRONG = (
    Row(SWITCH, HTTPTOOLS, "", "RFC 9110, 7.8",
        "Nobody can change the protocol in the middle of a message: httptools takes the body for another's.",
        post(b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 5\r\n"), rb"(?i)\nupgrade:"),
)  # fmt: skip

ROWS = STRICTER + LAXER + WRONG
assert all((row.kind in SMUGGLING) is (row in WRONG) for row in ROWS)
