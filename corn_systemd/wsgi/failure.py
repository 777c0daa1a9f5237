"""What an application raised, in words."""

import os
import traceback

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def describe(error: BaseException) -> tuple[str, str]:
    """(one line, the traceback from the application's first frame on) of what an application raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_HERE):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return traceback.format_exception_only(type(error), error)[-1].strip(), "".join(lines)
