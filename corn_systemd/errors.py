"""What can go wrong, and whose fault it is.

Each class names the one who can mend it and carries the exit status of a command that ends by it
(sysexits(3)). Anything else that is raised is our own bug, and flies.
"""


class CornError(Exception):
    """A failure that a caller is expected to handle; str() is one or more lines for a human."""

    exit_status = 1


class ConfigError(CornError):
    """The operator can mend this; a restart can not. One line an error: file, line, cause, cure."""

    exit_status = 78


class AppError(CornError):
    """The application can not be imported or does not offer what was asked of it.

    `summary` is one line fit for STATUS=, `traceback` is text of many lines, or empty.
    """

    exit_status = 78

    def __init__(self, summary: str, traceback: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.traceback = traceback


class BadRequest(CornError):
    """The client sent what may not be answered otherwise than with `status` (RFC 9110, section 15)."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class LimitExceeded(BaseException):
    """Raised in the application, at the line that runs, when its request has spent what it may.

    No Exception, so that `except Exception` does not swallow it; `finally` is run as always. `limit` is the
    setting's name, `allowed` and `spent` are seconds.
    """

    limit = ""

    def __init__(self, allowed: float, spent: float) -> None:
        super().__init__(f"{spent:.1f} s of limits.{self.limit} = {allowed:g} s")
        self.allowed = allowed
        self.spent = spent


class RequestTimeout(LimitExceeded):
    """The request has taken longer than limits.time_real."""

    limit = "time_real"


class CpuTimeExceeded(LimitExceeded):
    """The request has used more CPU time than limits.time_cpu."""

    limit = "time_cpu"


class Unavailable(CornError):
    """The system refuses for now (no memory, no process, no file descriptor): trying later makes sense."""

    exit_status = 75
