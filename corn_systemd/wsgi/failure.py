"""What an application raised, in words."""

import os
import traceback

from ..errors import LimitExceeded

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_THEIRS = _OURS + "contrib" + os.sep


def is_ours(filename: str) -> bool:
    """Whether a file is corn's own code; what stands in its contrib/ is the application's."""
    return filename.startswith(_OURS) and not filename.startswith(_THEIRS)


def describe(error: BaseException) -> tuple[str, str]:
    """(one line, the traceback from the application's first frame on) of what an application raised."""
    trace = error.__traceback__
    while trace is not None and is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    whole = traceback.TracebackException(type(error), error, trace)
    _cut(whole)
    return traceback.format_exception_only(type(error), error)[-1].strip(), "".join(whole.format())


def _cut(whole: traceback.TracebackException) -> None:
    """Where a limit has interrupted the application, its own line is the last one."""
    at: traceback.TracebackException | None = whole
    while at is not None:
        if at.exc_type is not None and issubclass(at.exc_type, LimitExceeded):
            while at.stack and is_ours(at.stack[-1].filename):
                at.stack.pop()
        at = at.__cause__ or at.__context__


def exceeded_limit(error: BaseException) -> LimitExceeded | None:
    """The limit by which a request was interrupted, if that is why it has failed: the exception may have been
    exchanged for another by the application."""
    seen: BaseException | None = error
    for _ in range(32):
        if seen is None or isinstance(seen, LimitExceeded):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def outcome(error: BaseException) -> tuple[int, str]:
    """With which status, and in which words, a client is told."""
    if exceeded_limit(error) is not None:
        return 504, "the request took too long"
    return 500, "the application failed"
