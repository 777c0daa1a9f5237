"""The ground that limits stand on: a control group that systemd has given to the unit's user."""

import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from machine import Instance, get, sh

Make = Callable[..., Instance]
ADDRESS = "127.0.0.1:8200"
ROOT = Path("/sys/fs/cgroup")


def started(instance: Make) -> Path:
    """The control group of an instance that runs."""
    shop = instance("shop", listen=[ADDRESS])
    shop.start()
    return ROOT / shop.show("ControlGroup").lstrip("/")


def test_control_groups_are_those_of_the_second_version() -> None:
    assert sh("findmnt", "--noheadings", "--output=FSTYPE", str(ROOT)).stdout.split() == ["cgroup2"]
    assert {"cpu", "memory", "pids"} <= set((ROOT / "cgroup.controllers").read_text().split())


def test_the_user_of_an_instance_may_divide_its_group_but_not_change_what_systemd_has_set(
    instance: Make,
) -> None:
    group = started(instance)
    assert {"cpu", "memory", "pids"} <= set((group / "cgroup.controllers").read_text().split())
    corn = pwd.getpwnam("corn")
    for path in (group, group / "cgroup.procs", group / "cgroup.subtree_control"):
        assert (path.stat().st_uid, path.stat().st_gid) == (corn.pw_uid, corn.pw_gid), path
    for name in ("memory.max", "memory.high", "cpu.weight", "pids.max", "cgroup.kill"):
        assert (group / name).stat().st_uid == 0, name


def test_a_mark_that_its_user_can_read_tells_that_a_group_is_delegated(instance: Make) -> None:
    """user.delegate; trusted.delegate, which systemd sets as well, is hidden from whoever is not root."""
    group = started(instance)
    assert os.getxattr(group, "trusted.delegate") == b"1"
    read = "import os, sys; print(os.getxattr(sys.argv[1], sys.argv[2]))"
    as_corn = ("runuser", "-u", "corn", "--", sys.executable, "-c", read, str(group))
    assert sh(*as_corn, "user.delegate").stdout.strip() == "b'1'"
    hidden = sh(*as_corn, "trusted.delegate", check=False)
    assert hidden.returncode and "No data available" in hidden.stderr
    with pytest.raises(OSError, match="No data available"):
        os.getxattr(group.parent, "user.delegate")


def test_an_instance_in_a_delegated_group_serves(instance: Make) -> None:
    started(instance)
    assert get(ADDRESS) == (200, "shop\n")
