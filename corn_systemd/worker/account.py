"""What each request has taken, for the journal: time, CPU time, memory and bytes.

Only there where somebody wants to know (http.log_slow): it costs some microseconds a request. The sums of a
worker are on the scoreboard in any case.
"""

import os
import time

from ..limits.growth import mebibytes
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

    def begin(self) -> None:
        """The application is about to be called."""
        self._began_at, self._cpu, self._memory = time.monotonic(), time.process_time(), resident_bytes()

    def end(self, exchange: Exchange, remote: str, request_id: str, wait: float) -> None:
        """It has returned; what the rest of a suspended answer takes is in the sums alone."""
        real = time.monotonic() - self._began_at
        if real < self._after:
            return
        cpu, growth = time.process_time() - self._cpu, grown_bytes(self._memory)
        status = str(exchange.page) if exchange.page else exchange.line.text[9:12] if exchange.line else "-"
        self._journal.emit(
            messages.REQUEST_SERVED,
            request=f"{exchange.head.method} {exchange.head.target}",
            request_id=request_id,
            remote=remote,
            status=status,
            real=f"{real:.3f}",
            cpu=f"{cpu:.3f}",
            growth=mebibytes(growth),
            sent=exchange.sent,
            real_us=int(real * 1e6),
            cpu_us=int(cpu * 1e6),
            wait_us=int(wait * 1e6),
            memory_growth=growth,
            slot=self._slot.number + 1,
        )


def resident_bytes() -> int:
    """This process's resident memory that belongs to no file (proc_pid_statm(5)); some 10 µs. 0 where
    there is no descriptor to read it with."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            _size, resident, shared, *_ = file.read().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE


def grown_bytes(before: int) -> int:
    """By how much it has grown since it was `before`; 0 where one of both is not known."""
    return (resident_bytes() or before) - before if before else 0
