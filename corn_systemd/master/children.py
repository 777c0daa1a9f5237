"""The registry of children: who lives, in which slot, and what they say over their lifelines.

It turns messages and deaths into events for the master, and keeps the records of which the plan sees the
frozen Child. It decides nothing and kills nobody.
"""

import os
import select
from collections.abc import Iterator
from itertools import count

from ..lifeline import Lifeline, Message, Nonsense
from ..policy.view import Child, Role, State
from ..roster import Roster
from ..scoreboard import Scoreboard
from ..slot import SlotView
from . import spawn
from .events import Ended, Event, ForkRefused, Loaded, Raves, Said, ready
from .record import Record
from .stacks import last_words


class Children:
    """All records, their lifelines in the master's epoll, and the slots that are free."""

    def __init__(self, epoll: select.epoll, scoreboard: Scoreboard) -> None:
        self._epoll = epoll
        self._scoreboard = scoreboard
        self._records: dict[int, Record] = {}
        self._by_fd: dict[int, Record] = {}
        self._keys = count(1)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(list(self._records.values()))

    def __getitem__(self, key: int) -> Record:
        return self._records[key]

    def add(self, role: Role, generation: int, lifeline: Lifeline, now: float) -> Record:
        """A new record; a worker gets the lowest free slot. IndexError when there is none, OSError when there
        is no descriptor."""
        slot = None
        if role not in (Role.MOLD, Role.CLERK):
            taken = {record.slot for record in self}
            free = (number for number in range(self._scoreboard.count) if number not in taken)
            slot = next(free, None)
            if slot is None:
                raise IndexError(f"all {self._scoreboard.count} slots of the scoreboard are taken")
        nudge_fd = os.eventfd(0, os.EFD_CLOEXEC) if slot is not None else -1
        record = Record(next(self._keys), role, generation, now, lifeline, slot, nudge_fd, since=now)
        self._records[record.key] = record
        self._by_fd[lifeline.fileno()] = record
        self._epoll.register(lifeline.fileno(), select.EPOLLIN)
        return record

    def remove(self, record: Record) -> None:
        self._hang_up(record)
        record.lifeline.close()
        record.give_back()
        del self._records[record.key]

    def make_mold(self, record: Record, now: float) -> None:
        """A worker has become a mold, ready to fork: its slot, and what else a worker has, is free again."""
        if record.slot is not None:
            self._scoreboard.slot(record.slot).clear()
        record.give_back()
        record.role, record.slot, record.warmth = Role.MOLD, None, record.warmth + 1
        record.enter(State.READY, now)

    def view(self) -> list[Child]:
        return [record.view() for record in self]

    def of(self, role: Role, *states: State) -> list[Record]:
        return [r for r in self if r.role is role and (not states or r.state in states)]

    def mold(self, generation: int) -> Record | None:
        """The mold of a generation, ready to fork; the warmest, if there are two."""
        molds = [record for record in self.of(Role.MOLD, State.READY) if record.generation == generation]
        return max(molds, key=lambda mold: mold.warmth, default=None)

    def slot_view(self, record: Record) -> SlotView | None:
        """What the slot of a worker says, None while it has not claimed it."""
        if record.slot is None or not record.pid:
            return None
        view = self._scoreboard.slot(record.slot).view()
        return view if view.pid == record.pid else None

    def slot_views(self) -> list[SlotView]:
        """Those of all that serve requests."""
        views = (self.slot_view(record) for record in self if record.role is Role.HTTP)
        return [view for view in views if view is not None]

    def heed(self, fd: int, now: float) -> list[Event]:
        """What the child on the other end of `fd` has said."""
        record = self._by_fd.get(fd)
        return self._hear(record, now) if record is not None else []

    def reap(self, now: float) -> list[Event]:
        """All that children have said and all who have ended since the last call."""
        deaths = spawn.reap()
        # What a child said before it ended comes first, its pid above all.
        events = [event for record in self for event in self._hear(record, now)]
        for death in deaths:
            record = next((r for r in self if r.pid == death.pid), None)
            if record is not None:
                events.append(self._bury(record, death.cause, death.is_clean))
        return events

    def _hear(self, record: Record, now: float) -> list[Event]:
        events: list[Event] = []
        while record.is_on_line:
            try:
                message = record.lifeline.receive()
            except EOFError:
                self._hang_up(record)
                events += self._cut_off(record, now)
                break
            except Nonsense as error:
                if record.pid:
                    self._hang_up(record)
                    events.append(Raves(record, str(error)))
                else:
                    # Whose pid nobody knows: it leaves when its lifeline ends.
                    self.remove(record)
                    events.append(ForkRefused(record, str(error)))
                break
            if message is None:
                break
            fds = list(message.fds)
            if message.kind == "hello" and record.roster is None and fds:
                record.roster = Roster.of(fds.pop(0))
                record.stacks_fd = fds.pop(0) if fds else -1
            elif message.kind == "stacks" and record.role is Role.MOLD and record.stacks_fd < 0 and fds:
                record.stacks_fd = fds.pop(0)
            for fd in fds:
                os.close(fd)  # no child has another to give
            events += self._understand(record, message, now)
        return events

    def _understand(self, record: Record, message: Message, now: float) -> list[Event]:
        fields = message.fields
        match message.kind:
            case "hello" if not record.pid and message.sender:
                record.pid = message.sender
                if record.group is not None and not fields.get("is_in_group"):
                    record.group.remove()
                    record.group = None
                if record.state is State.KILLED:
                    spawn.kill(record.pid)
            case "ready" if record.state is State.STARTING:
                record.has_been_ready = True
                record.enter(State.READY, now)
                try:
                    return [ready(record, fields)]
                except (AttributeError, KeyError, TypeError) as error:
                    return [Raves(record, f"it is ready, but says {error!r}")]
            case "loaded" if record.state is State.STARTING:
                return [Loaded(record)]
            case "failed":
                record.last_words = (str(fields.get("summary")), str(fields.get("traceback")))
            case _ if record.role is not Role.MOLD:
                record.is_given = record.is_given and message.kind not in ("ran", "polled")
                return [Said(record, message)]
            case "fork-failed" if fields.get("key") in self._records and record.role is Role.MOLD:
                unborn = self._records[fields["key"]]
                if not unborn.pid:
                    self.remove(unborn)
                    return [ForkRefused(unborn, str(fields.get("cause")))]
        return []

    def _cut_off(self, record: Record, now: float) -> list[Event]:
        """The lifeline of a child has ended."""
        if record.pid:
            if record.state is not State.KILLED:
                # It has ended too and will be reaped in a moment; or it has closed what ties it to us.
                record.enter(State.CUT_OFF, now)
            return []
        # Why it was never born, its mold has said before it closed this.
        molds = self.of(Role.MOLD, State.READY)
        events = [event for mold in molds for event in self._hear(mold, now)]
        if record.key in self._records:
            self.remove(record)
            events.append(ForkRefused(record, "it, or its mold, ended while it was being born"))
        return events

    def _bury(self, record: Record, cause: str, is_clean: bool) -> Ended:
        view, lost, free = self.slot_view(record), (0, 0), frozenset[int]()
        out_of_memory = record.group.out_of_memory() if record.group is not None and not is_clean else ""
        if out_of_memory:
            cause = f"out of memory, killed by the kernel ({out_of_memory} limit)"
        if view is not None:
            slot = self._scoreboard.slot(view.number)
            if record.roster is not None:
                seen = slot.glance()
                lost = record.roster.count(but=seen.client_fd if seen.request else -1)
                free = frozenset(fd for fd, _, _ in record.roster.free())
            slot.clear()
        stacks = last_words(record.stacks_fd) if record.stacks_fd >= 0 else ""
        self.remove(record)
        return Ended(record, cause, is_clean, view, lost, free, out_of_memory, stacks)

    def _hang_up(self, record: Record) -> None:
        if record.is_on_line:
            record.is_on_line = False
            self._epoll.unregister(record.lifeline.fileno())
            del self._by_fd[record.lifeline.fileno()]
