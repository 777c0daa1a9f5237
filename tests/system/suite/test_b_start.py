"""`systemctl start corn@shop`: sockets, readiness, status, journal, isolation."""

import os
import pwd
import re
import shutil
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

from machine import ETC, Instance, drop_in, get, is_listening, sh, show, systemctl, wait_for

from corn_systemd.systemd import messages

Make = Callable[..., Instance]


def user(name: str) -> int:
    sh("useradd", "--system", name, check=False)
    return pwd.getpwnam(name).pw_uid


def test_an_instance_listens_on_all_that_its_file_names(instance: Make) -> None:
    """TCP, IPv6, and unix sockets with different modes and groups, all of them passed by systemd."""
    uid = user("shop")
    public, private = "/run/corn/shop.sock", "/run/corn-shop-private/shop.sock"
    listen = [
        "127.0.0.1:8100",
        "[::1]:8100",
        {"path": public, "mode": "0660", "group": "www-data"},
        {"path": private, "mode": "0600", "group": "shop"},
    ]
    shop = instance("shop", user="shop", listen=listen)
    shop.start()
    for address in ("127.0.0.1:8100", "[::1]:8100", public, private):
        assert get(address) == (200, "shop\n")
    modes = {path: (oct(os.stat(path).st_mode & 0o777), Path(path).group()) for path in (public, private)}
    assert modes == {public: ("0o660", "www-data"), private: ("0o600", "shop")}
    assert os.stat(f"/proc/{shop.main_pid}").st_uid == uid
    assert shop.journal(messages.LISTENER_BOUND) == []
    assert shop.journal(messages.LISTENER_SURPLUS) == []
    shop.stop()
    addresses = ("127.0.0.1:8100", "[::1]:8100", public, private)
    wait_for(lambda: not any(map(is_listening, addresses)), "the end of the sockets", 2)


def test_without_addresses_an_instance_has_a_socket_for_the_web_server(instance: Make) -> None:
    plain = instance("plain")
    plain.start()
    assert get("/run/corn/plain.sock") == (200, "shop\n")
    found = os.stat("/run/corn/plain.sock")
    assert (stat.S_IMODE(found.st_mode), Path("/run/corn/plain.sock").group()) == (0o660, "www-data")
    assert plain.journal(messages.LISTENER_BOUND) == []


def test_one_address_for_both_protocols_and_a_port_below_1024(instance: Make) -> None:
    both = instance("both", listen=[":80"])
    both.start()
    assert get("127.0.0.1:80") == get("[::1]:80") == (200, "shop\n")


def test_it_is_active_only_when_a_worker_answers(instance: Make) -> None:
    slow = instance("slow", listen=["127.0.0.1:8101"], environment={"SHOP_IMPORT_SECONDS": "4"})
    systemctl("start", "--no-block", slow.service)
    wait_for(lambda: slow.main_pid, "a process")
    seen = set()
    while "active" not in seen:
        seen.add(slow.show("ActiveState"))
        assert seen <= {"activating", "active"}
    began = time.monotonic()
    assert get("127.0.0.1:8101") == (200, "shop\n")
    assert time.monotonic() - began < 3, "it imports again"
    assert "activating" in seen
    microseconds = [int(slow.show(f"{name}TimestampMonotonic")) for name in ("InactiveExit", "ActiveEnter")]
    assert microseconds[1] - microseconds[0] > 4_000_000


def test_clients_that_come_before_it_is_ready_wait_and_are_answered(instance: Make) -> None:
    slow = instance("slow", listen=["127.0.0.1:8101"], environment={"SHOP_IMPORT_SECONDS": "2"})
    systemctl("start", "--no-block", slow.service)
    wait_for(lambda: slow.show("ActiveState") == "activating", "a start")
    assert get("127.0.0.1:8101") == (200, "shop\n")


def test_an_enabled_instance_has_been_started_at_boot_with_the_sockets_of_its_file() -> None:
    """The first boot made it (stages); the generator ran before anything else at the second."""
    assert show("corn@boot.service", "ActiveState") == "active"
    assert get("127.0.0.1:8091") == get("/run/corn/boot.sock") == (200, "shop\n")
    boot = sh("journalctl", "--boot", "--unit=corn@boot.service", f"MESSAGE_ID={messages.LISTENER_BOUND.id}")
    assert boot.stdout.strip() in ("", "-- No entries --")


def test_those_that_sleep_are_woken_for_their_jobs_after_a_boot_as_well() -> None:
    """The first boot made them (stages), their sockets alone are enabled, and nobody has connected."""

    def starts(name: str) -> int:
        log = sh("journalctl", "--boot", "--output=cat", "_PID=1", f"UNIT=corn@{name}.service")
        return log.stdout.count("Starting ")

    def sleeps(name: str) -> bool:
        units = (f"corn@{name}.service", f"corn@{name}.timer")
        return [show(unit, "ActiveState") for unit in units] == ["inactive", "active"]

    try:
        wait_for(lambda: starts("boot-job") == 1 and sleeps("boot-job"), "a look at its jobs, and sleep", 60)
        assert starts("boot-word") == 0 and sleeps("boot-word")
        assert "2050" in show("corn@boot-word.timer", "NextElapseUSecRealtime")
    finally:
        units = ("corn@boot-job.socket", "corn@boot-word.socket")
        systemctl("disable", "--now", *units)
        systemctl("stop", *(unit.replace("socket", "service") for unit in units))
        for unit in units:
            (ETC / f"{unit[5:-7]}.toml").unlink()
        systemctl("daemon-reload")


def test_a_sound_application_starts_without_a_warning(instance: Make) -> None:
    shop = instance("shop", listen=["127.0.0.1:8100"])
    shop.start()
    wait_for(lambda: shop.journal(messages.INSTANCE_READY), "a message")
    assert [entry["MESSAGE"] for entry in shop.journal() if int(entry["PRIORITY"]) < 5] == []


def test_the_status_line_says_what_is_going_on(instance: Make) -> None:
    shop = instance("shop", listen=["127.0.0.1:8100"])
    shop.start()
    wait_for(lambda: re.match(r"\d+/2 busy, [\d.]+ req/s", shop.show("StatusText")), "a status", 15)
    assert "shop" in sh("corn", "status", "shop").stdout


def test_the_journal_has_messages_with_ids_that_the_catalogue_explains(instance: Make) -> None:
    shop = instance("shop", listen=["127.0.0.1:8100"])
    shop.start()
    (entry,) = wait_for(lambda: shop.journal(messages.INSTANCE_READY), "a message")
    assert entry["_SYSTEMD_UNIT"] == shop.service
    assert entry["SYSLOG_IDENTIFIER"] == "corn@shop"
    command = ["journalctl", "-x", "-u", shop.service, f"MESSAGE_ID={messages.INSTANCE_READY.id}"]
    explained = " ".join(sh(*command).stdout.replace("░░", "").split())
    assert messages.INSTANCE_READY.explain[:60] in explained


def test_the_application_lives_in_an_environment_of_its_own(instance: Make) -> None:
    shop = instance("shop", listen=["127.0.0.1:8100"])
    venv = shop.home / ".venv"
    sh(sys.executable, "-m", "venv", "--without-pip", str(venv))
    (packages,) = venv.glob("lib/python3*/site-packages")
    shutil.copy(shop.home / "shop.py", packages / "shopkit.py")
    shop.configure(
        app="shopkit",
        python=str(venv),
        listen=["127.0.0.1:8100"],
        environment={"SHOP_IMPORTED": "/var/lib/corn/shop/imported"},
    )
    shop.start()
    imported = {int(pid) for pid in Path("/var/lib/corn/shop/imported").read_text().split()}
    assert shop.main_pid not in imported and imported <= shop.processes()
    assert str(venv) in get("127.0.0.1:8100", "/who")[1]
    names = ("psutil", "sdnotify", "croniter", "systemd", "_pytest", "corn_systemd")
    assert {name: get("127.0.0.1:8100", f"/can-import/{name}")[1] for name in names} == {
        "psutil": "False",
        "sdnotify": "False",
        "croniter": "False",
        "systemd": "False",
        "_pytest": "False",
        "corn_systemd": "True",
    }
    assert not os.readlink(f"/proc/{shop.main_pid}/exe").startswith(str(venv))


def test_a_started_instance_is_exposed_by_2_0_or_less(instance: Make) -> None:
    shop = instance("shop", listen=["127.0.0.1:8100"])
    shop.start()
    done = sh("systemd-analyze", "security", "--no-pager", shop.service)
    level = re.search(r"Overall exposure level for corn@shop.service: ([\d.]+)", done.stdout)
    assert level, done.stdout
    print(f"exposure {level[1]}")
    assert float(level[1]) <= 2.0


def test_the_watchdog_is_fed(instance: Make) -> None:
    shop = instance("shop", listen=["127.0.0.1:8100"])
    drop_in(shop.service, "[Service]\nWatchdogSec=6s\n")
    systemctl("daemon-reload")
    shop.start()
    fed_at = "WatchdogTimestampMonotonic"
    first = int(shop.show(fed_at))
    wait_for(lambda: int(shop.show(fed_at)) > first + 12_000_000, "pings over two periods", 40)
    assert shop.show("NRestarts") == "0"


def test_a_new_file_serves_before_daemon_reload_and_says_what_to_do(instance: Make) -> None:
    new = instance("new", listen=["127.0.0.1:8102"], reload=False)
    new.start()
    assert get("127.0.0.1:8102") == (200, "shop\n")
    (entry,) = wait_for(lambda: new.journal(messages.LISTENER_BOUND), "a warning")
    assert "systemctl daemon-reload" in entry["MESSAGE"]


def test_what_the_warning_about_a_new_file_says_cures_it(instance: Make) -> None:
    new = instance("new", listen=["127.0.0.1:8102"], reload=False)
    new.start()
    (entry,) = wait_for(lambda: new.journal(messages.LISTENER_BOUND), "a warning")
    sh("bash", "-ec", entry["CORN_CURE"])
    wait_for(lambda: show(new.service, "ActiveState") == "active", "active")
    assert show(new.socket, "ActiveState") == "active"
    assert "127.0.0.1:8102" in show(new.socket, "Listen")
    new.since = time.time()
    systemctl("restart", new.service)
    assert get("127.0.0.1:8102") == (200, "shop\n")
    assert new.journal(messages.LISTENER_BOUND) == []


def test_daemon_reload_stop_and_start_give_the_addresses_of_a_new_file_to_systemd(instance: Make) -> None:
    new = instance("new", listen=["127.0.0.1:8102"], reload=False)
    new.start()
    systemctl("daemon-reload")
    # With the socket named: an unneeded one closes a moment after its service, and a start may come sooner.
    systemctl("stop", new.socket, new.service)
    new.start()
    assert "127.0.0.1:8102" in show(new.socket, "Listen")
    assert show(new.socket, "ActiveState") == "active"
    assert get("127.0.0.1:8102") == (200, "shop\n")


def test_an_instance_with_errors_harms_no_other(instance: Make) -> None:
    bad = instance("bad", listen=["127.0.0.1:8103"], reload=False)
    bad.file.write_text('app = "shop"\nlissten = ["127.0.0.1:8103"]\n')
    good = instance("good", listen=["127.0.0.1:8104"])
    good.start()
    assert get("127.0.0.1:8104") == (200, "shop\n")
    assert good.journal(messages.LISTENER_BOUND) == []
    assert bad.start(check=False).returncode == 1
    assert bad.show("ExecMainStatus") == "78"
    sh("journalctl", "--sync")
    for source in ("corn-generator", "corn@bad"):
        said = sh("journalctl", f"--since=@{bad.since:.6f}", "-t", source).stdout
        assert "/etc/corn/bad.toml:2" in said and "'listen'" in said
