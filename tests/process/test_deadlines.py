"""Other limits for some paths, code that asks for more time, and what each request has taken."""

import re

from corn_systemd.systemd import messages

from .conftest import Start

APP = r"""
import json, time
import corn_systemd

BEFORE = (corn_systemd.deadline(), corn_systemd.extend_deadline(5))

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    found = {}
    if path == "/extend":
        found["before"] = corn_systemd.deadline() - time.monotonic()
        found["after"] = corn_systemd.extend_deadline(int(query)) - time.monotonic()
    if path == "/left":
        deadline = corn_systemd.deadline()
        found["left"] = deadline and deadline - time.monotonic()
        found["outside"] = BEFORE
    elif path == "/late":
        try:
            time.sleep(60)
        except corn_systemd.RequestTimeout:
            corn_systemd.extend_deadline(1.8)
            time.sleep(1.3)
    elif path == "/burn":
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        held.append(bytearray(b"x" * (20 << 20)))
    else:
        time.sleep(0.6)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]

held = []
"""
LIMITS = """
[limits]
time_real = "300ms"
extend_max = "2s"
[[limits.path]]
match = "/report/*"
time_real = "5s"
[[limits.path]]
match = "/never/*"
time_real = 0
"""


def test_a_path_may_have_limits_of_its_own(shop: Start) -> None:
    corn = shop(APP, LIMITS)
    assert corn.get("/report/1?x").status == 200
    assert corn.get("/never/1").status == 200
    assert corn.get("/other").status == 504
    assert corn.expects(messages.REQUEST_INTERRUPTED)["CORN_ALLOWED"] == "0.3"


def test_code_that_knows_better_may_ask_for_more_time_up_to_a_ceiling(shop: Start) -> None:
    corn = shop(APP, LIMITS)
    answer = corn.get("/extend?1")
    assert answer.status == 200
    before, after = times(answer.text)
    assert 0 < before <= 0.3 and 1 < after <= 1.3
    _, after = times(corn.get("/extend?1" + 400 * "0").text)
    assert 2 < after <= 2.3
    # The next request begins anew.
    assert corn.get("/other").status == 504


def test_code_that_was_interrupted_may_still_ask_for_more_time(shop: Start) -> None:
    corn = shop(APP, LIMITS.replace("[[", 'grace = "300ms"\n[[', 1))
    assert corn.get("/late").status == 200
    assert not corn.told(messages.REQUEST_TAKEN_OVER)


def times(text: str) -> list[float]:
    return [float(number) for number in re.findall(r": (-?[0-9.]+)", text)]


def test_outside_of_a_request_and_without_a_limit_there_is_no_deadline(shop: Start) -> None:
    corn = shop(APP, "[limits]\ntime_real = 0\n")
    assert corn.get("/left").text == '{"left": null, "outside": [null, null]}'


def test_what_a_request_has_taken_is_told_and_summed_up(shop: Start) -> None:
    corn = shop(APP, '[http]\nlog_slow = "50ms"\n', workers=1)
    assert corn.get("/left").status == 200
    assert corn.get("/burn?1").status == 200
    entry = corn.expects(messages.REQUEST_SERVED)
    assert entry["CORN_REQUEST"] == "GET /burn?1" and entry["CORN_STATUS"] == "200"
    assert 90_000 <= int(entry["CORN_CPU_US"]) <= int(entry["CORN_REAL_US"]) + 50_000
    assert 15 << 20 <= int(entry["CORN_MEMORY_GROWTH"]) <= 45 << 20
    assert entry["CORN_SENT"] == "2" and entry["CORN_REMOTE"] == "127.0.0.1"
    assert re.search(r"^GET /burn\?1: 200 after [0-9.]+ s \([0-9.]+ s of CPU, \+", entry["MESSAGE"])
    assert len(corn.told(messages.REQUEST_SERVED)) == 1, "a quick one was told of"
    (row,) = corn.workers()
    assert row["real"] >= 0.1 and row["cpu"] >= 0.1
    assert row["sent_bytes"] > 2
    sent = row["sent_bytes"]
    assert corn.get("/burn").text == "{}"
    # It is summed up when the answer has left.
    corn.until(lambda: corn.workers()[0]["sent_bytes"] == sent + 2, "the sum")
