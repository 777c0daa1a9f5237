"""Jobs that an application declares in its own code; each test has a registry of its own."""

import functools
import importlib
import json
import sys
import types
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import corn_systemd
from corn_systemd import declarations, job
from corn_systemd.declarations import declared
from corn_systemd.errors import AppError
from corn_systemd.settings.kinds import Job
from corn_systemd.settings.sections import job_from_message
from corn_systemd.wsgi.target import load


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations, "_declared", {})
    monkeypatch.setattr(declarations, "_imports", {})


def tidy(days: int = 1) -> int:
    return days


def mail() -> None:
    pass


def named(name: str, module: str = __name__) -> Callable[[], None]:
    def function() -> None:
        pass

    function.__name__ = function.__qualname__ = name
    function.__module__ = module
    return function


def test_a_function_is_declared_and_stays_what_it_is() -> None:
    assert job("17 3 * * *")(tidy) is tidy
    assert tidy(3) == 3
    assert declared() == (Job("tidy", f"{__name__}:tidy", schedule="17 3 * * *"),)


def test_a_declaration_may_say_what_the_file_may_and_in_the_same_words() -> None:
    job(
        name="tidy-up", every="90s", args={"days": 3}, overlap="queue", catch_up=False, jitter="5s",
        enabled=False, time_real="2min", time_cpu=30,
    )(tidy)  # fmt: skip
    job("@daily", timezone="Europe/Berlin", args=[1, 2])(mail)
    first, second = declared()
    assert first == Job(
        "tidy-up", f"{__name__}:tidy", every=90.0, args={"days": 3}, overlap="queue", catch_up=False,
        jitter=5.0, enabled=False, time_real=120.0, time_cpu=30.0,
    )  # fmt: skip
    assert (second.timezone, second.args) == ("Europe/Berlin", (1, 2))


def test_declared_jobs_come_to_the_master_as_they_are() -> None:
    job("17 3 * * *", args=(1, "two"), time_real=0)(tidy)
    job(every=60, args={"a": [1, {"b": True}]})(mail)
    told = json.loads(json.dumps([asdict(one) for one in declared()]))
    assert tuple(map(job_from_message, told)) == declared()


def test_a_method_of_a_class_is_called_by_its_whole_name() -> None:
    class_body: dict[str, Any] = {}
    exec(
        "class Shelf:\n    @staticmethod\n    def tidy(): pass\n",
        {"__name__": "shop.jobs"},
        class_body,
    )
    job("@daily")(class_body["Shelf"].tidy)
    assert declared()[0].call == "shop.jobs:Shelf.tidy"


def test_a_module_that_is_imported_anew_declares_its_jobs_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    source = tmp_path / "declaring.py"
    source.write_text("import corn_systemd\n@corn_systemd.job('1 1 * * *')\ndef tidy(): pass\n")
    module = importlib.import_module("declaring")
    source.write_text("import corn_systemd\n@corn_systemd.job('22 22 * * *')\ndef tidy(): pass\n")
    importlib.invalidate_caches()
    importlib.reload(module)
    assert [one.schedule for one in declared()] == ["22 22 * * *"]
    del sys.modules["declaring"]


def test_a_second_function_of_the_same_name_is_refused_with_both() -> None:
    job("@daily")(named("tidy", "shop.a"))
    with pytest.raises(ValueError, match=r"job 'tidy' is shop\.a:tidy and shop\.b:tidy.*name="):
        job("@hourly")(named("tidy", "shop.b"))
    assert [(one.call, one.schedule) for one in declared()] == [("shop.a:tidy", "@daily")]
    job("@hourly", name="other")(named("tidy", "shop.b"))
    assert [one.name for one in declared()] == ["tidy", "other"]


def test_one_function_may_be_several_jobs() -> None:
    job("@hourly", name="now-and-then")(job("@daily", name="daily")(tidy))
    assert [one.name for one in declared()] == ["daily", "now-and-then"]


def test_one_function_with_two_schedules_and_one_name_is_refused_with_both() -> None:
    with pytest.raises(ValueError, match=r"'tidy' is .*:tidy twice, @daily and every 90s.*name=") as caught:
        job(every="90s")(job("@daily")(tidy))
    assert f"{__name__}:tidy" in str(caught.value)
    assert [one.schedule for one in declared()] == ["@daily"]


def test_two_functions_of_one_name_in_one_module_are_refused() -> None:
    """The second takes the place of the first there, and the first schedule would call the second."""
    job("@daily")(named("tidy"))
    with pytest.raises(ValueError, match="twice, @daily and @hourly"):
        job("@hourly")(named("tidy"))


def test_a_function_that_was_wrapped_between_two_declarations_is_the_same() -> None:
    @functools.wraps(tidy)
    def wrapped() -> None:
        pass

    job("@daily")(tidy)
    with pytest.raises(ValueError, match="twice"):
        job("@hourly")(wrapped)


def test_who_types_may_say_a_declaration_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typed", types.ModuleType("typed"))
    job("@daily")(named("tidy", "typed"))
    job("@hourly")(named("tidy", "typed"))
    assert [one.schedule for one in declared()] == ["@hourly"]


def test_a_module_whose_job_has_two_schedules_can_not_be_loaded_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "twice.py").write_text(
        "from corn_systemd import job\n@job('@daily')\n@job('@hourly')\ndef tidy(): pass\n"
    )
    with pytest.raises(AppError) as caught:
        load("twice:tidy")
    assert caught.value.summary == (
        "cannot import twice: ValueError: job 'tidy' is twice:tidy twice, @hourly and @daily: "
        "give one of them another name, name=…"
    )
    assert "twice.py" in caught.value.traceback


@pytest.mark.parametrize(
    ("said", "function", "cause"),
    [
        ({}, tidy, "does not say when"),
        ({"schedule": "17 25 * * *"}, tidy, "hour: 25 is not in 0-23"),
        ({"schedule": ""}, tidy, "schedule"),
        ({"schedule": "@daily", "every": "1h"}, tidy, "schedule and every"),
        ({"every": 0}, tidy, "a second at least"),
        ({"every": "1h", "timezone": "UTC"}, tidy, "timezone means nothing"),
        ({"schedule": "@daily", "timezone": "Europe/Berlni"}, tidy, "no time zone"),
        ({"schedule": "@daily", "overlap": "both"}, tidy, "skip"),
        ({"schedule": "@daily", "args": "three"}, tidy, "write args ="),
        ({"schedule": "@daily", "args": [object()]}, tidy, "args"),
        ({"schedule": "@daily", "catch_up": "yes"}, tidy, "catch_up"),
        ({"schedule": "@daily", "name": "Tidy Up"}, tidy, "no name of a job"),
        ({"schedule": "@daily"}, named("TidyUp"), "no name of a job"),
        ({"schedule": "@daily", "name": "x"}, lambda: None, "MODULE:FUNCTION"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(
    said: dict[str, Any], function: Callable[..., object], cause: str
) -> None:
    with pytest.raises(ValueError, match=cause):
        job(**said)(function)
    assert declared() == ()


def test_a_function_within_another_can_not_be_found_again_and_is_refused() -> None:
    def inner() -> None:
        pass

    with pytest.raises(ValueError, match="<locals>"):
        job("@daily")(inner)


def test_a_declaration_without_its_brackets_says_what_is_missing() -> None:
    bare: Any = job
    with pytest.raises(TypeError, match=r'@corn_systemd\.job\("17 3 \* \* \*"\)'):

        @bare
        def job_without() -> None:
            pass


def test_nothing_is_declared_before_somebody_does_and_what_is_given_out_is_a_copy() -> None:
    assert declared() == ()
    before = declared()
    job("@daily")(tidy)
    assert before == () != declared()


def test_it_is_there_for_the_application_by_its_short_name() -> None:
    assert corn_systemd.job is declarations.job
    assert "job" in corn_systemd.__all__
