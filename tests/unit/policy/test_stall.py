from dataclasses import dataclass, field

from corn_systemd.policy.stall import ASK_EVERY, LOOK_EVERY, PATIENCE, Deed, Question, stall

N, ASK, END = Deed.NOTHING, Deed.ASK, Deed.END


@dataclass
class Worker:
    """One that is looked at every second, and hears what it is asked unless it stands still."""

    stands_still: bool = False
    is_busy: bool = False
    is_wanted: bool = True
    heard: int = 0
    requests: int = 0
    now: float = 100.0
    question: Question | None = None
    asked_at: list[float] = field(default_factory=list)

    def look(self, after: float = LOOK_EVERY) -> Deed:
        self.now += after
        deed, self.question = stall(
            self.heard, self.requests, self.question, self.now, is_busy=self.is_busy, is_wanted=self.is_wanted
        )
        if deed is ASK:
            self.asked_at.append(self.now)
            self.heard += not self.stands_still
        return deed

    def looks(self, seconds: float) -> list[Deed]:
        return [self.look() for _ in range(int(seconds / LOOK_EVERY))]


def test_who_has_clients_is_asked_now_and_then_and_left_alone_if_it_answers() -> None:
    worker = Worker()
    assert END not in worker.looks(60)
    assert {b - a for a, b in zip(worker.asked_at, worker.asked_at[1:], strict=False)} == {ASK_EVERY}


def test_who_has_nobody_is_not_asked() -> None:
    assert set(Worker(is_wanted=False, stands_still=True).looks(60)) == {N}


def test_who_is_in_a_request_is_judged_by_its_limits_alone() -> None:
    assert set(Worker(is_busy=True, stands_still=True).looks(60)) == {N}


def test_who_does_not_answer_is_ended_once_its_time_is_over() -> None:
    worker = Worker(stands_still=True)
    assert worker.looks(PATIENCE) == [ASK] + [N] * (int(PATIENCE) - 1)
    assert worker.look() is END


def test_a_late_answer_is_one() -> None:
    worker = Worker(stands_still=True)
    worker.looks(PATIENCE)
    worker.stands_still, worker.heard = False, 1
    assert END not in worker.looks(30)


def test_who_serves_requests_is_there_whether_it_has_heard_or_not() -> None:
    worker = Worker(stands_still=True)
    for _ in range(40):
        worker.requests += 1
        assert worker.look() is not END


def test_whom_nobody_wants_any_more_owes_nothing() -> None:
    worker = Worker(stands_still=True)
    worker.looks(PATIENCE)
    worker.is_wanted = False
    assert worker.look() is N
    worker.is_wanted = True
    assert worker.look() is ASK


def test_nobody_is_ended_for_time_in_which_the_master_stood_still() -> None:
    worker = Worker(stands_still=True)
    worker.looks(PATIENCE)
    assert worker.look(after=3600.0) is N
    assert END not in worker.looks(PATIENCE - 1)
    assert worker.look() is END
