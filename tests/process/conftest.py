from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .harness import Corn, address, tcp

HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""

Start = Callable[..., Corn]


def has_all(corn: Corn, workers: int) -> bool:
    """Whether all are there; or have been, of one that sleeps as soon as nobody asks."""
    try:
        return len(corn.workers()) == workers
    except OSError:
        return corn.has_ended


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Start]:
    """Makes an instance `shop`: shop(app_source, settings_text, start=True) → a Corn that is ready."""
    made: list[Corn] = []

    def make(
        app: str = HELLO, settings: str = "", *, start: bool = True, workers: int = 2, **rest: object
    ) -> Corn:
        directory = tmp_path / f"i{len(made)}"
        directory.mkdir()
        sockets = rest.pop("sockets", None) or [tcp()]
        corn = Corn(directory, sockets=sockets, **rest)  # type: ignore[arg-type]
        made.append(corn)
        corn.write("site.py" if app == "" else "shop.py", app)
        listen = ", ".join(f'"{address(sock)}"' for sock in corn.sockets)
        top, _, sections = f"\n{settings}".partition("\n[")
        corn.write(
            "shop.toml",
            f'app = "shop:application"\nchdir = "{directory}"\nlisten = [{listen}]\n{top}\n'
            f"[workers]\ncount = {workers}\n{'[' + sections if sections else ''}",
        )
        if start:
            corn.start().ready()
            corn.until(lambda: has_all(corn, workers), "all workers")
        return corn

    yield make
    for corn in made:
        corn.close()
