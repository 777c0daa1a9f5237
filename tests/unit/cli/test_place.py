"""One directory, one instance."""

import subprocess
import sys
from pathlib import Path

import pytest

from corn_systemd.cli import place
from corn_systemd.errors import ConfigError, Unavailable


def test_a_directory_is_one_process_s_until_that_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    program = "import sys; from corn_systemd.cli import place; print(place.claim(sys.argv[1])); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        with pytest.raises(ConfigError, match=f"^instance shop runs already, and has {tmp_path};"):
            place.claimed("shop")
        other.kill()
    assert place.claimed("shop") == str(tmp_path)
    assert place.claimed("shop") == str(tmp_path)


def test_a_directory_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^can not open .*/nowhere: No such file or directory"):
        place.claim(str(tmp_path / "nowhere"))
