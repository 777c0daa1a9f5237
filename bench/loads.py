"""What is asked: each load is a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

CONNECTIONS = 32

# What a current browser sends to a site where somebody is logged in: 15 fields, with wrk's own Host.
_BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.8,de;q=0.5,fr;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://localhost/articles/2026/11/on-the-cost-of-a-request/",
    "Connection: keep-alive",
    "Cookie: sessionid=4r7c0v9m2k6q8t1x3z5b7n9w1e3y5u7i; csrftoken=Hk2vQ8sR4tY6uW1xZ3aB5cD7eF9gJ0",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Sec-Fetch-User: ?1",
    "Priority: u=0, i",
    "Cache-Control: max-age=0",
)
_POST = 'wrk.method = "POST"\nwrk.body = string.rep("x", 64 * 1024)\n'


@dataclass(frozen=True)
class Load:
    """One row of the table. `script` is Lua, for wrk(1)."""

    name: str
    title: str
    path: str = "/"
    headers: Sequence[str] = field(default=())
    script: str = ""


# Where the application is what takes the time: how far a second worker helps.
WORK = Load("work", "1 ms of CPU", path="/work")
LOADS: tuple[Load, ...] = (
    Load("hello", "hello, keep-alive, bare request"),
    Load("browser", "hello, a browser's 15 headers", headers=_BROWSER),
    Load("connect", "hello, a connection each", headers=("Connection: close",)),
    Load("mebibyte", "1 MiB answer", path="/mebibyte"),
    Load("chunks", "64 chunks of 8 KiB from a generator", path="/chunks"),
    Load("post", "POST of 64 KiB", path="/post", script=_POST),
)
