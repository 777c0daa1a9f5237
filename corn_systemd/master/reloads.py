"""Which reload is under way, which is asked for, and how they have ended.

Somebody who asks while one is under way waits for the next: the mold of the running one may have read the
code before it was changed. Reloads nothing itself.
"""

from typing import Any


class Reloads:
    """Numbers the reloads and keeps the outcomes until they are told."""

    def __init__(self) -> None:
        self._begun = 0
        self._outcomes: list[tuple[int, dict[str, Any]]] = []
        self.is_running = False
        self.is_wanted = False

    def ask(self) -> int:
        """One is asked for; returns the number of the reload that will do."""
        self.is_wanted = True
        return self._begun + 1

    def begin(self) -> None:
        self._begun += 1
        self.is_running, self.is_wanted = True, False

    def end(self, **outcome: Any) -> None:
        """The running one is over."""
        if self.is_running:
            self.is_running = False
            self._outcomes.append((self._begun, outcome))

    def cancel(self, reason: str) -> None:
        """Neither the running one nor those that are asked for will come to an end."""
        if self.is_running or self.is_wanted:
            self.is_running = self.is_wanted = False
            self._outcomes.append((self._begun + 1, {"ok": False, "error": reason}))

    def take_outcomes(self) -> list[tuple[int, dict[str, Any]]]:
        """(number, outcome) of what has ended since the last call, for all who wait for at most that."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes
