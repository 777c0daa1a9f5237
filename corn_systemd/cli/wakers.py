"""Who would start an instance again after idle_exit, and whether somebody has.

systemd's socket unit does, where it holds all the sockets and stays when the service has ended: what it
passes tells the one, and $CORN_WOKEN_BY, which corn-generator sets where it makes the socket unit stay, the
other. For a job a timer does, which $CORN_WOKEN_BY names too, where units/corn-wake makes it of the word that
the master leaves in the state directory.
"""

import os
import select
import socket
import time
from collections.abc import Sequence

from ..listeners import Listeners
from ..master.slumber import Wakers

# What is left in systemd's store is called so, and by its address.
STORED = "corn-listener"
# In the state directory: when the timer is to start the instance (units/corn-wake).
ALARM = "wake"


def of(
    listeners: Listeners,
    passed: Sequence[tuple[str, socket.socket]],
    woken_by: str,
    name: str,
    state: str,
) -> Wakers:
    """Those of an instance whose state directory is `state`; see obstacle() for the others."""
    has_timer = any(unit.endswith(".timer") for unit in woken_by.split())
    alarm = os.path.join(state, ALARM) if has_timer else ""
    return Wakers(obstacle(listeners, passed, woken_by, name), alarm, born_at(), is_awaited(listeners))


def obstacle(
    listeners: Listeners, passed: Sequence[tuple[str, socket.socket]], woken_by: str, name: str
) -> str:
    """Why nobody would, with what to do; empty if the units named by `woken_by` would. `passed` are the
    sockets from systemd by their names."""
    unit = f"corn@{name}"
    cure = f"systemctl daemon-reload && systemctl stop {unit}.socket {unit} && systemctl start {unit}"
    held = [sock for label, sock in passed if not label.startswith(STORED)]
    missing = [str(one.address) for one in listeners.served if one.is_own or one.socket not in held]
    if missing:
        return f"no socket unit holds {', '.join(missing)}, and nobody would start it again; run: {cure}"
    if not woken_by:
        return f"its socket unit would close with it, and nobody would start it again; run: {cure}"
    return ""


def is_awaited(listeners: Listeners) -> bool:
    """Whether somebody waits already who has been started just now."""
    poller = select.poll()
    for listener in listeners.served:
        poller.register(listener.socket, select.POLLIN)
    return bool(poller.poll(0))


def born_at() -> float:
    """When this process was started, by time.monotonic(). The kernel tells it in ticks of 10 ms (proc(5))."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - age
