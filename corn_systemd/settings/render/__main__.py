"""python -m corn_systemd.settings.render --write docs (or --check docs): for `make render` and the tests."""

import argparse
import os
import sys

from . import files


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m corn_systemd.settings.render", description=__doc__)
    deed = parser.add_mutually_exclusive_group(required=True)
    deed.add_argument("--write", metavar="DIRECTORY", help="write the rendered files there")
    deed.add_argument("--check", metavar="DIRECTORY", help="exit with 1 if they differ from those there")
    arguments = parser.parse_args()
    stale = [
        name for name, text in files().items() if _read(arguments.write or arguments.check, name) != text
    ]
    for name in stale:
        if arguments.check:
            sys.stderr.write(f"{arguments.check}/{name} differs from the declarations: make render\n")
            continue
        path = os.path.join(arguments.write, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(files()[name])
        sys.stdout.write(f"{path}\n")
    return 1 if stale and arguments.check else 0


def _read(directory: str, name: str) -> str | None:
    try:
        with open(os.path.join(directory, name), encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
