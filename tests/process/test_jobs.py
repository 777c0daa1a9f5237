"""Jobs, from the clock to the journal: when they run, what is told of them, and what ends them."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from corn_systemd.systemd import messages

from .conftest import Start
from .harness import Corn, request

APP = r"""
import asyncio, ctypes, os, signal, subprocess, sys, time
import corn_systemd

def application(environ, start_response):
    start_response("200 OK", [])
    return [b"served\n"]

def note(text):
    with open("notes", "a") as file:
        file.write(text + "\n")

def speak(*words, **more):
    note("spoke")
    print(*words, *more.items())
    subprocess.run([sys.executable, "-c", "print('a child speaks')"])
    print("to stderr", file=sys.stderr)

def fail():
    note("failed")
    raise ValueError("the shelf is empty")

def leave(status):
    sys.exit(status)

async def coroutine():
    note("never")

def loop():
    try:
        while True:
            pass
    finally:
        note("cleaned up")

def swallow():
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass

def hog():
    held = []
    while True:
        held.append(b"x" * (4 << 20))
        time.sleep(0.002)

def crash():
    note("crashed")
    ctypes.string_at(0)

def exit():
    os._exit(3)

def fork():
    if not os.fork():
        return
    os.wait()

def wait_for(name):
    note("waits")
    while not os.path.exists(name):
        time.sleep(0.01)
    note("waited")

def nice():
    note(str(os.nice(0)))

def deadline():
    note(str(corn_systemd.deadline() is not None))

def unsettle():
    os.chdir("/")
    os.umask(0o777)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, lambda *_: None)

def look_around():
    mask = os.umask(0)
    os.umask(mask)
    handlers = [number for number in signal.valid_signals() if callable(signal.getsignal(number))]
    note(f"{os.getcwd()} {mask:o} {handlers}")

def leave_behind():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
"""


def table(name: str, call: str, every: str = "1h", more: str = "") -> str:
    return f'[[cron.jobs]]\nname = "{name}"\ncall = "shop:{call}"\nevery = "{every}"\n{more}\n'


def run(corn: Corn, name: str) -> list[dict[str, object]]:
    """Runs a job by hand to its end: all that is said of it at the control socket."""
    status, body = corn.ask(f"POST /jobs/{name}/run?wait=1")
    assert status == 200, body
    return [json.loads(line) for line in body.splitlines() if line]


def notes(corn: Corn) -> list[str]:
    file = corn.directory / "notes"
    return file.read_text().split("\n")[:-1] if file.exists() else []


def cron_workers(corn: Corn) -> list[int]:
    return [one["pid"] for one in corn.report()["processes"] if one["role"] == "cron" and one["pid"]]


def has_cron_worker(corn: Corn) -> int:
    """Waits for the one that can be given a job."""
    return int(corn.until(lambda: corn.workers(role="cron"), "a cron worker")[0]["pid"])


def test_a_job_runs_when_it_is_due_and_all_that_it_prints_is_told_under_its_name(shop: Start) -> None:
    corn = shop(APP, table("speaks", "speak", "1s", 'args = ["hello", "ü"]'), workers=1)
    done = corn.expects(messages.JOB_FINISHED, job="speaks")
    begun = corn.expects(messages.JOB_STARTED, job="speaks")
    assert begun["CORN_RUN"] == done["CORN_RUN"]
    assert re.fullmatch(r"speaks-\d+", begun["CORN_RUN"])
    said = [
        entry["MESSAGE"]
        for entry in corn.entries
        if entry.get("CORN_RUN") == begun["CORN_RUN"] and "MESSAGE_ID" not in entry
    ]
    assert said == ["hello ü", "a child speaks", "to stderr"]
    assert float(done["CORN_CPU"]) > 0.001, "with what its subprocess has used"
    corn.until(lambda: corn.job("speaks")["last"], "the end of its run")
    assert corn.job("speaks")["last"]["outcome"] == "done"


def test_a_run_by_hand_streams_what_it_prints_and_ends_with_its_outcome(shop: Start) -> None:
    corn = shop(APP, table("speaks", "speak", more='args = {word = "x"}') + table("gone", "gone"), workers=1)
    *lines, outcome = run(corn, "speaks")
    assert lines == [{"line": "('word', 'x')"}, {"line": "a child speaks"}, {"line": "to stderr"}]
    assert (outcome["outcome"], outcome["status"], outcome["detail"]) == ("done", 0, "")
    assert corn.job("speaks")["runs"] == 1
    assert corn.ask("POST /jobs/speak/run")[0] == 404
    assert corn.ask("POST /jobs/speaks/eat")[0] == 404
    broken = corn.expects(messages.JOB_BROKEN, job="gone")
    assert "shop has no 'gone'" in broken["MESSAGE"]


@pytest.mark.parametrize(
    ("job", "status", "told"),
    [
        ("fail()", 1, "ValueError: the shelf is empty"),
        ("leave(0)", 0, ""),
        ("leave(3)", 3, "SystemExit: 3"),
        ('leave("no")', 1, "SystemExit: no"),
        ("coroutine()", 1, "it returned a coroutine, of which nothing has run"),
        ("missing()", 1, "shop has no 'missing'"),
        ("nice(1)", 1, "takes 0 positional arguments"),
    ],
)
def test_a_job_ends_as_its_code_says(shop: Start, job: str, status: int, told: str) -> None:
    call, _, arguments = job[:-1].partition("(")
    corn = shop(APP, table("job", call, more=f"args = [{arguments}]"), workers=1)
    worker = has_cron_worker(corn)
    outcome = run(corn, "job")[-1]
    assert outcome["status"] == status
    assert told in str(outcome["detail"])
    if status:
        entry = corn.expects(messages.JOB_FAILED, job="job")
        assert told in entry["MESSAGE"]
        assert ('File "' in entry["MESSAGE"]) == (call in ("fail", "leave"))
        assert "corn_systemd/" not in entry["MESSAGE"]
    assert cron_workers(corn) == [worker], "a failure is no reason to replace it"
    assert "never" not in notes(corn)


def test_a_job_that_fails_is_held_back(shop: Start) -> None:
    corn = shop(APP, table("fails", "fail", "1s"), workers=1)
    held = corn.expects(messages.JOB_HELD_BACK, job="fails")
    assert held["CORN_FAILURES"] == "1"
    assert corn.job("fails")["due_at"] > time.time() + 20
    run(corn, "fails")
    assert corn.job("fails")["failures_in_row"] == 1, "runs by hand are no test of it"


def test_a_job_that_fails_too_often_is_suspended_until_it_is_resumed(shop: Start) -> None:
    corn = shop(APP, "[cron]\ngive_up = 1\n" + table("fails", "fail", "1s"), workers=1)
    entry = corn.expects(messages.JOB_SUSPENDED, job="fails")
    assert "corn job resume" in entry["MESSAGE"]
    assert (corn.job("fails")["outlook"], corn.job("fails")["due_at"]) == ("suspended", None)
    corn.stop()
    corn.restart()
    assert corn.job("fails")["outlook"] == "suspended", "it is in the ledger"
    status, body = corn.ask("POST /jobs/fails/resume")
    assert (status, json.loads(body)["outlook"]) == (200, "scheduled")
    corn.until(lambda: corn.job("fails")["failures"] == 2, "the next due run")


def test_a_job_that_is_paused_is_run_by_hand_alone(shop: Start) -> None:
    corn = shop(APP, table("speaks", "speak", "1s"), workers=1)
    status, body = corn.ask("POST /jobs/speaks/pause")
    assert (status, json.loads(body)["outlook"]) == (200, "paused")
    assert corn.job("speaks")["due_at"] is None
    corn.until(lambda: corn.job("speaks")["stage"] is None, "the end of what had begun")
    assert run(corn, "speaks")[-1]["outcome"] == "done"
    assert corn.ask("POST /jobs/speak/pause")[0] == 404
    corn.ask("POST /jobs/speaks/resume")
    runs = corn.job("speaks")["runs"]
    corn.until(lambda: corn.job("speaks")["runs"] > runs, "the next due run")


LIMITS = '[cron.limits]\ntime_real = "400ms"\ngrace = "400ms"\n'


@pytest.mark.parametrize(
    ("call", "limit", "is_killed"),
    [
        ("loop", "time_real", False),
        ("swallow", "time_real", True),
        ("hog", "memory_hard", True),
    ],
)
def test_a_job_over_a_limit_is_ended_and_the_next_one_runs(
    shop: Start, call: str, limit: str, is_killed: bool
) -> None:
    limits = '[cron.limits]\nmemory_hard = "200M"\n' if call == "hog" else LIMITS
    corn = shop(APP, table("bad", call) + table("good", "speak") + limits, workers=1)
    worker = has_cron_worker(corn)
    outcome = run(corn, "bad")[-1]
    assert outcome["outcome"] == ("killed" if is_killed else "failed")
    entry = corn.expects(messages.JOB_KILLED if is_killed else messages.JOB_FAILED, job="bad")
    assert entry["CORN_LIMIT"] == limit
    assert f"in {call}" in entry["MESSAGE"], "where its code was"
    assert not corn.told(messages.WORKER_KILLED) and not corn.told(messages.WORKER_DIED), "told once"
    assert run(corn, "good")[-1]["outcome"] == "done"
    assert has_cron_worker(corn) != worker
    assert corn.job("bad")["last"]["outcome"] == outcome["outcome"]
    assert notes(corn) == ["cleaned up", "spoke"] if call == "loop" else ["spoke"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("loop", messages.JOB_FAILED),  # interrupted by a signal of corn's
        ("swallow", messages.JOB_KILLED),  # its stacks are shown at another
        ("crash", messages.JOB_KILLED),  # and these are its last words
    ],
)
def test_what_a_run_changes_in_its_worker_is_put_back_with_the_signals_of_corn_s(
    shop: Start, call: str, message: messages.Message
) -> None:
    calls = ("look_around", "unsettle", call)
    corn = shop(APP, "".join(table(one.replace("_", "-"), one) for one in calls) + LIMITS, workers=1)
    worker = has_cron_worker(corn)
    for name in ("look-around", "unsettle", "look-around"):
        assert run(corn, name)[-1]["outcome"] == "done"
    before, after = notes(corn)
    assert before == after
    assert has_cron_worker(corn) == worker
    run(corn, call)
    assert f"in {call}" in corn.expects(message, job=call)["MESSAGE"]


def test_a_job_has_limits_of_its_own_and_can_ask_for_its_deadline(shop: Start) -> None:
    settings = LIMITS + table("loop", "loop", more='time_real = 0\ntime_cpu = "300ms"')
    corn = shop(APP, settings + table("asks", "deadline"), workers=1)
    run(corn, "loop")
    assert corn.expects(messages.JOB_FAILED, job="loop")["CORN_LIMIT"] == "time_cpu"
    run(corn, "asks")
    assert notes(corn)[-1] == "True"


@pytest.mark.parametrize(
    ("call", "cause"), [("crash", "signal SIGSEGV"), ("exit", "status 3"), ("wait_for", "signal SIGKILL")]
)
def test_a_job_whose_worker_dies_is_told_with_the_cause_and_is_not_repeated(
    shop: Start, call: str, cause: str
) -> None:
    more = 'args = ["never"]' if call == "wait_for" else ""
    corn = shop(APP, table("bad", call, "1s", more) + table("good", "speak"), workers=1)
    if call == "wait_for":
        corn.until(lambda: "waits" in notes(corn), "its beginning")
        os.kill(has_cron_worker(corn), signal.SIGKILL)
    entry = corn.expects(messages.JOB_KILLED, job="bad")
    assert cause in entry["MESSAGE"]
    if call == "crash":
        assert "in crash" in entry["MESSAGE"], "the last stack"
    assert run(corn, "good")[-1]["outcome"] == "done"
    corn.expects(messages.JOB_HELD_BACK, job="bad")
    assert len(corn.told(messages.JOB_KILLED)) == 1
    assert corn.job("bad")["failures"] == 1


def test_a_child_that_a_job_has_forked_and_that_comes_back_is_no_second_worker(shop: Start) -> None:
    corn = shop(APP, table("forks", "fork"), workers=1)
    assert run(corn, "forks")[-1]["outcome"] == "done"
    corn.expects(messages.JOB_FINISHED)
    assert len(corn.told(messages.JOB_FINISHED)) == 1
    assert len(cron_workers(corn)) == 1


def test_what_a_job_leaves_behind_ends_with_its_worker(shop: Start) -> None:
    corn = shop(APP, table("leaves", "leave_behind"), workers=1)
    before = set(corn.processes())
    run(corn, "leaves")
    left = set(corn.processes()) - before
    assert left
    os.kill(has_cron_worker(corn), signal.SIGKILL)
    corn.until(lambda: not left & set(corn.processes()), "the end of what it left")


def test_a_run_that_is_due_while_the_last_one_lasts_is_skipped_or_waits(shop: Start) -> None:
    jobs = [table(how, "wait_for", "1s", f'args = ["go"]\noverlap = "{how}"') for how in ("skip", "queue")]
    corn = shop(APP, "[cron]\nworkers = 2\n" + "".join(jobs), workers=1)
    skipped = corn.expects(messages.JOB_SKIPPED, job="skip")
    assert "the last run has not ended" in skipped["MESSAGE"]
    waits = corn.expects(messages.JOB_SKIPPED, job="queue")
    assert "one waits for it already" in waits["MESSAGE"]
    assert notes(corn) == ["waits", "waits"], "at once, each in a worker of its own"
    corn.write("go", "")
    corn.until(lambda: len(corn.told(messages.JOB_FINISHED, job="queue")) >= 2, "the one that waited")


def test_jobs_stand_back_behind_requests(shop: Start) -> None:
    corn = shop(APP, "[cron]\nnice = 7\n" + table("nice", "nice"), workers=1)
    run(corn, "nice")
    assert notes(corn) == ["7"]
    assert corn.get().body == b"served\n"


DECLARING = (
    "import corn_systemd\n"
    + APP
    + """
@corn_systemd.job("17 3 * * *", timezone="Europe/Berlin")
def tidy():
    note("tidied")

@corn_systemd.job(every="1h", name="say-it", args=["hi"])
def say(word):
    print(word)
"""
)


@pytest.mark.parametrize("preload", ["true", "false"])
def test_jobs_that_the_application_declares_are_run_and_listed_with_their_origin(
    shop: Start, preload: str
) -> None:
    corn = shop(DECLARING, f"preload = {preload}\n" + table("tidy", "speak"), workers=1)
    assert corn.job("tidy")["origin"] == "settings", "the settings' come first"
    said = corn.job("say-it")
    assert (said["origin"], said["call"], said["schedule"]) == ("code", "shop:say", "every 1h")
    assert run(corn, "say-it")[0] == {"line": "hi"}


def test_a_declaration_that_makes_no_sense_refuses_the_application_where_it_stands(shop: Start) -> None:
    corn = shop(DECLARING.replace("17 3 * * *", "17 25 * * *"), start=False)
    corn.start()
    assert corn.end() == 78
    entry = corn.expects(messages.INSTANCE_REFUSED)
    assert "hour: 25 is not in 0-23" in entry["MESSAGE"]
    assert re.search(r'shop.py", line \d+', entry["MESSAGE"])


def test_a_reload_waits_for_a_running_job_and_never_has_two_cron_workers(shop: Start) -> None:
    corn = shop(APP, table("long", "wait_for", more='args = ["go"]'), workers=1)
    old = has_cron_worker(corn)
    assert corn.ask("POST /jobs/long/run")[0] == 202
    corn.until(lambda: notes(corn) == ["waits"], "its beginning")
    settings = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", settings + table("fresh", "speak"))
    assert corn.ask("POST /reload")[0] == 200
    assert corn.ask("POST /jobs/fresh/run")[0] == 202, "the new table of jobs is in force"
    seen: set[tuple[int, ...]] = set()

    def look() -> bool:
        seen.add(tuple(cron_workers(corn)))
        return bool(corn.told(messages.JOB_FINISHED, job="fresh"))

    assert not look(), "it waits for a worker"
    corn.write("go", "")
    corn.until(look, "the new job")
    assert notes(corn) == ["waits", "waited", "spoke"]
    assert all(len(pids) <= 1 for pids in seen)
    assert cron_workers(corn) != [old]
    assert corn.job("long")["runs"] == 1


def test_a_job_that_is_taken_away_is_run_no_more(shop: Start) -> None:
    corn = shop(APP, table("often", "speak", "1s"), workers=1)
    corn.expects(messages.JOB_FINISHED, job="often")
    settings = (corn.directory / "shop.toml").read_text()
    corn.write("shop.toml", settings[: settings.index("[[cron.jobs]]")])
    assert corn.ask("POST /reload")[0] == 200
    assert json.loads(corn.ask("GET /jobs")[1])["jobs"] == []
    gone = ("cron", "clerk")
    corn.until(
        lambda: not any(one["role"] in gone for one in corn.report()["processes"]), "the end of who ran them"
    )


def test_a_stop_waits_for_a_running_job_and_ends_what_lasts_too_long(shop: Start) -> None:
    settings = 'stop_timeout = "1s"\n' + table("long", "wait_for", more='args = ["go"]')
    corn = shop(APP, settings, workers=1)
    has_cron_worker(corn)
    assert corn.ask("POST /jobs/long/run")[0] == 202
    corn.until(lambda: notes(corn) == ["waits"], "its beginning")
    corn.signal(signal.SIGTERM)
    corn.expects(messages.INSTANCE_STOPPING)
    corn.write("go", "")
    assert corn.end() == 0
    assert notes(corn) == ["waits", "waited"]
    (corn.directory / "go").unlink()
    corn.restart()
    assert corn.job("long")["last"]["outcome"] == "done", "it is in the ledger"
    has_cron_worker(corn)
    assert corn.ask("POST /jobs/long/run")[0] == 202
    corn.until(lambda: len(notes(corn)) == 3, "its beginning")
    corn.signal(signal.SIGTERM)
    assert corn.end() == 0
    assert "not gone within 1 s" in corn.expects(messages.JOB_KILLED)["MESSAGE"]
    corn.gone()


def test_a_run_that_the_end_of_the_master_has_cut_off_is_told_and_not_repeated(shop: Start) -> None:
    corn = shop(APP, table("long", "wait_for", "1s", 'args = ["go"]'), workers=1)
    corn.until(lambda: notes(corn) == ["waits"], "its beginning")
    run_id = corn.expects(messages.JOB_STARTED)["CORN_RUN"]
    corn.signal(signal.SIGKILL)
    corn.end()
    corn.gone()
    corn.write("go", "")
    corn.restart()
    killed = corn.expects(messages.JOB_KILLED, job="long")
    assert killed["CORN_RUN"] == run_id
    assert "ended while it ran" in killed["MESSAGE"]
    assert corn.job("long")["failures"] == 1
    assert not corn.told(messages.JOB_STARTED, run=run_id)


def test_a_run_that_was_missed_is_made_up_for_once_or_told(shop: Start) -> None:
    both = table("up", "speak", "1s") + table("not", "speak", "1s", "catch_up = false")
    corn = shop(APP, both, workers=1)
    for name in ("up", "not"):
        corn.expects(messages.JOB_FINISHED, job=name)
    corn.stop()
    ledger = corn.directory / "state" / "ledger"
    entries = [json.loads(line.partition(" ")[2]) for line in ledger.read_text().splitlines() if line]
    assert {entry["job"] for entry in entries} == {"up", "not"}
    # As if it had been stopped for an hour: what is late by less than a minute is not late.
    from corn_systemd.cron.ledger import Ledger, entry_of

    hour_ago = []
    for entry in {one["job"]: one for one in entries}.values():
        entry["past"]["mark"] -= 3600
        hour_ago.append(entry_of(entry))
    Ledger(str(ledger)).write(hour_ago)
    corn.restart()
    corn.expects(messages.JOB_MISSED, job="not")
    corn.expects(messages.JOB_FINISHED, job="up")
    assert corn.told(messages.JOB_MISSED, job="up"), "those before the last"


def test_the_clerk_is_replaced_and_nothing_is_lost_with_it(shop: Start) -> None:
    corn = shop(APP, table("long", "wait_for", more='args = ["go"]'), workers=1)
    has_cron_worker(corn)
    assert corn.ask("POST /jobs/long/run")[0] == 202
    corn.until(lambda: notes(corn) == ["waits"], "its beginning")
    os.kill(corn.workers(role="clerk")[0]["pid"], signal.SIGKILL)
    corn.write("go", "")
    corn.expects(messages.CLERK_DIED)
    corn.expects(messages.JOB_FINISHED)
    corn.until(lambda: corn.workers(role="clerk"), "another clerk")
    corn.stop()
    corn.restart()
    assert corn.job("long")["last"]["outcome"] == "done"
    assert not corn.told(messages.JOB_KILLED)


def test_jobs_wait_for_a_ledger_that_can_not_be_written_and_requests_do_not(shop: Start) -> None:
    corn = shop(APP, table("often", "speak", "1s"), start=False, workers=1)
    blocked = corn.write("state", "a file where the directory should be")
    corn.start().ready()
    entry = corn.expects(messages.JOBS_STOPPED)
    assert str(blocked) in entry["MESSAGE"]
    assert corn.get().body == b"served\n"
    corn.until(lambda: "jobs can not begin" in corn.report()["status"], "a word in the status")
    blocked.unlink()
    corn.expects(messages.JOBS_GO_ON)
    corn.expects(messages.JOB_FINISHED, job="often")
    assert len(corn.told(messages.JOBS_STOPPED)) == 1


def test_torn_lines_of_the_ledger_are_told(shop: Start) -> None:
    corn = shop(APP, table("speaks", "speak"), start=False, workers=1)
    ledger = Path(corn.directory / "state")
    ledger.mkdir()
    (ledger / "ledger").write_bytes(b"00000000 {torn")
    corn.start().ready()
    assert corn.expects(messages.LEDGER_TORN)["CORN_COUNT"] == "1"
    assert run(corn, "speaks")[-1]["outcome"] == "done"


POLLING = (
    APP
    + """
READER, WRITER = None, None

def poll():
    global READER
    if READER is None:
        try:
            os.mkfifo("wake")
        except FileExistsError:
            pass
        READER = os.open("wake", os.O_RDWR | os.O_NONBLOCK)
    try:
        while os.read(READER, 100):
            pass
    except BlockingIOError:
        pass
    note(f"polled {time.time()}")
    if os.path.exists("fails"):
        raise ValueError("the database is gone")
    if os.path.exists("hangs"):
        time.sleep(600)
    return (None, READER) if not os.path.exists("soon") else (0.05, READER)
"""
)


def wake(corn: Corn) -> float:
    """Wakes the poller; when that was."""
    fd = os.open(corn.directory / "wake", os.O_WRONLY | os.O_NONBLOCK)
    at = time.time()
    os.write(fd, b"x")
    os.close(fd)
    return at


def test_a_poller_is_called_when_its_descriptor_wakes_it_or_when_it_wants_to_be(shop: Start) -> None:
    corn = shop(POLLING, '[cron]\npoll = "shop:poll"\n', workers=1)
    corn.until(lambda: len(notes(corn)) == 1, "its first call")
    # Its worker waits for the descriptor from the moment at which its slot says that the call is over.
    corn.until(lambda: "request" not in corn.workers(role="cron")[0], "its end")
    at = wake(corn)
    corn.until(lambda: len(notes(corn)) == 2, "its second call")
    assert float(notes(corn)[1].split()[1]) - at < 1.0, "ten times the bound of 100 ms"
    corn.write("soon", "")
    wake(corn)
    corn.until(lambda: len(notes(corn)) >= 5, "calls that it has asked for")
    assert not [entry for entry in corn.entries if entry.get("CORN_JOB")], "a poller is no news"


def test_a_poller_that_fails_or_hangs_is_told_and_called_again(shop: Start) -> None:
    corn = shop(POLLING, f'[cron]\npoll = "shop:poll"\n{LIMITS}', workers=1)
    corn.until(lambda: len(notes(corn)) == 1, "its first call")
    corn.write("fails", "")
    wake(corn)
    failed = corn.expects(messages.JOB_FAILED, job="shop:poll")
    assert "the database is gone" in failed["MESSAGE"]
    (corn.directory / "fails").unlink()
    corn.write("hangs", "")
    failed = corn.expects(messages.JOB_FAILED, limit="time_real")
    (corn.directory / "hangs").unlink()
    count = len(notes(corn))
    corn.until(lambda: len(notes(corn)) > count, "a call that goes well")


def test_a_thousand_jobs_that_are_not_due_wake_nobody(shop: Start) -> None:
    jobs = "".join(table(f"job-{number}", "speak", "999d") for number in range(1000))
    corn = shop(APP, jobs, workers=1)
    has_cron_worker(corn)

    def wakes() -> int:
        status = Path(f"/proc/{corn.pid}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def has_settled() -> bool:
        before = wakes()
        end = time.monotonic() + 2.0
        corn.until(lambda: time.monotonic() > end, "two seconds")
        return wakes() - before <= 3  # as without any job: once a second while it begins, then once in five

    corn.until(has_settled, "quiet")


def test_who_looks_on_and_goes_away_stops_nothing(shop: Start) -> None:
    import socket

    corn = shop(APP, table("long", "wait_for", more='args = ["go"]'), workers=1)
    has_cron_worker(corn)
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(corn.directory / "control"))
    client.sendall(b"POST /jobs/long/run?wait=1 HTTP/1.1\r\nHost: corn\r\n\r\n")
    corn.until(lambda: notes(corn) == ["waits"], "its beginning")
    client.close()
    assert corn.ask("POST /jobs/long/run")[0] == 409
    corn.write("go", "")
    corn.expects(messages.JOB_FINISHED)
    assert request(corn.sockets[0], "GET", "/").status == 200
