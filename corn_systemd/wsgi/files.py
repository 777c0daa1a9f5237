"""wsgi.file_wrapper (PEP 3333, "Optional Platform-Specific File Handling").

An iterable of blocks for whoever iterates; the server looks inside and sends a real file without reading it.
"""

import io
from collections.abc import Callable
from typing import Protocol


class FileLike(Protocol):
    """What an application wraps: anything that can be read."""

    def read(self, size: int, /) -> bytes: ...


class FileWrapper:
    """`environ["wsgi.file_wrapper"]`."""

    def __init__(self, filelike: FileLike, block_size: int = 64 * 1024) -> None:
        self.filelike = filelike
        self.block_size = block_size

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        block = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Closes what was wrapped, if it can be closed."""
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()


def plain_file(wrapper: FileWrapper) -> io.FileIO | None:
    """The unbuffered file behind a wrapper if its bytes are what reading would give, else None.

    A gzip.GzipFile has a fileno() too, of the compressed bytes: only the types of `io` itself are trusted,
    and what tempfile wraps around them.
    """
    inner = wrapper.filelike
    if type(inner).__module__ == "tempfile":
        inner = getattr(inner, "file", inner)
    if type(inner) in (io.BufferedReader, io.BufferedRandom):
        inner = inner.raw  # type: ignore[attr-defined]
    return inner if type(inner) is io.FileIO else None


def stretch(
    wrapper: FileWrapper, measure: Callable[[io.FileIO], int | None]
) -> tuple[io.FileIO, int, int] | None:
    """(file, position, bytes from there on) of what can be sent without reading it; None if it must be read.

    `measure` tells a regular file's size.
    """
    raw = plain_file(wrapper)
    size = measure(raw) if raw is not None else None
    if raw is None or size is None:
        return None
    if raw.writable():
        wrapper.filelike.flush()  # type: ignore[attr-defined]
        size = measure(raw) or 0
    position = wrapper.filelike.tell()  # type: ignore[attr-defined]
    return (raw, position, size - position) if size > position else None
