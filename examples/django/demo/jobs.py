"""Work that a clock starts.

`manage.py harvest` runs the job by hand; demo.toml has corn run that command every five minutes.
"""

from __future__ import annotations


def harvest() -> str:
    """Takes a full cob off the stalk; says what was done. Twice is as good as once."""
    # Models can be imported only after Django's set-up, which loading the application has done.
    from guestbook.models import harvest_full_cobs

    cobs = harvest_full_cobs()
    return f"full cobs harvested: {cobs}" if cobs else "no cob is full yet"
