"""`apt install` of a newer version while clients are served."""

import time
from collections.abc import Callable
from pathlib import Path

from hammer import Hammer
from machine import Instance, installed_version, sh, wait_for

Make = Callable[..., Instance]


def test_an_upgrade_under_load_loses_no_request(instance: Make) -> None:
    """One instance with the sockets of its unit, and one that has bound its own since its file is too new."""
    (package,) = Path("/corn/debs/next").glob("*.deb")
    passed = instance("passed", listen=["127.0.0.1:8130", "/run/corn/passed.sock"])
    bound = instance("bound", listen=["127.0.0.1:8131"], reload=False)
    for each in (passed, bound):
        each.start()
    mains = passed.main_pid, bound.main_pid
    clients = [Hammer(address) for address in ("127.0.0.1:8130", "/run/corn/passed.sock", "127.0.0.1:8131")]
    with clients[0], clients[1], clients[2]:
        time.sleep(1)
        sh("apt-get", "install", "--yes", "--quiet", str(package), timeout=300)
        wait_for(lambda: {passed.main_pid, bound.main_pid}.isdisjoint({*mains, 0}), "other masters")
        wait_for(lambda: passed.show("ActiveState") == bound.show("ActiveState") == "active", "active")
        time.sleep(1)
    assert installed_version().endswith("+upgrade")
    assert [each.lost for each in clients] == [[], [], []]
    assert all(each.answered > 100 for each in clients)
