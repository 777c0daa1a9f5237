"""What each request has taken, for the journal: time, CPU time, memory and bytes.

Only there where somebody wants to know (http.log_slow): it costs some microseconds a request. The sums of a
worker are on the scoreboard in any case.
"""

import os
import time

from ..slot import Slot
from ..systemd import messages
from ..systemd.journal import Journal
from ..wsgi.gateway import Exchange

_PAGE = os.sysconf("SC_PAGE_SIZE")


class Account:
    """One worker's. Requests that take at least `after` seconds are told of."""

    def __init__(self, after: float, slot: Slot, journal: Journal) -> None:
        self._after = after
        self._slot = slot
        self._journal = journal
        self._began_at = self._cpu = 0.0
        self._memory = 0
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def begin(self) -> None:
        """The application is about to be called."""
        self._began_at, self._cpu, self._memory = time.monotonic(), time.process_time(), self._resident()

    def end(self, exchange: Exchange, remote: str, request_id: str, wait: float) -> None:
        """It has returned; what the rest of a suspended answer takes is in the sums alone."""
        real = time.monotonic() - self._began_at
        if real < self._after:
            return
        cpu, growth = time.process_time() - self._cpu, self._resident() - self._memory
        status = str(exchange.page) if exchange.page else exchange.line.text[9:12] if exchange.line else "-"
        self._journal.emit(
            messages.REQUEST_SERVED,
            request=f"{exchange.head.method} {exchange.head.target}",
            request_id=request_id,
            remote=remote,
            status=status,
            real=f"{real:.3f}",
            cpu=f"{cpu:.3f}",
            growth=f"{growth / 2**20:+.1f}",
            sent=exchange.sent,
            real_us=int(real * 1e6),
            cpu_us=int(cpu * 1e6),
            wait_us=int(wait * 1e6),
            memory_growth=growth,
            slot=self._slot.number + 1,
        )

    def _resident(self) -> int:
        """Bytes of resident memory that belong to no file (proc_pid_statm(5))."""
        _size, resident, shared, *_ = os.pread(self._statm, 128, 0).split()
        return (int(resident) - int(shared)) * _PAGE
