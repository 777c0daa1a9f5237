"""What requests are made of: for each part good ones, and bad ones of which one or two spoil a request."""

from typing import NamedTuple


class Part(NamedTuple):
    good: list[bytes]
    bad: list[bytes]


METHOD = Part(
    [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"M-SEARCH", b"PROPFIND"],
    [b"", b"get", b"G(T", b"CONNECT", b"PRI", b"GETT", b"G\x00T", b" GET", b"\xc9", b"X!#$%&'*+.^_`|~"],
)
TARGET = Part(
    [
        b"/", b"/a", b"/a/b?c=d&e", b"/%41%2f", b"//a", b"/?", b"/a[]{}|^`", b"/;a=b", b"/:@!$'()*+,",
        b"http://a.example/", b"http://a.example", b"https://a.example:8080/b?c", b"http://[::1]/", b"/..",
        b"http://a.example?b", b"HTTP://a.example/", b"/\\",
    ],
    [
        b"", b"a", b"?", b"#", b"/#a", b"/a#b", b"/%", b"/%zz", b"/%00", b"/\x00", b"/\x7f", b"/\xe9",
        b"/a b", b"/\"", b"/<a>", b"ftp://a/", b"http:///", b"http://", b"http://u@a/", b"http://a:b/",
        b"http://a/#b", b"a:80", b"a.example:443", b"//", b"http:/a", b"http://a:99999/", b"/\t", b"/\x0b",
        b"http://[::1/", b"http://a\\b/", b"**", b"*a", b"http://*/", b"mailto:a", b"http://a;b/",
        b"http://a%41/", b"*",
    ],
)  # fmt: skip
VERSION = Part(
    [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"],
    [
        b"", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"http/1.1", b"HTTP/1,1", b"HTTP/1",
        b"HTTP/", b"HTTP/ 1.1", b"HTTP/1.1 ", b"ICE/1.0", b"RTSP/1.0", b"HTTP/01.1", b"HTTP/1.1\x00",
        b"HTTP/+1.1",
    ],
)  # fmt: skip
BLANK = Part([b" "], [b"", b"  ", b"\t", b"\x0b", b"\xa0", b"\r", b"\r\n "])
END = Part([b"\r\n"], [b"\n", b"\r", b"", b"\r\r\n", b"\n\r", b" \r\n", b"\r\n ", b"\n\n", b"\x00\r\n"])
HOST = Part(
    [b"Host: a.example", b"host:a:80", b"Host: [::1]:8080", b"HOST: a.example:"],
    [
        b"X: no host", b"Host:", b"Host: a b", b"Host: a,b", b"Host: u@a", b"Host: a/b", b"Host: a\\b",
        b"Host: a:x", b"Host: ::1", b"Host: a:99999", b"Host: \xe9", b"Host: a?b", b"Host: a#b",
        b"Host : a", b"Host: a\r\nHost: a", b"Host: a\r\nHost: b", b"Host: a\r\nhost:", b"Ho_st: a",
        b"Host\t: a", b"Host: a;b", b"Host: *", b"Host: %41", b"Host: a:b:c", b"Host:a\x00", b"Host: [::1",
        b"Host: [v1.a]",
    ],
)  # fmt: skip
FIELD = Part(
    [
        b"Accept: */*", b"X: y", b"X:z", b"x: ", b"X: \t a  b\t ", b"X: \xe9", b"Cookie: a=b", b"Cookie: c",
        b"X-Y: 1", b"X_Y: 2", b"Connection: close", b"Connection: keep-alive", b"Connection: close, X",
        b"Connection: Keep-Alive, Close", b"Content-Type: a/b", b"Expect: 100-continue",
        b"!#$%&'*+-.^`|~: 1", b"Upgrade: h2c", b"Connection: upgrade", b"Connection: upgrade\r\nUpgrade: x",
        b"X: :", b"Connection:", b"Proxy-Connection: keep-alive", b"Connection: a,,b", b"Connection: ,",
        b"Keep-Alive: 5",
    ],
    [
        b":", b": a", b"X", b"X Y: a", b"X : a", b"X\t: a", b" X: a", b"\tX: a", b"X: a\r\n b",
        b"X: a\r\n\tb", b"X: \x00", b"X: \x01", b"X: \x7f", b"X: \x0b", b"X: \x0c", b"X: a\rb", b"X: a\nb",
        b"X(: a", b"X\xe9: a", b"X\x00: a", b"X: \x1b[m", b"Content-Length: 3", b"Content-Length: 0",
        b"Transfer-Encoding: chunked", b"Transfer_Encoding: chunked", b"Content_Length: 3",
        b"Expect: 200-ok", b"Expect:", b"@: a", b"\"X\": a", b"Expect: 100-continue, 100-continue",
        b"X: a\r\n ", b"X:\r\n a", b"X[]: a", b"X/Y: a", b"{: a", b"Connection: content-length", b"X: \x85",
        b"X: \xa0", b"Connection: clo se", b"Connection: close;", b"Connection: \"close\"",
        b"Connection: xclose", b"Connection: close\x00", b"Expect: 100-Continue",
        b"Connection: close\r\nConnection: keep-alive", b"Connection: keep-alive\r\nConnection: close",
    ],
)  # fmt: skip
# Of a body of five bytes.
LENGTH = Part(
    [b"5", b"5", b"05", b"0005", b"5 "],
    [
        b"", b"+5", b"-5", b"0x5", b"5 5", b"5,5", b"5, 5", b"5,6", b"1_0", b"\xb2", b"5.0", b"5e0",
        b"five", b" ", b"5\x00", b"5\x0b", b"99999999999999999999", b"999999999999999999",
        b"18446744073709551621", b"5;", b"50", b"000000000000000000005", b"5\r\nContent-Length: 5",
        b"5\r\nContent-Length: 6", b"5\r\n 0", b"5,", b",5", b"6", b"4", b"0",
        b"5\r\nTransfer-Encoding: chunked", b"134217729", b"5\r\nTransfer_Encoding: chunked",
        b"5\r\nTransfer-Encoding: identity", b"5\r\nTransfer-Encoding:", b"\x0c5", b"5\xa0", b"5\r\n ",
    ],
)  # fmt: skip
CODING = Part(
    [b"chunked", b"chunked", b"Chunked", b"CHUNKED\t", b"  chunked"],
    [
        b"", b"identity", b"gzip", b"xchunked", b"chunkedx", b"chunked, chunked", b"gzip, chunked",
        b"chunked, gzip", b"chunked, identity", b"identity, chunked", b"chunked;q=1", b"\"chunked\"",
        b"'chunked'", b"\x0bchunked", b"\x0cchunked", b"chunked\x00", b"chunked,", b",chunked",
        b", chunked", b"chunked ,", b"chun ked", b"chunked\r\nTransfer-Encoding: chunked",
        b"gzip\r\nTransfer-Encoding: chunked", b"\xa0chunked", b"chunked\r\nTransfer-Encoding: gzip",
        b"chunked\r\nContent-Length: 5", b"chunked\r\nContent_Length: 5", b"chunked\r\nTransfer-Encoding:",
        b"\r\nTransfer-Encoding: chunked", b"\r\n chunked", b"chunked\r\n ,gzip", b"trailers",
        b"chunked chunked", b"chunked\r\nContent-Length:", b"chunked\r\nContent-Length: 0",
        b"gzip\r\nConnection: upgrade\r\nUpgrade: x",
    ],
)  # fmt: skip
# Of a chunk of five bytes.
SIZE = Part(
    [b"5", b"5", b"05", b"5;a=b", b"5;a", b"5; a = b", b"5 ;a", b"5;a=\"b;c\"", b"5;a=\"\\\"\"", b"5;a;b=c"],
    [
        b"", b" 5", b"5 ", b"5\t", b"+5", b"-5", b"0x5", b"5h", b"5;", b"5;;", b"5;=", b"5;a=", b"5;a=;b",
        b"5,", b"5;a=\"b", b"5;a=b\"", b"5;a=b c", b"5;a\x00", b"5;a\rb", b"5;a\nb", b"5;a=\"\n\"",
        b"5;a=\x01", b"5 5", b"4", b"6", b"5.", b"5_", b"\xb5", b"fffffffffffffff", b"ffffffffffffffff",
        b"10000000000000005", b"8000001", b"0000000000000005", b"000000000000000000005", b"5;\xe9",
        b"5;a=\"\xe9\"", b"5;a=\"\x7f\"", b"5;a=b ;", b"5;a \r", b"5\x0b", b"5\x0c;a", b"5;a=" + b"b" * 300,
        b"5;a= ", b"5;a=\"b\"c", b"5;a =b", b"5:", b"05;a ",
    ],
)  # fmt: skip
LAST_CHUNK = Part(
    [b"0\r\n", b"000\r\n", b"0;a=b\r\n"],
    [
        b"0\n", b"0\r", b"0 \r\n", b"00000000000000000\r\n", b"0;\r\n", b"-0\r\n", b"", b"0\r\r\n",
        b"0;a=\n", b"0000000000000000\r\n", b"00\n\r\n",
    ],
)  # fmt: skip
TRAILER = Part(
    [b"", b"", b"X: y\r\n", b"Content-Type: a\r\nX: y\r\n", b"X_Y: a\r\n", b"Host: b\r\n"],
    [
        b"X\r\n", b"X : y\r\n", b" X: y\r\n", b"X: y\r\n z\r\n", b"X: y\n", b": y\r\n", b"X: \x00\r\n",
        b"X: \x01\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\n", b"\r",
        b"X\x00:\r\n", b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Transfer-Encoding: gzip\r\n",
        b"Content-Length: x\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n",
        b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"X: a\rb\r\n", b"Transfer-Encoding: x\r\n",
        b"X: \x7f\r\n", b"Host: b/c\r\n", b"Expect: x\r\n", b"GET / HTTP/1.1\r\n",
    ],
)  # fmt: skip
# What stands before a request and behind the last.
BETWEEN = Part(
    [b"", b"", b"", b"\r\n"],
    [
        b"\n", b"\r", b"\r\n\r\n", b" ", b"\x00", b"\r\r\n", b"hello", b"\n\n", b"\xef\xbb\xbf",
        b"0\r\n\r\n", b"\x16\x03\x01", b"\r\n\n", b"\t",
    ],
)  # fmt: skip

PARTS = {
    "between": BETWEEN, "method": METHOD, "target": TARGET, "version": VERSION, "blank": BLANK, "end": END,
    "host": HOST, "field": FIELD, "length": LENGTH, "coding": CODING, "size": SIZE, "last": LAST_CHUNK,
    "trailer": TRAILER,
}  # fmt: skip

# A byte or a line that changes what its neighbours mean.
SPLINTERS = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b":", b"\x00", b"\x0b", b"\x7f", b"\xe9", b",", b";",
    b"0", b"5", b"\"", b"\\", b"/", b"@", b"#", b"?", b"%", b"_", b"a", b"\r\n ", b"\r\nContent-Length: 5",
    b"\r\nTransfer-Encoding: chunked", b"\r\nHost: b", b"0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
]  # fmt: skip
