"""Cannot be imported."""

import time

time.sleep(0.5)


def deep_inside():
    import frobnicate  # noqa: F401


deep_inside()
