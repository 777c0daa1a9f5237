"""`make demo`, as somebody would type it who has just cloned the repository."""

import os
import re
import subprocess

import pytest

from .harness import REPOSITORY


@pytest.mark.timeout(300)
def test_make_demo_serves_a_page_that_a_curl_has_seen_and_ends_cleanly() -> None:
    # The outer make's flags are not meant for this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    environment.update(DEMO_ONCE="1", DEMO_FOREGROUND="1")
    done = subprocess.run(
        ["make", "--no-print-directory", "demo"],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    address = re.search(r"is at +(http://127\.0\.0\.1:\d+)/", told)
    assert address, told
    assert f"$ curl -i {address[1]}/word\n  HTTP/1.1 200 OK" in told
    assert "corn status" in told
    assert "corn has ended with status 0" in told
