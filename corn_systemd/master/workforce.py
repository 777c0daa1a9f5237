"""How many workers are wanted: by the settings, by hand (`corn scale`, signals), or by what there is to do.

Asked in every turn, it looks a few times a second while somebody is busy, and wakes the master of an idle
instance only where a worker too many is to go. It forks nobody: the plan does, from the number that it says.
"""

import signal
from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

from ..policy.scaling import ASK_AGAIN, EVERY, Bounds, Trend, decide, why_not
from ..policy.view import Desired
from ..settings.kinds import AUTO, WORKERS_MOST
from ..settings.sections import Settings
from ..settings.workers import Headcount
from ..signals import STEPS
from .demand import Demand
from .generations import Generation, Generations
from .voice import Voice


class Workforce:
    """The number of workers of the desired generation, and how it came about."""

    def __init__(
        self,
        count_workers: Callable[[Settings], Headcount],
        generations: Generations,
        demand: Demand,
        voice: Voice,
    ) -> None:
        self._count_workers = count_workers
        self._generations = generations
        self._demand = demand
        self._voice = voice
        self._headcount = count_workers(generations.desired.settings)
        self._workers = self._headcount.start
        self._of_generation: dict[int, int] = {}
        """The last number of the generations to which a failed reload may go back."""
        self._by_hand = AUTO
        self._by_hand_until = 0
        """The last generation that a number by hand is for: a reload goes back to the settings."""
        self._trend = Trend()
        self._ask_at = -inf
        self._refusal = ""
        self._is_told = False
        self.look_at = inf

    def desired(self, generation: Generation) -> Desired:
        """What the plan is to bring about for a generation that is desired from now on."""
        self._headcount = self._count_workers(generation.settings)
        known = self._of_generation.get(generation.number) or self._by_settings()
        self._workers = self._by_hand if self._is_by_hand else known
        oldest = (self._generations.serving or generation).number
        self._of_generation = {
            **{number: workers for number, workers in self._of_generation.items() if number >= oldest},
            generation.number: self._workers,
        }
        self._start_over()
        return generation.desired(self._workers)

    def look(self, desired: Desired, now: float) -> Desired:
        """The same, with as many workers as there is work for."""
        if self._is_settled_otherwise(desired):
            self._start_over()
            self._demand.restart(now)
            return desired
        if now < min(self.look_at, self._demand.read_at + EVERY):
            return desired
        load = self._demand.read(now)
        least, most = self._headcount.least, self._headcount.most
        bounds = Bounds(least, most, self._generations.desired.settings.workers.idle)
        decision = decide(bounds, self._workers, self._trend, load, now)
        self._trend, self.look_at = decision.trend, decision.look_at
        if decision.workers > self._workers:
            if not self._has_memory(now):
                return desired
        elif decision.trend.crowded_since is None:
            self._refusal = ""
        return self._change(desired, decision.workers, decision.cause)

    def scale(self, desired: Desired, workers: int, cause: str) -> Desired:
        """So many workers from now on, until the next reload; AUTO is what the settings say. Nothing is done
        where nothing can be asked for."""
        if self._generations.obstacle(desired):
            return desired
        self._by_hand = workers
        self._by_hand_until = desired.generation
        self._start_over()
        return self._change(desired, workers if workers != AUTO else self._by_settings(), cause)

    def step(self, desired: Desired, number: signal.Signals) -> Desired:
        """One more or one fewer."""
        return self.scale(desired, min(max(desired.http + STEPS[number], 1), WORKERS_MOST), number.name)

    def line(self) -> str:
        """For STATUS=; nothing where the number is the one that is set."""
        if self._is_by_hand:
            return f"{self._workers} workers by hand"
        if self._headcount.is_fixed:
            return ""
        text = f"{self._workers} workers of {self._headcount.least} to {self._headcount.most}"
        return f"{text}, no more: {self._refusal}" if self._refusal else text

    def report(self) -> dict[str, Any]:
        return {
            "workers": self._workers,
            "min": self._headcount.least,
            "max": self._headcount.most,
            "is_by_hand": self._is_by_hand,
            "refusal": self._refusal,
        }

    @property
    def _is_by_hand(self) -> bool:
        return self._by_hand != AUTO and self._generations.desired.number <= self._by_hand_until

    def _by_settings(self) -> int:
        """The number that is wanted now, as far as the settings allow."""
        return min(max(self._workers, self._headcount.least), self._headcount.most)

    def _is_settled_otherwise(self, desired: Desired) -> bool:
        """Whether the number is not ours to change: nobody wants us to, or another change is under way."""
        is_changing = desired.stopping or not self._generations.is_settled
        return self._headcount.is_fixed or self._is_by_hand or is_changing

    def _start_over(self) -> None:
        self._trend, self.look_at, self._refusal = Trend(), inf, ""

    def _has_memory(self, now: float) -> bool:
        """Whether another worker can be afforded; if not, that is told once, until their number changes."""
        if now < self._ask_at:
            return False
        refusal = why_not(self._demand.memory())
        if refusal:
            self._ask_at = now + ASK_AGAIN
            if not self._is_told:
                self._voice.not_scaled(self._workers, refusal)
            self._is_told = True
        self._refusal = refusal
        return not refusal

    def _change(self, desired: Desired, workers: int, cause: str) -> Desired:
        if workers == desired.http:
            return desired
        self._voice.scaled(desired.http, workers, cause)
        self._workers = self._of_generation[desired.generation] = workers
        self._is_told = False
        return replace(desired, http=workers)
