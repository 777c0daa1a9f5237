"""The fuzzer: python -m tests.fuzz.run requests|answers|proxies|forwarded|hosts [what libFuzzer understands]

Looks for inputs by the branches that they take in corn_systemd.http (atheris). What is new, and what breaks
a check, goes to build/fuzz; `--keep` takes the small ones of these that reach what the corpus does not into
tests/fuzz/found.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOUND = HERE / "found"
NEW = ROOT / "build/fuzz"
SAMPLES = ROOT / "tests/corpus/http"
CORPUS = {
    "requests": [FOUND / "requests", SAMPLES / "accepted", SAMPLES / "refused"],
    "answers": [FOUND / "answers"],
    "proxies": [FOUND / "proxies"],
    "forwarded": [FOUND / "forwarded"],
    "hosts": [FOUND / "hosts"],
}
KEPT_BYTES, KEPT_FILES = 400, 60


def main(target: str, *flags: str) -> None:
    if flags == ("--keep",):
        keep(target)
        return
    import atheris

    # Before anything else imports it: only what is imported here is watched.
    with atheris.instrument_imports(include=["corn_systemd.http"]):
        from tests.fuzz.checks import CHECKS
    options = [flag for flag in flags if flag.startswith("-")]
    directories = [flag for flag in flags if not flag.startswith("-")]
    directories = directories or [str(NEW / target), *map(str, CORPUS[target])]
    NEW.joinpath(target).mkdir(parents=True, exist_ok=True)
    # How libFuzzer calls itself when it merges.
    name = f"{sys.executable} -m tests.fuzz.run {target}"
    ours = [f"-dict={HERE / 'words.dict'}", f"-artifact_prefix={NEW}/", "-timeout=20", "-max_len=1500"]
    atheris.Setup([name, *ours, *options, *directories], CHECKS[target])
    atheris.Fuzz()


def keep(target: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        known = Path(name)
        for directory in CORPUS[target]:
            shutil.copytree(directory, known, dirs_exist_ok=True)
        before = set(known.iterdir())
        merge = ["-m", "tests.fuzz.run", target, "-merge=1", name, str(NEW / target)]
        subprocess.run([sys.executable, *merge], cwd=ROOT, check=True)
        added = sorted(set(known.iterdir()) - before, key=lambda path: (path.stat().st_size, path.name))
        for path in added[:KEPT_FILES]:
            if path.stat().st_size <= KEPT_BYTES:
                shutil.copy(path, FOUND / target / path.name[:12])


if __name__ == "__main__":
    main(*sys.argv[1:])
