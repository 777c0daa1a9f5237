"""What is known of each job, and what of it the clerk has still to write down.

The ledger is read once, before the first job; from then on it is the clerk's. Never waits: what the clerk
does not take now is offered again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from ..cron.events import Past
from ..cron.ledger import Entry, LastRun, Ledger
from ..errors import Unavailable
from ..settings.sections import Cron
from .flight import Flight
from .job_voice import JobVoice
from .record import Record

# By kinds of messages, names of jobs and, where one run is meant, the instants at which it was due.
_Unsent = dict[tuple[str, str, float | None], dict[str, Any]]


class Bookkeeping:
    """The entries of all jobs, those of earlier settings too."""

    def __init__(self, ledger: Ledger, voice: JobVoice) -> None:
        self._ledger = ledger
        self._voice = voice
        self._entries: dict[str, Entry] = {}
        self._unsent: _Unsent = {}
        self._unconfirmed: _Unsent = {}
        self._had_clerk = False

    @property
    def has_unsent(self) -> bool:
        return bool(self._unsent)

    @property
    def is_behind(self) -> bool:
        """Whether the clerk has still to write how a run has ended."""
        return bool(self._unsent or self._unconfirmed)

    def read(self) -> None:
        """Takes in what an earlier master has left."""
        try:
            reading = self._ledger.read()
        except Unavailable as error:
            self._voice.ledger_unreadable(str(error))
            return
        if reading.torn:
            self._voice.ledger_torn(reading.torn, self._ledger.path)
        self._entries = reading.entries

    def known(self, name: str) -> Entry:
        return self._entries.get(name) or Entry(name, Past())

    def pasts(self) -> dict[str, Past]:
        return {name: entry.past for name, entry in self._entries.items()}

    def keep(self, pasts: Mapping[str, Past]) -> None:
        """The agenda is about to be another: what the old one knew is kept."""
        for name, past in pasts.items():
            self._entries[name] = replace(self.known(name), past=past)

    def ended(self, flight: Flight, last: LastRun) -> None:
        """A run is over: counted, and to be written down."""
        known = self.known(flight.name)
        failures = known.failures + (last.outcome != "done")
        past = replace(known.past, running=None)
        self._entries[flight.name] = replace(
            known, past=past, began_at=None, last=last, runs=known.runs + 1, failures=failures
        )
        about = {"job": flight.name, "at": last.at, "outcome": last.outcome}
        self._unsent["ended", flight.name, last.at] = about

    def note(self, name: str) -> None:
        """What is known of a job has changed."""
        self._unsent["note", name, None] = {"job": name}

    def give_back(self, flight: Flight) -> None:
        """A run that is claimed, or will be in a moment, is not to begin."""
        self._unsent["drop", flight.name, flight.run.at] = {"job": flight.name, "at": flight.run.at}
        self.note(flight.name)

    def send(
        self, clerk: Record, pasts: Mapping[str, Past], flights: Mapping[str, Flight], cron: Cron
    ) -> None:
        """Offers the clerk what is not written yet."""
        for key, about in list(self._unsent.items()):
            kind, name, _ = key
            flight = flights.get(name)
            entry = asdict(self.entry(name, pasts.get(name), flight))
            # It may be granted by now: what the clerk has written of that then stays.
            claiming = flight.run.at if flight is not None and flight.is_asked_for else None
            lock = {"lock": cron.lock, "retries": cron.retries}
            fields = {**about, "entry": entry, "claiming": claiming, **lock}
            if not clerk.lifeline.send(kind, **fields):
                return
            del self._unsent[key]
            if kind == "ended":
                self._unconfirmed[key] = about

    def written(self, name: str, at: float) -> None:
        """The clerk has written down how a run has ended, wherever that is to be written."""
        self._unconfirmed.pop(("ended", name, at), None)

    def offer_again(self, names: Iterable[str]) -> None:
        """A clerk has begun, who has heard nothing: all that one before it may not have written."""
        notes: _Unsent = {("note", name, None): {"job": name} for name in names} if self._had_clerk else {}
        self._had_clerk = True
        self._unsent = {**notes, **self._unconfirmed, **self._unsent}
        self._unconfirmed = {}

    def entry(self, name: str, past: Past | None, flight: Flight | None) -> Entry:
        """What is known of a job now, as it is to be written down: a run that has not begun is
        still to be."""
        entry = self.known(name)
        past = past if past is not None else entry.past
        if flight is None:
            return replace(entry, past=replace(past, running=None), began_at=None)
        if flight.is_claimed:
            return replace(entry, past=past, began_at=flight.began_at or None)
        is_wanted = past.waiting is None and not flight.run.is_by_hand
        waiting = flight.run.at if is_wanted else past.waiting
        return replace(entry, past=replace(past, running=None, waiting=waiting), began_at=None)
