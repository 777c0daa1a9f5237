"""Scale to zero: instances that nobody uses are gone, and are there when somebody comes."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import machine
import pytest
from machine import ETC, Instance, drop_in, get, is_listening, sh, show, systemctl, wait_for

from corn_systemd.systemd import messages

Make = Callable[..., Instance]
ADDRESS, PATH = "127.0.0.1:8140", "/run/corn/idle-too.sock"
TIMER, WAKE = "corn@idle.timer", "corn-wake@idle.service"
MANY = 50


def asleep(one: Instance) -> Instance:
    wait_for(lambda: one.show("ActiveState") == "inactive", "its end", 30)
    return one


def test_it_sleeps_when_nobody_comes_and_the_next_connection_wakes_it(instance: Make) -> None:
    one = instance("idle", listen=[ADDRESS, PATH], idle_exit="1s")
    systemctl("enable", "--now", one.socket)
    for address in (ADDRESS, PATH):
        assert one.show("ActiveState") == "inactive"
        assert get(address, timeout=30) == (200, "shop\n")
        asleep(one)
        assert [one.show(name) for name in ("Result", "ExecMainStatus", "NRestarts")] == ["success", "0", "0"]
        assert (one.processes(), os.path.exists("/run/corn/idle")) == (set(), False)
    assert one.starts() == 2
    woken = one.journal(messages.INSTANCE_WOKEN)
    print([entry["MESSAGE"] for entry in woken])
    assert len(woken) == len(one.journal(messages.INSTANCE_SLEEPS)) == 2
    assert [entry["MESSAGE"] for entry in one.journal() if int(entry["PRIORITY"]) < 5] == []
    assert one.show("StatusText").startswith("asleep")
    said = sh("corn", "status", "idle").stdout
    assert "asleep" in said and ADDRESS in said
    assert "idle_exit" not in sh("corn", "check", "idle").stderr


def test_started_as_a_service_it_sleeps_too_and_its_sockets_stay(instance: Make) -> None:
    one = instance("idle", listen=[ADDRESS, PATH], idle_exit="1s")
    one.start()
    asleep(one)
    assert get(ADDRESS, timeout=30) == get(PATH, timeout=30) == (200, "shop\n")


@pytest.fixture
def many() -> Iterator[list[str]]:
    """The sockets of MANY instances of one application, each enabled by its socket alone."""
    names = [f"many{number}" for number in range(MANY)]
    home = Path("/srv/many")
    home.mkdir()
    (home / "hello.py").write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Length', '5')])\n"
        "    return [b'hello']\n"
    )
    for name in names:
        (ETC / f"{name}.toml").write_text(
            f'app = "hello"\nchdir = "{home}"\nidle_exit = "3s"\n[workers]\ncount = 1\n'
        )
    systemctl("daemon-reload")
    sockets = [f"corn@{name}.socket" for name in names]
    systemctl("start", *sockets)
    yield [f"/run/corn/{name}.sock" for name in names]
    systemctl("stop", *sockets, *(f"corn@{name}.service" for name in names), check=False)
    for name in names:
        (ETC / f"{name}.toml").unlink()
    sh("rm", "-r", str(home))
    systemctl("reset-failed", check=False)
    systemctl("daemon-reload")


def of_many() -> tuple[list[str], list[str]]:
    """The processes and the control groups that are there of them."""
    found = [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and "corn@many" in _read(entry / "cgroup")
    ]
    groups = [path for path, _, _ in os.walk("/sys/fs/cgroup") if "/corn@many" in path and ".service" in path]
    return found, groups


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_of_fifty_that_sleep_no_process_and_no_memory_remains_and_each_answers_the_first(
    many: list[str],
) -> None:
    for _ in range(2):
        # systemd has a process of its own for each socket that it gives to a group.
        wait_for(lambda: of_many() == ([], []), "the sockets alone")
        answers: dict[str, object] = {}

        def ask(path: str, answers: dict[str, object] = answers) -> None:
            try:
                answers[path] = get(path, timeout=120)
            except OSError as error:
                answers[path] = error

        began = time.monotonic()
        clients = [threading.Thread(target=ask, args=(path,)) for path in many]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        print(f"{MANY} instances answered within {time.monotonic() - began:.1f} s")
        assert answers == dict.fromkeys(many, (200, "hello"))
        wait_for(lambda: of_many() == ([], []), "all of them to sleep", 60)
    assert not any(os.path.exists(path.removesuffix(".sock")) for path in many)


def test_who_comes_at_any_moment_is_answered(instance: Make) -> None:
    dice = random.Random(6)
    one = instance("idle", listen=[ADDRESS], idle_exit="200ms")
    systemctl("start", one.socket)
    lost: list[str] = []

    def visit(moments: list[float]) -> None:
        for moment in moments:
            time.sleep(moment)
            try:
                if (answer := get(ADDRESS, timeout=30)) != (200, "shop\n"):
                    lost.append(repr(answer))
            except OSError as error:
                lost.append(repr(error))

    visitors = [
        threading.Thread(target=visit, args=([dice.uniform(0, 1.2) for _ in range(30)],)) for _ in range(2)
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    print(f"{one.starts()} starts")
    assert lost == [] and one.starts() > 5
    assert show(one.socket, "ActiveState") == "active"


def test_stop_restart_and_reload_of_one_that_sleeps_do_what_they_say(instance: Make) -> None:
    one = instance("idle", listen=[ADDRESS], idle_exit="4s")
    one.start()
    asleep(one)
    done = systemctl("reload", one.service, check=False)
    assert done.returncode == 1 and "not active" in done.stderr
    assert systemctl("try-reload-or-restart", one.service).returncode == 0
    assert "sleeps" in sh("corn", "reload", "idle").stdout
    assert one.show("ActiveState") == "inactive" and one.starts() == 1
    systemctl("restart", one.service)
    assert one.show("ActiveState") == "active"
    done = systemctl("stop", one.service)
    print(done.stderr)
    assert one.socket in done.stderr
    assert get(ADDRESS, timeout=30) == (200, "shop\n")
    systemctl("stop", one.socket, one.service)
    assert not is_listening(ADDRESS)
    assert one.show("ActiveState") == "inactive" and one.starts() == 3
    assert sh("corn", "status", "idle", check=False).returncode == 75
    one.start()
    systemctl("stop", "corn@*.socket", "corn")
    assert not is_listening(ADDRESS)
    systemctl("start", "corn")


def speaks(**when: str) -> dict[str, object]:
    return {"jobs": [{"name": "speaks", "call": "shop:speak", **when}]}


def has_timer() -> bool:
    return show(TIMER, "ActiveState") == "active"


def is_wake_done() -> bool:
    """It neither runs nor is about to."""
    return show(WAKE, "ActiveState") == "inactive" and show(WAKE, "Job") in ("", "0")


def test_a_timer_wakes_it_for_its_next_job_and_ends_with_its_socket(instance: Make) -> None:
    one = instance("idle", listen=[ADDRESS], idle_exit="4s", cron=speaks(every="30s"))
    # What an application's programs are called is nothing to root.
    (one.home / "bin").mkdir()
    for name in ("systemd-run", "systemctl", "python3"):
        (one.home / "bin" / name).write_text(f"#!/bin/sh\ntouch {one.home}/taken-for-the-system-s\n")
        (one.home / "bin" / name).chmod(0o755)
    drop_in(one.service, f"[Service]\nEnvironment=PATH={one.home}/bin:/usr/bin:/bin\n")
    systemctl("daemon-reload")
    one.start()
    for runs in (1, 2):
        # Nobody comes: it is systemd that starts it, in time, and it stays until it has done it.
        wait_for(lambda runs=runs: len(one.journal(messages.JOB_FINISHED)) == runs, "a run", 90)
        asleep(one)
        wait_for(has_timer, "its timer")
        assert one.processes() == set()
    assert one.starts() >= 2
    assert one.journal(messages.JOB_MISSED) == one.journal(messages.INSTANCE_WOKEN) == []
    assert [entry["MESSAGE"] for entry in one.journal() if int(entry["PRIORITY"]) < 5] == []
    due = [int(entry["__REALTIME_TIMESTAMP"]) / 1e6 for entry in one.journal(messages.JOB_STARTED)]
    print([f"{at % 30:.2f} s after it was due" for at in due])
    assert "timer at" in sh("corn", "status", "idle").stdout
    assert TIMER in systemctl("list-timers", "--no-pager").stdout
    assert TIMER in systemctl("stop", one.service).stderr

    # Who comes between wakes it, and it sleeps again, with one timer.
    assert get(ADDRESS, timeout=30) == (200, "shop\n")
    asleep(one)
    wait_for(has_timer, "its timer")
    # Who stops it while it is awake does not want it to come back for a job.
    assert get(ADDRESS, timeout=30) == (200, "shop\n")
    systemctl("stop", one.service)
    wait_for(lambda: not has_timer(), "the end of its timer")
    assert get(ADDRESS, timeout=30) == (200, "shop\n")
    asleep(one)
    wait_for(has_timer, "its timer")
    systemctl("stop", one.socket, one.service)
    assert not has_timer()
    assert not (one.home / "taken-for-the-system-s").exists()


def test_when_its_socket_is_opened_as_at_a_boot_its_jobs_count(instance: Make) -> None:
    one = instance("idle", listen=[ADDRESS, PATH], idle_exit="2s", cron=speaks(schedule="@yearly"))
    Path("/var/lib/corn/idle/wake").unlink(missing_ok=True)
    # Nothing is known of it: it has a look, without anybody who waits for that.
    systemctl("start", one.socket)
    wait_for(lambda: one.starts() == 1, "a start", 40)
    asleep(one)
    wait_for(has_timer, "its timer")
    due = show(TIMER, "NextElapseUSecRealtime")
    # It sleeps, and sleeps on.
    for verb in (*["restart"] * 6, "stop", "start", "start"):
        systemctl(verb, one.socket)
        wait_for(is_wake_done, "the end of what makes its timer")
        assert (has_timer(), show(one.socket, "ActiveState") == "active") == (verb != "stop",) * 2
    assert (one.starts(), one.show("ActiveState")) == (1, "inactive")
    assert show(TIMER, "NextElapseUSecRealtime") == due
    # Who stops it while it is awake, and opens its socket again, wants its jobs.
    assert get(ADDRESS, timeout=30) == (200, "shop\n")
    systemctl("stop", one.socket, one.service)
    systemctl("start", one.socket)
    wait_for(lambda: one.starts() == 3, "a start", 40)
    asleep(one)
    wait_for(has_timer, "its timer")
    assert [entry["MESSAGE"] for entry in one.journal() if int(entry["PRIORITY"]) < 5] == []


def test_who_is_stopped_while_it_goes_to_sleep_is_stopped(instance: Make) -> None:
    dice = random.Random(6)
    one = instance("idle", listen=[ADDRESS], idle_exit="500ms", cron=speaks(schedule="@yearly"))
    for _ in range(8):
        one.start()
        wait_for(lambda: one.journal(messages.INSTANCE_SLEEPS), "its going to sleep")
        time.sleep(dice.uniform(0, 0.3))
        began = time.monotonic()
        systemctl("stop", one.socket, one.service)
        assert time.monotonic() - began < 10 * machine.PATIENCE
        wait_for(is_wake_done, "the end of what makes its timer")
        states = [show(unit, "ActiveState") for unit in (one.service, one.socket, TIMER, WAKE)]
        assert states == ["inactive"] * 4
        assert not is_listening(ADDRESS)
        one.since = time.time()


def test_who_can_not_be_started_for_its_job_is_tried_again_later(instance: Make) -> None:
    one = instance("idle", listen=[ADDRESS], idle_exit="1s", cron=speaks(every="30s"))
    one.start()
    asleep(one)
    wait_for(has_timer, "its timer")
    good = (one.home / "shop.py").read_text()
    (one.home / "shop.py").write_text("import frobnicate\n")
    wait_for(lambda: one.show("ActiveState") == "failed", "a start that fails", 90)
    wait_for(has_timer, "its timer")
    due = show(TIMER, "NextElapseUSecRealtime")
    assert 200 < int(sh("date", "--date", due, "+%s").stdout) - time.time() < 310
    # As often as it is asked for, it is the same.
    for _ in range(8):
        systemctl("start", WAKE)
    assert show(TIMER, "NextElapseUSecRealtime") == due
    (one.home / "shop.py").write_text(good)
    one.start()
    wait_for(lambda: one.journal(messages.JOB_FINISHED), "a run", 90)


def test_who_can_not_be_woken_for_a_job_is_started_again_and_the_journal_says_why(instance: Make) -> None:
    own = Path(f"/etc/systemd/system/{TIMER}")
    own.write_text("[Timer]\nOnCalendar=yearly\n")
    try:
        one = instance("idle", listen=[ADDRESS], idle_exit="1s", cron=speaks(schedule="@yearly"))
        one.start()
        wait_for(lambda: one.starts() >= 2, "another start", 40)
        said = [entry["MESSAGE"] for entry in one.journal() if "can not be woken" in entry["MESSAGE"]]
        assert "corn@idle can not be woken for its next job" in said[0]
        assert get(ADDRESS, timeout=30) == (200, "shop\n")
    finally:
        own.unlink()
        systemctl("daemon-reload")


def test_of_one_that_was_broken_while_it_slept_clients_hear_503_and_it_serves_when_it_is_mended(
    instance: Make,
) -> None:
    one = instance("idle", listen=[ADDRESS], idle_exit="1s")
    one.start()
    asleep(one)
    good = (one.home / "shop.py").read_text()
    (one.home / "shop.py").write_text("import frobnicate\n")
    assert get(ADDRESS, timeout=30)[0] == 503
    wait_for(lambda: one.show("ActiveState") == "failed", "failed")
    assert one.starts() == 2
    assert get(ADDRESS, timeout=30)[0] == 503
    (one.home / "shop.py").write_text(good)
    wait_for(lambda: one.show("ActiveState") == "failed", "failed")
    assert get(ADDRESS, timeout=30) == (200, "shop\n")


def test_before_systemd_knows_of_idle_exit_it_stays_awake_and_says_so(instance: Make) -> None:
    one = instance("idle", reload=False, idle_exit="500ms")
    assert "daemon-reload" in sh("corn", "check", "idle").stderr
    one.start()
    (entry,) = wait_for(lambda: one.journal(messages.INSTANCE_STAYS_AWAKE), "a word")
    assert "its socket unit would close with it" in entry["MESSAGE"]
    time.sleep(2)
    assert one.show("ActiveState") == "active"
    systemctl("daemon-reload")
    systemctl("restart", one.service)
    asleep(one)
    assert get("/run/corn/idle.sock", timeout=30) == (200, "shop\n")
