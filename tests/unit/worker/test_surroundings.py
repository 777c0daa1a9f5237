"""What a job changes in its process, and what of that is left afterwards; the process is pytest's, and so is
SIGALRM."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corn_systemd.worker import surroundings
from corn_systemd.worker.surroundings import Surroundings


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Whatever a test has shown, the next one finds what it expects."""
    place, mask = os.getcwd(), os.umask(0o022)
    os.umask(mask)
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
    os.umask(mask)
    os.chdir(place)


def renewed_after(job: Callable[[], object]) -> int:
    """Runs the job and puts back what it has changed: how often signals of others had to be renewed."""
    renewed: list[None] = []
    before = Surroundings()
    job()
    before.put_back(lambda: renewed.append(None))
    return len(renewed)


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def handle(number: int, frame: Any) -> None:
    pass


# The place


def test_the_current_directory_is_the_one_before(tmp_path: Path) -> None:
    before = Path.cwd()
    renewed_after(lambda: os.chdir(tmp_path))
    assert Path.cwd() == before


def test_a_directory_that_has_gone_is_let_be_and_the_rest_put_back(tmp_path: Path) -> None:
    home, mask = tmp_path / "home", umask()
    home.mkdir()
    os.chdir(home)

    def job() -> None:
        os.chdir(tmp_path)
        home.rmdir()
        os.umask(0o007)

    renewed_after(job)
    assert Path.cwd() == tmp_path
    assert umask() == mask


def test_a_directory_that_was_made_anew_is_gone_to(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chdir(home)

    def job() -> None:
        home.rmdir()
        home.mkdir()

    renewed_after(job)
    assert Path.cwd() == home


def test_where_the_directory_had_gone_before_a_job_may_go_elsewhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chdir(home)
    home.rmdir()
    renewed_after(lambda: os.chdir(tmp_path))
    assert Path.cwd() == tmp_path


def test_the_umask_is_the_one_before() -> None:
    os.umask(0o027)
    renewed_after(lambda: os.umask(0o777))
    assert umask() == 0o027


def test_an_umask_that_is_not_known_is_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no descriptor")

    monkeypatch.setattr(surroundings, "open", refuse, raising=False)
    renewed_after(lambda: os.umask(0o007))
    assert umask() == 0o007


# Signals


def test_handlers_are_those_before_and_the_signals_of_others_are_renewed() -> None:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    signal.signal(signal.SIGUSR2, handle)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    def job() -> None:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)

    assert renewed_after(job) == 1
    assert signal.getsignal(signal.SIGUSR2) is handle
    del before[signal.SIGUSR2]
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_where_no_signal_was_taken_nothing_is_renewed() -> None:
    assert renewed_after(lambda: None) == 0


def test_an_alarm_that_a_job_has_left_behind_never_rings() -> None:
    """It would be the end of the worker, now that nobody handles it."""

    def job() -> None:
        signal.signal(signal.SIGVTALRM, handle)
        signal.setitimer(signal.ITIMER_VIRTUAL, 100.0)

    renewed_after(job)
    assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_an_alarm_that_was_set_before_goes_on() -> None:
    signal.signal(signal.SIGVTALRM, handle)
    signal.setitimer(signal.ITIMER_VIRTUAL, 100.0)
    renewed_after(lambda: None)
    assert signal.getitimer(signal.ITIMER_VIRTUAL)[0] > 0


# Troubles


def test_outside_of_the_main_thread_what_is_left_is_put_back_and_nothing_is_raised(tmp_path: Path) -> None:
    """Handlers can only be set in the main thread; a job never runs in another."""
    before = Surroundings()
    place = Path.cwd()
    os.chdir(tmp_path)
    signal.signal(signal.SIGUSR2, handle)
    thread = threading.Thread(target=before.put_back, args=(lambda: None,))
    thread.start()
    thread.join(10.0)
    assert Path.cwd() == place


def test_a_job_that_has_changed_nothing_costs_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Surroundings()
    for where, name in ((os, "chdir"), (signal, "signal"), (signal, "setitimer")):
        monkeypatch.setattr(where, name, lambda *_: sys.exit("it was not asked for"))
    before.put_back(lambda: sys.exit("it was not asked for"))
