"""The master's words to the service manager (sd_notify(3)), and the watchdog's pings.

Every datagram is sent without waiting. What systemd must know (READY=1 above all) is kept until it takes it;
what will be said again soon is not.
Nothing here decides when: readiness and pings are earned by the master.
"""

import errno
import os
import time
from collections.abc import MutableMapping

import sdnotify

# unix(7): who listened is gone, and the datagram socket belongs to nobody any more.
_GONE = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ENOTCONN)


class Notifier:
    """Speaks to $NOTIFY_SOCKET when there is one; otherwise every call does nothing."""

    def __init__(self, environment: MutableMapping[str, str]) -> None:
        """Takes NOTIFY_SOCKET and the WATCHDOG variables out of `environment`: no child may speak for us."""
        # sdnotify finds the address and connects; what is sent goes over its socket as UTF-8 and without
        # waiting, since its own notify() encodes latin-1 and blocks.
        self._socket = sdnotify.SystemdNotifier().socket if environment.get("NOTIFY_SOCKET") else None
        self._unsent: list[bytes] = []
        if self._socket is not None:
            self._socket.setblocking(False)
        self._address = environment.pop("NOTIFY_SOCKET", "")
        self.is_deaf = bool(self._address) and self._socket is None
        """Whether there should be somebody to speak to, and is not."""
        microseconds = environment.pop("WATCHDOG_USEC", "")
        pid = environment.pop("WATCHDOG_PID", "")
        watched = microseconds.isdecimal() and pid in ("", str(os.getpid()))
        # Half of what systemd allows (sd_watchdog_enabled(3)).
        self.watchdog_interval = int(microseconds) / 2e6 if watched else 0.0
        self._pinged_at = float("-inf")

    @property
    def is_listening(self) -> bool:
        """Whether there is a service manager to speak to."""
        return self._socket is not None

    @property
    def has_unsent(self) -> bool:
        """Whether something waits to be sent by alive()."""
        return bool(self._unsent)

    def send(self, **states: str | int) -> bool:
        """Sends `STATE=value` lines in one datagram; False when it could not be sent, and is forgotten."""
        return not self._unsent and self._send(_lines(states))

    def insist(self, **states: str | int) -> None:
        """Sends them in any case, and in their order: if not now, then later, by alive()."""
        self._unsent.append(_lines(states))
        self._catch_up()

    def _catch_up(self) -> bool:
        while self._unsent:
            if not self._send(self._unsent[0]):
                return False
            del self._unsent[0]
        return True

    def _send(self, lines: bytes) -> bool:
        if self._socket is None:
            return True
        try:
            try:
                self._socket.send(lines)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                # Somebody else may listen there by now.
                self._socket.connect(self._address.replace("@", "\0", 1))
                self._socket.send(lines)
        except OSError:
            return False
        return True

    def ready(self, status: str) -> None:
        self.insist(READY=1, STATUS=status)

    def reloading(self) -> None:
        # Both in one datagram: Type=notify-reload of systemd 253 demands it, and 252 ignores the clock.
        self.insist(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)

    def extend(self, seconds: float) -> bool:
        """Asks for `seconds` more, from now, to start, reload or stop."""
        return self.send(EXTEND_TIMEOUT_USEC=int(seconds * 1e6))

    def alive(self, now: float) -> bool | None:
        """Sends what could not be sent before, and pings the watchdog when half of its interval has gone by
        since the last ping. Whether the manager takes it; None when there was nothing to send."""
        had_unsent = self.has_unsent
        if not self._catch_up():
            return False
        if not self.watchdog_interval or now - self._pinged_at < self.watchdog_interval:
            return had_unsent or None
        self._pinged_at = now
        return self.send(WATCHDOG=1)

    def store(self, name: str, fd: int) -> bool:
        """Leaves a listening socket in the manager's fd store, for the next master (FDSTORE=1)."""
        return self._with_systemd(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", [fd])

    def forget(self, name: str) -> bool:
        """Removes what is stored under `name` (FDSTOREREMOVE=1)."""
        return self.send(FDSTOREREMOVE=1, FDNAME=name)

    def _with_systemd(self, state: str, fds: list[int]) -> bool:
        """Passes descriptors; False without the systemd-python package."""
        if self._socket is None:
            return True
        try:
            from systemd import daemon
        except ImportError:
            return False
        # libsystemd reads the address from the environment, where our children shall not find it.
        os.environ["NOTIFY_SOCKET"] = self._address
        try:
            return bool(daemon.notify(state, fds=fds))
        except OSError:
            return False
        finally:
            del os.environ["NOTIFY_SOCKET"]


def _lines(states: dict[str, str | int]) -> bytes:
    lines = (f"{name}={str(value).replace(chr(10), ' ')}" for name, value in states.items())
    return "\n".join(lines).encode("utf-8", "replace")
