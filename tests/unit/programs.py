"""The programs of units/ as modules: they are no part of the package, and have no name to import them by."""

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any


def program(name: str) -> Any:
    """One of them, loaded anew."""
    path = Path(__file__).parents[2] / "units" / name
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(path))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
