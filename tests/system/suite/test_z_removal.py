"""`apt remove` and `apt purge`: the last tests, as nothing is installed after them."""

import shutil
from collections.abc import Callable
from pathlib import Path

from machine import Instance, get, is_listening, pids_alive, sh, show, systemctl, wait_for

Make = Callable[..., Instance]
ADDRESS = "127.0.0.1:8140"
# The administrator's and the applications', and what runs these tests.
OTHERS = (
    "/etc/corn/",
    "/var/lib/corn/",
    "/etc/systemd/system/",
    "/run/systemd/units/invocation:corn-test",
    "/var/cache/man/",
)
LINKS = [
    Path("/etc/systemd/system/multi-user.target.wants/corn@kept.service"),
    Path("/etc/systemd/system/corn.service.wants/corn@kept.service"),
    Path("/etc/systemd/system/sockets.target.wants/corn@kept.socket"),
]


def test_removing_stops_instances_and_sockets_and_purging_leaves_nothing_but_the_administrators() -> None:
    kept = Instance("kept", listen=[ADDRESS, "/run/corn/kept.sock"])
    jobs = [{"name": "speaks", "call": "shop:speak", "schedule": "@yearly"}]
    alone = Instance("alone", listen=["127.0.0.1:8141"], idle_exit="1s", cron={"jobs": jobs})
    systemctl("daemon-reload")
    systemctl("enable", kept.service, kept.socket, alone.socket)
    kept.start()
    systemctl("start", alone.service)
    wait_for(lambda: show("corn@alone.timer", "ActiveState") == "active", "the timer of one that sleeps")
    assert get(ADDRESS, "/write") == (200, "shop\n")
    pids = kept.processes()
    assert all(link.is_symlink() for link in LINKS)

    sh("apt-get", "remove", "--yes", "--quiet", "corn-systemd")
    assert pids_alive(pids) == set()
    assert not any(map(is_listening, (ADDRESS, "/run/corn/kept.sock", "127.0.0.1:8141")))
    assert show("corn.service", "ActiveState") == show("corn@alone.timer", "ActiveState") == "inactive"
    assert not Path("/usr/bin/corn").exists()

    sh("apt-get", "purge", "--yes", "--quiet", "corn-systemd")
    assert [link for link in LINKS if link.is_symlink()] == []
    left = set(sh("find", "/etc", "/usr", "/var", "/run", "-iname", "*corn*").stdout.split())
    left -= {"/etc/corn", "/var/lib/corn", "/run/corn-shop-private"}
    assert "\n".join(path for path in sorted(left) if not path.startswith(OTHERS)) == ""
    assert kept.file.is_file() and alone.file.is_file()
    assert Path("/var/lib/corn/kept/data").read_text() == "kept\n"
    shutil.rmtree("/etc/corn")
