"""The first lines that run in the application's interpreter: `python boot.py LIFELINE_FD MASTER_PID`.

Makes exactly one package importable, corn_systemd itself, and never the directory in which it lies: the
packages beside it there are the master's, not the application's.
"""

import sys


def _import_corn(directory: str) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "corn_systemd", directory + "/__init__.py", submodule_search_locations=[directory]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["corn_systemd"] = package
    spec.loader.exec_module(package)


# A module of the application that starts processes (multiprocessing's spawn) imports this file again.
if __name__ == "__main__":
    _here = __file__.rpartition("/")[0]
    if sys.path and sys.path[0] == _here:
        del sys.path[0]
    _import_corn(_here.rpartition("/")[0])
    from corn_systemd.mold.mold import main

    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
