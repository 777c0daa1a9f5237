"""Workers that heed nothing although clients, or a job, wait for them: asked, and ended if they do not answer
(policy.stall).

Their clients go to the others as far as nothing of them is in the worker's memory. Who is in a request is for
others to judge (overruns).
"""

import select
from collections.abc import Iterable
from math import inf

from ..listeners import Listener
from ..policy.stall import LOOK_EVERY, Deed, Question, stall
from ..policy.view import Role, State
from ..relay import Relay
from ..scoreboard import Scoreboard
from ..slot import Glance
from . import spawn
from .deeds import Deeds
from .record import Record
from .rescue import Rescue
from .stacks import stacks_of
from .voice import TOLD, Voice


class Stalls:
    """What each worker was asked, and whether it owes an answer."""

    def __init__(
        self,
        scoreboard: Scoreboard,
        relay: Relay,
        listeners: Iterable[Listener],
        deeds: Deeds,
        rescue: Rescue,
        voice: Voice,
    ) -> None:
        self._scoreboard = scoreboard
        self._deeds = deeds
        self._rescue = rescue
        self._voice = voice
        self._questions: dict[int, Question] = {}
        self._look_at = -inf
        # Readable while somebody waits to be let in.
        self._doors = select.poll()
        for fd in (relay.fileno(), *(listener.socket.fileno() for listener in listeners)):
            self._doors.register(fd, select.POLLIN)

    def look(self, glances: Iterable[tuple[Record, Glance]], now: float) -> float:
        """Does what is due; when to look again, infinity when nobody owes an answer: who is asked next time
        is whoever has clients when the master is awake anyway."""
        if now < self._look_at:
            return self._look_at if self._questions else inf
        self._look_at = now + LOOK_EVERY
        waiting = bool(self._doors.poll(0))
        glances = list(glances)
        # A worker without clients may be one that the kernel passes over because it stands still.
        is_in_use = waiting or any(seen.connections for _, seen in glances)
        questions: dict[int, Question] = {}
        owes = False
        for record, seen in glances:
            if record.slot is None:
                continue
            if record.role is Role.HTTP:
                is_wanted = seen.connections > 0 or (is_in_use and record.state is State.READY)
            else:
                is_wanted = record.is_given
            heard = self._scoreboard.slot(record.slot).heard()
            deed, question = stall(
                heard,
                seen.requests,
                self._questions.get(record.key),
                now,
                is_busy=bool(seen.request),
                is_wanted=is_wanted,
            )
            if question is None or (deed is Deed.END and self._end(record, question, now)):
                continue
            questions[record.key] = question
            if deed is Deed.ASK:
                record.lifeline.send("ping")
            owes = owes or not question.is_answered(heard, seen.requests)
        self._questions = questions
        return self._look_at if owes else inf

    def _end(self, record: Record, question: Question, now: float) -> bool:
        """Ends it, unless it has come back at the last moment."""
        assert record.slot is not None
        slot = self._scoreboard.slot(record.slot)
        is_held = spawn.is_held(record.pid)
        stacks = stacks_of(record.pid, record.stacks_fd) if not is_held else ""
        with spawn.stopped(record.pid) as is_stopped:
            if question.is_answered(slot.heard(), slot.glance().requests):
                return False
            if is_stopped:
                self._rescue.take_all(record)
            seconds = now - question.at
            is_http = record.role is Role.HTTP
            by_whom = ": somebody has stopped it (SIGSTOP, a debugger)" if is_held else ""
            cause = f"it had not begun its job after {seconds:.0f} s{by_whom}"
            self._deeds.kill(record, TOLD if is_http else cause, now)
        if is_http:
            self._voice.stuck(record, seconds, is_held=is_held, stacks=stacks)
        return True
