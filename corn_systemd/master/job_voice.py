"""What the master says of jobs, each occurrence once, with the job's name as a field (CORN_JOB=)."""

from datetime import datetime

from ..cron.events import Disbelieved, Event, HeldBack, Missed, Run, Skipped, Suspended
from ..systemd import messages
from ..systemd.journal import Journal
from .record import Overrun, Record


class JobVoice:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def event(self, event: Event) -> None:
        """What the agenda has decided; that a run begins is its worker's to say."""
        journal = self._journal
        match event:
            case Run():
                pass
            case Skipped(job, at, because):
                journal.emit(messages.JOB_SKIPPED, job=job.name, due=local(at), cause=because.value)
            case Missed(job, first_at, last_at):
                until = local(last_at)
                journal.emit(messages.JOB_MISSED, job=job.name, due=local(first_at), until=until)
            case HeldBack(job, failures, until_at):
                until = local(until_at)
                journal.emit(messages.JOB_HELD_BACK, job=job.name, failures=failures, until=until)
            case Suspended(job, failures):
                journal.emit(messages.JOB_SUSPENDED, job=job.name, failures=failures)
            case Disbelieved(job, mark):
                journal.emit(messages.JOB_DISBELIEVED, job=job.name, until=local(mark))

    def killed(self, record: Record | None, job: str, run: str, over: Overrun, real: float) -> None:
        """A run has ended with its worker, which was this one unless an earlier master's."""
        slot, pid = (record.worker, record.pid) if record is not None else (0, 0)
        self._journal.emit(
            messages.JOB_KILLED, over.stacks, job=job, run=run, real=f"{real:.1f}", cause=over.cause,
            limit=over.limit, slot=slot, pid=pid,
        )  # fmt: skip

    def broken(self, job: str, cause: str) -> None:
        self._journal.emit(messages.JOB_BROKEN, job=job, cause=cause)

    def elsewhere(self, job: str, at: float, owner: str) -> None:
        self._journal.emit(messages.JOB_ELSEWHERE, job=job, due=local(at), owner=owner)

    def trouble(self, about: str, cause: str) -> None:
        """What keeps all jobs from beginning, or, without a cause, that nothing does any more."""
        if cause:
            self._journal.emit(messages.JOBS_STOPPED, about=about, cause=cause)
        else:
            self._journal.emit(messages.JOBS_GO_ON, about=about)

    def ledger_torn(self, count: int, path: str) -> None:
        self._journal.emit(messages.LEDGER_TORN, count=count, path=path)

    def ledger_unreadable(self, cause: str) -> None:
        self._journal.emit(messages.LEDGER_UNREADABLE, cause=cause)


def local(at: float) -> str:
    """An instant as people here read it, with its offset."""
    return datetime.fromtimestamp(at).astimezone().isoformat(" ", "seconds")
