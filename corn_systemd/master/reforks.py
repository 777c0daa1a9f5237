"""Workers that become molds: what they say about it, and what follows for the others.

The plan chooses who, and when. Starts nothing by itself.
"""

from dataclasses import replace
from math import inf

from ..lifeline import Message
from ..policy.view import Desired, Role, State
from .children import Children
from .deeds import NOT_IN_TIME, Deeds
from .events import Ended
from .record import Record
from .status import Overview
from .voice import TOLD, Voice
from .watch import Watch

# Whatever keeps one worker from becoming a mold probably keeps the next one, too, and each that tries is lost
# to the clients for a moment.
AGAIN = 600.0
_IN_PLACE = "a worker that has served has become the mold"


class Reforks:
    """One instance's."""

    def __init__(
        self, children: Children, deeds: Deeds, watch: Watch, overview: Overview, voice: Voice
    ) -> None:
        self._children = children
        self._deeds = deeds
        self._watch = watch
        self._overview = overview
        self._voice = voice
        self._from = -inf
        self._refused: set[int] = set()

    def wants(self, desired: Desired) -> Desired:
        """What is desired, as far as workers may become molds now."""
        if not desired.refork_after:
            return desired
        after = () if desired.generation in self._refused else desired.refork_after
        return replace(desired, refork_after=after, refork_from=self._from)

    def became_ready(self, mold: Record, desired: Desired) -> None:
        """A child, which may be a mold, is ready."""
        is_wanted = mold.role is Role.MOLD and mold.generation == desired.generation and desired.refork_after
        if is_wanted and self._deeds.has_company(mold):
            self._refused.add(mold.generation)
            self._voice.refork_refused(mold, "its import has started processes, which would end with it")

    def heard(self, record: Record, message: Message, now: float) -> None:
        """A worker has said that it is a mold now, or why it can not be one and leaves. Raises KeyError,
        TypeError or ValueError where it does not make sense."""
        if message.kind == "molded":
            is_wanted = record.state is State.MOLDING and not record.retires
            if is_wanted and record.group is not None and record.group.count() > 1:
                self._refuse(record, "it has left processes behind", now)
                is_wanted = False
            if is_wanted:
                self._become(record, now)
            else:
                # It may have been given up meanwhile; it has no clients any more.
                self._deeds.kill(record, TOLD, now)
        elif message.kind == "unfit":
            self._refuse(record, "; ".join(map(str, message.fields["causes"])), now)
            record.retires = record.retires or "it can not become a mold"
            record.is_asked = True
            if record.state is State.MOLDING:
                record.enter(State.DRAINING, now)

    def _refuse(self, record: Record, cause: str, now: float) -> None:
        self._from = now + AGAIN
        self._voice.refork_refused(record, cause)

    def _become(self, record: Record, now: float) -> None:
        self._watch.dismiss(record)
        self._overview.bury(self._children.slot_view(record))
        self._voice.reforked(record)
        self._children.make_mold(record, now)
        if record.group is not None:
            # What it has loaded stays charged to its own group, and shared with all that it forks.
            record.group.free_memory()
        for other in self._children:
            if other.role in (Role.HTTP, Role.CRON) and other.generation == record.generation:
                other.retires = other.retires or _IN_PLACE

    def bury(self, death: Ended, now: float) -> None:
        """A child has ended: where it was to be a mold, or was one, the next is not asked at once."""
        record = death.record
        if record.has_been_chosen and (not death.is_expected or record.kill_cause == NOT_IN_TIME):
            self._from = now + AGAIN
