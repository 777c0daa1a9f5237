"""Whether a worker that is in no request still heeds what comes: a pure rule.

A request has limits of its own. But a worker may stand still outside of one: stopped by a signal, kept by a
thread that does not give back the interpreter's lock, or by a fault of corn. From outside that looks as if it
had nothing to do. So whoever has clients, or should let some in, is asked over its lifeline, which its loop
has to count; who does not for PATIENCE is ended.
"""

from dataclasses import dataclass, replace
from enum import Enum

# Nobody is asked more often, and who owes an answer is looked at so often.
ASK_EVERY, LOOK_EVERY = 5.0, 1.0
# A loop comes round within milliseconds; what may keep it longer is a disk.
PATIENCE = 10.0
# What goes beyond LOOK_EVERY by so much is time in which the master stood still, and the others perhaps too.
STANDSTILL = 1.0


class Deed(Enum):
    NOTHING = "nothing"
    ASK = "ask"
    END = "end"


@dataclass(frozen=True)
class Question:
    """One that was asked: when, how many the worker had heard and how many requests it had begun by then, and
    when it was looked at last."""

    at: float
    heard: int
    requests: int
    looked_at: float

    def is_answered(self, heard: int, requests: int) -> bool:
        return (heard, requests) != (self.heard, self.requests)


def stall(
    heard: int, requests: int, question: Question | None, now: float, *, is_busy: bool, is_wanted: bool
) -> tuple[Deed, Question | None]:
    """What to do about a worker that has heard so many questions and begun so many requests, and what to
    remember. `is_busy`: one of them runs. `is_wanted`: it has clients, or some wait to be let in."""
    if is_busy or not is_wanted:
        return Deed.NOTHING, None
    if question is None:
        return Deed.ASK, Question(now, heard, requests, now)
    if question.is_answered(heard, requests):
        if now < question.at + ASK_EVERY:
            return Deed.NOTHING, question
        return Deed.ASK, Question(now, heard, requests, now)
    if now - question.looked_at > LOOK_EVERY + STANDSTILL:
        return Deed.NOTHING, replace(question, at=now, looked_at=now)
    if now >= question.at + PATIENCE:
        return Deed.END, question
    return Deed.NOTHING, replace(question, looked_at=now)
