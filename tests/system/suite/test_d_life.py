"""Stop, restart, reload, crash: of one instance, and of all by way of corn.service."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hammer import Hammer
from machine import (
    Connection,
    Instance,
    drop_in,
    get,
    is_listening,
    pids_alive,
    sh,
    show,
    systemctl,
    wait_for,
)

from corn_systemd.systemd import messages

Make = Callable[..., Instance]
ADDRESS, OTHER = "127.0.0.1:8120", "127.0.0.1:8121"
# Of an instance without a socket unit: what corn binds lies in its own directory.
BOTH = ("127.0.0.1:8123", "/run/corn/masked/http.sock")


@pytest.fixture
def masked(instance: Make) -> Iterator[Instance]:
    one = instance("masked", listen=BOTH)
    # The generator makes another unit for each further address.
    units = one.socket, "corn-masked-2.socket"
    systemctl("mask", "--runtime", *units)
    yield one
    one.stop()
    systemctl("unmask", "--runtime", *units)


def test_the_smoke_test_of_the_package_passes() -> None:
    """debian/tests/smoke, which autopkgtest runs on Debian's machines."""
    try:
        print(sh("/corn/smoke").stderr)
    finally:
        Path("/etc/corn/smoke.toml").unlink(missing_ok=True)
        systemctl("daemon-reload")


def test_stop_stops_although_clients_knock(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS, "/run/corn/knocked.sock"])
    one.start()
    with Hammer(ADDRESS), Hammer("/run/corn/knocked.sock"):
        time.sleep(0.5)
        one.stop()
        time.sleep(2)
        assert (one.show("ActiveState"), one.main_pid, one.starts()) == ("inactive", 0, 1)
    assert not is_listening(ADDRESS) and not is_listening("/run/corn/knocked.sock")
    assert not os.path.exists("/run/corn/knocked.sock")


def test_the_neighbours_of_a_stuck_worker_are_served_under_all_hardening(instance: Make) -> None:
    """The master takes them by pidfd_getfd(2), which seccomp, Yama and ProtectProc= must allow."""
    one = instance("shop", listen=[ADDRESS])
    one.start()
    clients = [Connection(ADDRESS) for _ in range(8)]
    pids = {}
    for client in clients:
        client.request("GET", "/who")
        pids.setdefault(json.loads(client.getresponse().read())["pid"], []).append(client)
    pid, its = max(pids.items(), key=lambda item: len(item[1]))
    stuck, *others = its
    stuck.request("GET", "/lock")
    # Not before: what is read in one round with it may be answered first.
    wait_for(lambda: "GET /lock" in sh("corn", "status", "shop").stdout, "the worker to be stuck")
    # Ten times what they may wait.
    for client in others:
        client.sock.settimeout(2)
        client.request("GET", "/who")
    assert others and pid not in {json.loads(client.getresponse().read())["pid"] for client in others}
    os.kill(pid, signal.SIGKILL)
    for client in clients:
        client.close()
    assert not one.journal(messages.RESCUE_REFUSED) and not one.journal(messages.CONNECTIONS_LOST)


def test_restart_loses_no_request(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS])
    one.start()
    with Hammer(ADDRESS) as clients:
        for _ in range(3):
            time.sleep(0.5)
            systemctl("restart", one.service)
    assert clients.lost == [] and clients.answered > 50


def test_reload_of_a_broken_application_fails_and_changes_nothing(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS])
    one.start()
    main = one.main_pid
    (one.home / "shop.py").write_text("import frobnicate\n")
    with Hammer(ADDRESS) as clients:
        assert systemctl("reload", one.service, check=False).returncode == 1
    assert clients.lost == []
    assert (one.show("ActiveState"), one.main_pid) == ("active", main)
    (entry,) = one.journal(messages.GENERATION_REFUSED)
    assert "frobnicate" in entry["MESSAGE"]


def test_corn_starts_what_is_enabled_and_stops_all(instance: Make) -> None:
    one, other, third = (
        instance(name, listen=[f"127.0.0.1:{port}"])
        for name, port in (("one", 8120), ("other", 8121), ("third", 8122))
    )
    systemctl("stop", "corn")
    systemctl("enable", one.service, other.service)
    systemctl("start", "corn")
    assert [each.show("ActiveState") for each in (one, other, third)] == ["active", "active", "inactive"]
    assert get(ADDRESS) == get(OTHER) == (200, "shop\n")
    third.start()
    with Hammer(ADDRESS), Hammer("127.0.0.1:8122"):
        time.sleep(0.3)
        systemctl("stop", "corn")
        # It stands before them, and does not wait for their end.
        wait_for(lambda: not any(each.processes() for each in (one, other, third)), "their end")
        time.sleep(2)
        assert [each.show("ActiveState") for each in (one, other, third)] == ["inactive"] * 3
    assert [show(each.socket, "ActiveState") for each in (one, other, third)] == ["inactive"] * 3
    assert not any(map(is_listening, (ADDRESS, OTHER, "127.0.0.1:8122")))
    systemctl("start", "corn")


def test_corn_restarts_and_reloads_all_that_run_without_losing_a_request(instance: Make) -> None:
    one, other = instance("one", listen=[ADDRESS]), instance("other", listen=[OTHER])
    for each in (one, other):
        each.start()
    mains = one.main_pid, other.main_pid
    with Hammer(ADDRESS) as clients, Hammer(OTHER) as others:
        time.sleep(0.3)
        systemctl("restart", "corn")
        wait_for(lambda: {one.main_pid, other.main_pid}.isdisjoint({*mains, 0}), "other masters")
        wait_for(lambda: one.show("ActiveState") == other.show("ActiveState") == "active", "active")
        mains = one.main_pid, other.main_pid
        systemctl("reload", "corn")
        for each in (one, other):
            wait_for(partial(each.journal, messages.GENERATION_RELOADED), "a reload")
    assert clients.lost == others.lost == []
    assert (one.main_pid, other.main_pid) == mains


def test_a_killed_worker_is_replaced(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS])
    one.start()
    worker = int(get(ADDRESS, "/who")[1].split('"pid": ')[1].split(",")[0])
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: one.journal(messages.WORKER_DIED), "a message")
    assert get(ADDRESS) == (200, "shop\n")
    assert (one.show("ActiveState"), one.show("NRestarts")) == ("active", "0")


def test_a_killed_master_leaves_nothing_behind_and_is_restarted(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS])
    one.start()
    threading.Thread(target=lambda: _ignore(lambda: get(ADDRESS, "/deep", timeout=60)), daemon=True).start()
    time.sleep(0.5)
    pids = one.processes()
    assert len(pids) >= 4
    os.kill(one.main_pid, signal.SIGKILL)
    wait_for(lambda: not pids_alive(pids), "the end of all processes", 20)
    wait_for(partial(is_restarted, one, "1"), "active again")
    assert get(ADDRESS) == (200, "shop\n")


def test_a_master_that_stands_still_is_restarted_and_the_journal_shows_where(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS])
    drop_in(one.service, "[Service]\nWatchdogSec=6s\n")
    systemctl("daemon-reload")
    one.start()
    pids = one.processes()
    os.kill(one.main_pid, signal.SIGSTOP)
    wait_for(partial(is_restarted, one, "1"), "active again", 30)
    assert get(ADDRESS) == (200, "shop\n")
    assert not pids_alive(pids)
    wait_for(lambda: has_shown_where(one), "a stack")


def has_shown_where(one: Instance) -> bool:
    lines = one._journalctl("--output=cat", f"--unit={one.service}")
    return "Fatal Python error: Aborted" in lines and "in _turn" in lines


def test_a_killed_master_closes_no_socket(instance: Make) -> None:
    """A connection that a dead process had accepted is gone; none is refused, and none waits in vain."""
    one = instance("shop", listen=[ADDRESS])
    one.start()
    with Hammer(ADDRESS, fresh=4, kept=0) as clients:
        for restarts in ("1", "2", "3"):
            time.sleep(1)
            os.kill(one.main_pid, signal.SIGKILL)
            wait_for(partial(is_restarted, one, restarts), "a restart")
    assert closed(clients) == []
    assert clients.answered > 50
    assert one.journal(messages.LISTENER_BOUND) == []


def test_without_the_socket_unit_a_restart_loses_no_request_and_a_killed_master_closes_no_socket(
    masked: Instance,
) -> None:
    """Masked, it passes nothing: corn binds the addresses once, and systemd's store keeps the sockets."""
    masked.start()
    assert len(masked.journal(messages.LISTENER_BOUND)) == len(BOTH)
    with Hammer(BOTH[0]) as clients, Hammer(BOTH[1]) as others:
        for _ in range(3):
            time.sleep(0.5)
            systemctl("restart", masked.service)
    assert clients.lost == others.lost == []
    assert min(clients.answered, others.answered) > 50
    with Hammer(BOTH[0], fresh=4, kept=0) as clients, Hammer(BOTH[1], fresh=4, kept=0) as others:
        for restarts in ("1", "2", "3"):
            time.sleep(1)
            os.kill(masked.main_pid, signal.SIGKILL)
            wait_for(partial(is_restarted, masked, restarts), "a restart")
    assert closed(clients) == closed(others) == []
    assert min(clients.answered, others.answered) > 50
    assert len(masked.journal(messages.LISTENER_BOUND)) == len(BOTH)
    masked.stop()
    assert not any(map(is_listening, BOTH))


def test_an_instance_whose_socket_unit_was_stopped_comes_back_and_then_loses_no_request(
    instance: Make,
) -> None:
    one = instance("shop", listen=[ADDRESS])
    one.start()
    systemctl("stop", one.socket)
    systemctl("restart", one.service)
    assert get(ADDRESS) == (200, "shop\n")
    with Hammer(ADDRESS) as clients:
        for _ in range(2):
            time.sleep(0.5)
            systemctl("restart", one.service)
    assert clients.lost == [] and clients.answered > 50


def closed(clients: Hammer) -> list[str]:
    """Those who were refused, or waited in vain: at a listening socket that was closed."""
    return [problem for problem in clients.lost if "refused" in problem or "timed out" in problem]


def test_stop_while_it_waits_to_be_restarted_stops_it(instance: Make) -> None:
    one = instance("shop", listen=[ADDRESS])
    drop_in(one.service, "[Service]\nRestartSec=30s\n")
    systemctl("daemon-reload")
    one.start()
    os.kill(one.main_pid, signal.SIGKILL)
    wait_for(lambda: one.show("SubState") == "auto-restart", "a dead master")
    one.stop()
    assert (one.show("ActiveState"), show(one.socket, "ActiveState")) == ("inactive", "inactive")
    assert not is_listening(ADDRESS)


def is_restarted(one: Instance, times: str) -> bool:
    return (one.show("NRestarts"), one.show("ActiveState")) == (times, "active")


def _ignore(deed: Callable[[], object]) -> None:
    try:
        deed()
    except OSError:
        pass
