"""Workers that end as soon as they are started: tried for ever, more and more slowly, and told of in sum."""

import os
import signal

from corn_systemd.policy.backoff import FREE
from corn_systemd.systemd import messages

from .conftest import HELLO, Start
from .test_reload import reload

# Each worker imports for itself, is ready, and ends a moment later without having served anybody.
DYING = "import os, threading\nthreading.Timer(0.05, os._exit, (7,)).start()\n" + HELLO


def test_a_generation_whose_workers_all_die_is_tried_again_and_the_unit_says_so(shop: Start) -> None:
    corn = shop(DYING, "preload = false\n", start=False, workers=4).start().ready()
    first = corn.expects(messages.WORKERS_DIE_YOUNG)
    assert first["CORN_DELAY"] == "0.5" and first["CORN_CAUSE"] == "exit status 7"
    later = corn.expects(messages.WORKERS_DIE_YOUNG, delay=2)
    # A line each for the first few, and one for each try after them.
    told = corn.told(messages.WORKER_DIED)
    assert 0 < len(told) <= 8 * FREE
    assert corn.entries.index(told[-1]) < corn.entries.index(first)
    assert len(corn.told(messages.WORKERS_DIE_YOUNG)) == 3
    assert int(later["CORN_COUNT"]) > len(told) + 2
    words = "processes ended within moments of their start, the last by exit status 7; tried again after 2 s"
    status = corn.until(
        lambda: next((s for state in corn.states if words in (s := state.get("STATUS", ""))), ""), words
    )
    assert "busy" in status
    # New code is tried at once, whatever the old one has to wait for.
    corn.write("shop.py", HELLO)
    assert reload(corn).returncode == 0
    assert corn.get().text == "hello"
    assert "moments" not in corn.report()["status"]


def test_workers_that_are_all_killed_at_one_moment_are_all_replaced_at_once(shop: Start) -> None:
    corn = shop(workers=8)  # the queue of the test's journal holds ten entries
    before = {worker["pid"] for worker in corn.workers()}
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    corn.until(lambda: len({w["pid"] for w in corn.workers()} - before) == 8, "8 new ones", deadline=5.0)
    corn.take_in()
    assert len(corn.told(messages.WORKER_DIED)) == 8
    assert not corn.told(messages.WORKERS_DIE_YOUNG)
