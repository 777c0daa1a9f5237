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


class Unavailable(CornError):
    """The system refuses for now (no memory, no process, no file descriptor): trying later makes sense."""

    exit_status = 75
