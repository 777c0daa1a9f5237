"""The first lines that run in the application's interpreter: `python boot.py LIFELINE_FD MASTER_PID`.

Makes exactly one package importable, corn_systemd itself, and never the directory in which it lies: the
packages beside it there are the master's, not the application's. Any Python 3 can parse it, to say that
it is too old.
"""

import sys

_OLDEST = (3, 10)


def _dotted(version: tuple) -> str:  # type: ignore[type-arg]
    return ".".join(map(str, version))


def _refuse(cause: str) -> None:
    sys.stderr.write("corn: python = " + repr(sys.executable) + ": " + cause + "\n")
    sys.exit(78)


def _check(master_pid: int) -> None:
    """Ends what cannot be a mold: an interpreter that is too old, or that is not the master's own child."""
    import os

    if sys.version_info < _OLDEST:
        version = _dotted(sys.version_info[:3])
        _refuse("is Python " + version + ", and corn needs " + _dotted(_OLDEST) + " or newer")
    if os.getppid() == master_pid:
        return
    if not os.path.exists("/proc/" + str(master_pid)):
        sys.exit(1)  # the master has just died, and nobody needs a mold
    _refuse("it is started by a program in between, which must replace itself: exec python, not python")


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
    _check(int(sys.argv[2]))
    _here = __file__.rpartition("/")[0]
    if sys.path and sys.path[0] == _here:
        del sys.path[0]
    _import_corn(_here.rpartition("/")[0])
    from corn_systemd.mold.mold import main

    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
