import sys
from pathlib import Path

import pytest

from corn_systemd.errors import AppError
from corn_systemd.wsgi.target import load

MODULE = """
class Part:
    @staticmethod
    def inner(environ, start_response):
        return []

def application(environ, start_response):
    return []

def create_app(name="x", *, debug=False):
    if name == "broken":
        raise LookupError("no such shop")
    def made(environ, start_response):
        return [name, debug]
    return made

nothing = 3
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "some_shop.py").write_text(MODULE)
    (tmp_path / "broken_shop.py").write_text("def prepare():\n    import missing_thing\nprepare()\n")
    (tmp_path / "leaving_shop.py").write_text("raise SystemExit('bad settings')\n")
    (tmp_path / "wrong_shop.py").write_text("def (:\n")
    yield tmp_path
    for name in ("some_shop", "broken_shop", "leaving_shop", "wrong_shop"):
        sys.modules.pop(name, None)


def test_targets_are_found(place: Path) -> None:
    import some_shop

    assert load("some_shop") is some_shop.application
    assert load("some_shop:application") is some_shop.application
    assert load("some_shop:Part.inner") is some_shop.Part.inner
    assert load("some_shop:create_app()")({}, None) == ["x", False]
    assert load("some_shop:create_app('y', debug=True)")({}, None) == ["y", True]


@pytest.mark.parametrize(
    ("target", "summary"),
    [
        ("missing_shop", "cannot import missing_shop: ModuleNotFoundError: No module named 'missing_shop'"),
        ("some_shop:app", "some_shop has no 'app'; it has 'application'"),
        ("some_shop:nothing", "some_shop:nothing is a int, which cannot be called as an application"),
        (
            "some_shop:create_app('broken')",
            "cannot call some_shop:create_app('broken'): LookupError: no such shop",
        ),
        ("some_shop:create_app(open('x'))", "neither module:name nor module:factory()"),
        ("some_shop:a b", "neither module:name nor module:factory()"),
        ("leaving_shop", "cannot import leaving_shop: SystemExit: bad settings"),
        ("wrong_shop", "cannot import wrong_shop: SyntaxError"),
    ],
)
def test_what_cannot_be_had_is_told_in_one_line(place: Path, target: str, summary: str) -> None:
    with pytest.raises(AppError) as error:
        load(target)
    assert summary in error.value.summary
    assert "\n" not in error.value.summary


def test_the_traceback_begins_in_the_application(place: Path) -> None:
    with pytest.raises(AppError) as error:
        load("broken_shop")
    assert "corn_systemd" not in error.value.traceback
    assert "importlib" not in error.value.traceback
    assert "in prepare" in error.value.traceback
    assert error.value.traceback.rstrip().endswith("No module named 'missing_thing'")


@pytest.mark.parametrize("raised", ["KeyboardInterrupt()", "asyncio.CancelledError()", "GeneratorExit()"])
def test_whatever_an_import_or_a_factory_raises_is_the_applications_failure(place: Path, raised: str) -> None:
    (place / "wrong_shop.py").write_text(f"import asyncio\nraise {raised}\n")
    with pytest.raises(AppError, match=r"^cannot import wrong_shop: ") as caught:
        load("wrong_shop")
    assert "wrong_shop.py" in caught.value.traceback
    (place / "wrong_shop.py").write_text(f"import asyncio\ndef make():\n    raise {raised}\n")
    with pytest.raises(AppError, match=r"^cannot call wrong_shop:make\(\): "):
        load("wrong_shop:make()")


def test_what_a_modules_own_getattr_raises_is_the_applications_failure(place: Path) -> None:
    (place / "wrong_shop.py").write_text("def __getattr__(name):\n    raise LookupError('no such part')\n")
    with pytest.raises(AppError, match="cannot find wrong_shop:app: LookupError: no such part"):
        load("wrong_shop:app")
