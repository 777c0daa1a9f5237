"""One call of the application, by the rules of PEP 3333, from environ to the last byte.

The application is pulled, never pushed: `begin` calls it, `advance` takes more of its iterable, and both
stop when the sink is full. Owns no I/O: what leaves goes to a Sink. Whatever the application raises ends
here, SystemExit and KeyboardInterrupt included: a request must not decide the life of a worker that
others wait for. (Ctrl-C is the master's business; a worker ignores SIGINT.)
"""

from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
from types import TracebackType

from ..errors import AppError
from ..http import pages, response
from ..http.request import RequestHead
from .environ import Application, Environ
from .failure import outcome
from .files import FileWrapper, stretch
from .sink import BURST, Sink

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType]


class Exchange:
    """One request and its answer. The attributes below are how every exchange begins."""

    line: response.StatusLine | None = None
    text = ""
    length: int | None = None
    """What the application's Content-Length says."""
    is_dated = False
    is_chunked = False
    has_begun = False
    """Whether the head has left."""
    is_single = False
    is_cut = False
    sent = 0
    result: Iterable[bytes] | None = None
    iterator: Iterator[bytes] | None = None
    is_done = False
    """Nothing more will be sent, and the application has been let go."""
    failure: BaseException | None = None
    """What the application raised."""
    page = 0
    """The status of the answer, where it is one of our own pages."""
    complaint = ""
    """What the application did wrong without raising."""

    def __init__(self, sink: Sink, head: RequestHead, keep: bool) -> None:
        """`keep`: whether the connection may serve another request after this one."""
        self.sink = sink
        self.head = head
        self.keep = keep
        # Variables of one request (contextvars) are not seen by the next, nor by one that is served between
        # two pieces of this answer.
        self.run = copy_context().run

    def begin(self, application: Application, environ: Environ) -> None:
        """Calls the application and sends what the sink takes of its answer."""
        try:
            result = self.run(application, environ, self.start_response)
            if type(result) is list or type(result) is tuple:
                self._whole(result)
                return
            self.result = result
            if type(result) is FileWrapper and not self.has_begun and self._file(result):
                self._finish()
                return
            self.is_single = hasattr(result, "__len__") and len(result) == 1  # type: ignore[arg-type]
            self.iterator = iter(result)
        except BaseException as error:
            self._fail(error)
            return
        self.advance()

    def advance(self) -> None:
        """Takes more of the iterable, until it ends or the sink is full.

        Nobody else has a turn meanwhile: what one request keeps in its thread (a database connection) is
        not made for another one between two pieces. What the client will not take yet goes to a file.
        """
        try:
            if self.run(self._take):
                self._finish()
        except BaseException as error:
            self._fail(error)

    def _take(self) -> bool:
        """Whether that was all; within the request's own context."""
        sink, iterator = self.sink, self.iterator
        assert iterator is not None
        if sink.is_full:
            return False
        size, line = 0, b""
        for count, piece in enumerate(iterator, 1):
            if self.is_chunked and type(piece) is bytes and piece:
                # As write() would send it. Pieces often are of one size.
                if len(piece) != size:
                    size = len(piece)
                    line = b"%x\r\n" % size
                sink.send((line, piece, b"\r\n"))
            else:
                self.write(piece)
                if self.is_cut:
                    return True
            if count % BURST == 1:
                sink.pace()
            if sink.is_full:
                return False
        return True

    @classmethod
    def disown(cls, leave: Callable[..., None]) -> None:
        """In this process no answer is ours any more: whatever comes back from the application goes to
        `leave`, which does not return."""
        for name in ("_whole", "_file", "write", "_finish", "_fail", "excuse", "_close"):
            setattr(cls, name, leave)

    def abandon(self) -> None:
        """The client has gone: nothing more is taken, the application is told by close()."""
        if not self.is_done:
            self.keep = False
            self._close()

    # What the application calls.

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExceptionInfo | tuple[None, None, None] | None = None,
    ) -> Callable[[bytes], None]:
        """Checks at once, so that the application's own stack shows who was wrong."""
        if exc_info is not None:
            try:
                if self.has_begun and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.line is not None:
            raise AppError("start_response was called twice without exc_info")
        if not isinstance(headers, list):
            raise AppError(f"the headers are a {type(headers).__name__}, not a list")
        line = response.STATUS_LINES[status]
        self.text, self.length, self.is_dated = response.fields(headers)
        if not line.has_body and self.length is not None:
            self.length = None
            if status.startswith("204"):
                self.text = response.without_length(headers)
        self.line = line
        return self.write

    def write(self, data: bytes) -> None:
        """Sends one piece of the body, behind the head if that has not left."""
        if self.is_done:
            raise AppError("a piece of the body came after the end of the answer")
        if not isinstance(data, bytes):
            raise AppError(f"a piece of the body is a {type(data).__name__}, not bytes")
        if self.line is None:
            raise AppError("a piece of the body came before start_response was called")
        if not data:
            return
        size = len(data)
        before = b""
        if not self.has_begun:
            before = self._head(size if self.is_single else None)
        if self.head.method == "HEAD" or not self.line.has_body:
            if not self.line.has_body:
                self.complaint = "a body for a status that has none"
            # An endless body must not be waited for.
            self.is_cut = True
            if before:
                self.sink.send((before,))
            return
        if self.length is not None and self.sent + size > self.length:
            self.complaint = f"more bytes of body than its Content-Length of {self.length}"
            self.is_cut = True
            size = self.length - self.sent
            data = data[:size]
        self.sent += size
        if self.is_chunked:
            self.sink.send((b"%s%x\r\n" % (before, size), data, b"\r\n"))
        elif before:
            self.sink.send((before, data))
        elif data:
            self.sink.send((data,))

    # The ways an answer takes.

    def _whole(self, result: list[bytes] | tuple[bytes, ...]) -> None:
        """A body that is all there. The only way that must be quick, so it goes by itself."""
        body = result[0] if len(result) == 1 else b"".join(result)
        size = len(body)
        if (
            type(body) is bytes
            and self.line is not None
            and (self.length is None or self.length == size)
            and self.line.has_body
            and self.head.method != "HEAD"
            and not self.has_begun
        ):
            # Where the connection ends with it, its end need not be a packet of its own.
            self.sink.send((self._head(size), body), not self.keep)
            self.sent = size
            self.is_done = True
            return
        self.is_single = bool(body)
        self.write(body)
        self._finish()

    def _head(self, size: int | None) -> bytes:
        """The head, about to leave; `size` is the whole body's where that is known."""
        line = self.line
        assert line is not None
        text = line.text + self.text
        if not self.is_dated:
            text += self.sink.date_line()
        minor = self.head.minor
        if self.length is None and line.has_body:
            if size is not None:
                text += f"Content-Length: {size}\r\n"
                self.length = size
            elif self.head.method != "HEAD":
                if minor:
                    text += "Transfer-Encoding: chunked\r\n"
                    self.is_chunked = True
                else:
                    self.keep = False
        if not self.keep:
            text += "Connection: close\r\n"
        elif not minor:
            text += "Connection: keep-alive\r\n"
        self.has_begun = True
        self.sink.head_leaves()
        return f"{text}\r\n".encode("latin-1")

    def _file(self, wrapper: FileWrapper) -> bool:
        """Sends a wrapped file as a whole; False if it must be read instead."""
        if self.line is None or (found := stretch(wrapper, self.sink.measure)) is None:
            return False
        raw, position, there = found
        head = self._head(there)
        if self.head.method == "HEAD" or not self.line.has_body:
            self.sink.send((head,))
        else:
            assert self.length is not None
            self.sent = self.sink.send_file(head, raw, position, min(there, self.length))
        return True

    def _finish(self) -> None:
        """The application has nothing more to say."""
        if self.line is None:
            raise AppError("the application returned without calling start_response")
        if not self.has_begun:
            # RFC 9110, 9.3.2: no bytes in answer to HEAD say nothing about those of GET.
            self.sink.send((self._head(None if self.head.method == "HEAD" else 0),))
        if self.is_chunked:
            self.sink.send((b"0\r\n\r\n",))
        elif self.length and self.sent < self.length and self.head.method != "HEAD":
            self.complaint = f"{self.sent} bytes of body where its Content-Length says {self.length}"
            self.keep = False
        self.sink.hurry()
        self._close()

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self.excuse(*outcome(error))
        self._close()

    def excuse(self, status: int, reason: str) -> None:
        """Answers with a page if nothing has left, else the connection must end where it is."""
        if self.has_begun:
            self.keep = False
        else:
            self.has_begun, self.page = True, status
            accept = self.head.fields.get("HTTP_ACCEPT", "")
            self.keep = self.keep and self.head.minor == 1
            connection = self.own_fields() + ("" if self.keep else "Connection: close\r\n")
            self.sink.head_leaves()
            is_head = self.head.method == "HEAD"
            date = self.sink.date_line()
            self.sink.send((pages.page(status, reason, accept, date, connection, is_head=is_head),))

    def own_fields(self) -> str:
        """Whole lines that the head of our own page has besides."""
        return ""

    def _close(self) -> None:
        self.is_done = True
        self.iterator = None
        result, self.result = self.result, None
        close = getattr(result, "close", None)
        if close is None:
            return
        try:
            self.run(close)
        except BaseException as error:
            # The answer is whole, or its failure is known: the client is none the wiser.
            self.failure = self.failure or error
