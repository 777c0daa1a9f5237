"""The machine's own time zone, as it is now: an instrument, which reads the environment and one file.

The C library keeps what it has read at first; a reload that asks here sees what timedatectl(1) has set since.
"""

import os
from datetime import timezone, tzinfo
from zoneinfo import ZoneInfo

FILE = "/etc/localtime"


def local_zone(file: str = FILE) -> tzinfo | None:
    """The zone that tzset(3) would take; None for a rule (`TZ=CET-1CEST`), which the C library follows."""
    name = os.environ.get("TZ")
    if name is None:
        return _read(file) or timezone.utc
    name = name.removeprefix(":")
    if not name:
        return timezone.utc
    if name.startswith("/"):
        return _read(name)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _read(file: str) -> tzinfo | None:
    try:
        with open(file, "rb") as stream:
            return ZoneInfo.from_file(stream, key=file)
    except (OSError, ValueError):
        return None
