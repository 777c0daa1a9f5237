"""Starts that fail: once, loudly, without a loop; and nothing is left listening."""

import json
import threading
import time
from collections.abc import Callable

from hammer import Hammer
from machine import Instance, get, is_listening, show, systemctl, wait_for

from corn_systemd.systemd import messages

Make = Callable[..., Instance]
ADDRESS = "127.0.0.1:8110"


def repair(one: Instance) -> None:
    one.configure(app="shop", chdir=str(one.home), listen=[ADDRESS])


def test_an_application_that_cannot_be_imported_fails_the_start_and_says_why(instance: Make) -> None:
    one = instance("broken", app="broken", listen=[ADDRESS])
    assert one.start(check=False).returncode == 1
    assert [one.show(name) for name in ("ActiveState", "ExecMainStatus", "NRestarts")] == [
        "failed",
        "78",
        "0",
    ]
    status = one.show("StatusText")
    assert "frobnicate" in status and "\n" not in status
    (entry,) = [entry for entry in one.journal() if "Traceback" in json.dumps(entry)]
    assert entry["MESSAGE_ID"] == messages.INSTANCE_REFUSED.id
    assert "deep_inside" in json.dumps(entry)
    assert one.starts() == 1
    assert not is_listening(ADDRESS)
    repair(one)
    one.start()
    assert get(ADDRESS) == (200, "shop\n")


def test_clients_that_wait_for_a_broken_application_make_no_loop(instance: Make) -> None:
    one = instance("broken", app="broken", listen=[ADDRESS])
    with Hammer(ADDRESS) as clients:
        assert one.start(check=False).returncode == 1
        time.sleep(3)  # a loop would take that long to show
    assert one.starts() == 1
    assert [problem for problem in clients.lost if "503" in problem] != []
    assert not is_listening(ADDRESS)
    assert show(one.socket, "ActiveState") == "inactive"
    repair(one)
    one.start()
    assert get(ADDRESS) == (200, "shop\n")


def test_a_broken_application_that_a_waiting_client_starts_makes_no_loop(instance: Make) -> None:
    """The socket is enabled by itself, so that systemd starts the service for the first client."""
    one = instance("broken", app="broken", listen=[ADDRESS])
    systemctl("enable", "--now", one.socket)
    assert (one.show("ActiveState"), show(one.socket, "ActiveState")) == ("inactive", "active")
    answers: list[object] = []
    clients = [threading.Thread(target=lambda: answers.append(get(ADDRESS)[0])) for _ in range(5)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(30)
    assert answers == [503] * 5
    wait_for(lambda: one.show("ActiveState") == "failed", "failed")
    time.sleep(2)
    assert one.starts() == 1
    assert (one.show("ActiveState"), one.show("ExecMainStatus")) == ("failed", "78")
    assert show(one.socket, "ActiveState") == "active"
    repair(one)
    one.start()
    assert get(ADDRESS) == (200, "shop\n")


def test_it_may_fail_often_and_starts_at_the_first_try_when_it_is_repaired(instance: Make) -> None:
    one = instance("broken", app="broken", listen=[ADDRESS])
    for _ in range(8):
        assert one.start(check=False).returncode == 1
    repair(one)
    one.start()
    assert get(ADDRESS) == (200, "shop\n")
    # Its sockets have been tried as often.
    assert show(one.socket, "ActiveState") == "active"
    assert one.journal(messages.LISTENER_BOUND) == []


def test_a_misspelt_instance_leaves_nothing_listening() -> None:
    assert systemctl("start", "corn@mian", check=False).returncode == 1
    assert show("corn@mian.socket", "ActiveState") == show("corn@mian.service", "ActiveState") == "inactive"
    assert not is_listening("/run/corn/mian.sock")


def test_a_port_that_another_holds_fails_the_start_and_names_it(instance: Make) -> None:
    first = instance("first", listen=[ADDRESS])
    first.start()
    second = instance("second", listen=[ADDRESS])
    assert second.start(check=False).returncode == 1
    assert ADDRESS in json.dumps(second.journal(messages.INSTANCE_REFUSED))
    assert get(ADDRESS) == (200, "shop\n")
