"""How long the request at work may take, for the application (corn_systemd.deadline)."""

from math import inf

from ..limits.paths import limits_for
from ..settings.sections import Limits
from ..slot import Slot


class RequestClock:
    """One worker's. What is granted is written into the slot, where the master reads it."""

    def __init__(self, slot: Slot, limits: Limits) -> None:
        self._slot = slot
        self._limits = limits

    def deadline(self) -> float | None:
        view = self._slot.view()
        time_real = limits_for(self._limits, view.request).time_real if view.is_busy else 0.0
        if not time_real:
            return None
        return view.began_at + time_real + min(view.extended_by, self._limits.extend_max or inf)

    def extend(self, seconds: float) -> None:
        self._slot.extend(seconds)
