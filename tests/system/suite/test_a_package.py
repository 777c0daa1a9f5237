"""What `apt install` brings, and what systemd says of the units."""

import gzip
import re
from pathlib import Path

from machine import installed_version, sh, systemctl

FILES = """
/usr/bin/corn
/usr/lib/systemd/system/corn@.service
/usr/lib/systemd/system/corn@.socket
/usr/lib/systemd/system/corn.service
/usr/lib/systemd/system-generators/corn-generator
/usr/lib/systemd/system/corn-wake@.service
/usr/libexec/corn-systemd/corn-wake
/usr/lib/sysusers.d/corn-systemd.conf
/usr/lib/systemd/catalog/corn.catalog
/usr/share/bash-completion/completions/corn
/usr/share/man/man1/corn.1.gz
/usr/share/man/man5/corn.toml.5.gz
/usr/share/doc/corn-systemd/examples/example.toml
/usr/share/doc/corn-systemd/changelog.gz
/usr/share/doc/corn-systemd/copyright
""".split()  # noqa: SIM905


def test_the_package_is_installed_with_all_that_it_names() -> None:
    assert installed_version()
    assert [file for file in FILES if not Path(file).is_file()] == []
    assert sh("dpkg", "--verify", "corn-systemd").stdout == ""


def test_the_user_corn_exists() -> None:
    assert re.match(r"corn:.*:/var/lib/corn:/usr/sbin/nologin\n$", sh("getent", "passwd", "corn").stdout)


def test_corn_runs_and_knows_its_version() -> None:
    upstream = re.split(r"[-+]", installed_version())[0]
    assert upstream in sh("corn", "--version").stdout


def test_the_meta_unit_is_enabled_and_active() -> None:
    assert systemctl("is-enabled", "corn.service").stdout.strip() == "enabled"
    assert systemctl("is-active", "corn.service").stdout.strip() == "active"


def test_the_manual_pages_can_be_read_without_a_warning() -> None:
    for page in ("/usr/share/man/man1/corn.1.gz", "/usr/share/man/man5/corn.toml.5.gz"):
        assert gzip.decompress(Path(page).read_bytes())
        assert sh("man", "--warnings", "--local-file", page).stderr == ""


def test_systemd_finds_nothing_to_say_about_the_units() -> None:
    listen = 'listen = ["127.0.0.1:8099", "/run/corn/verified.sock"]'
    Path("/etc/corn/verified.toml").write_text(f'app = "x"\n{listen}\n')
    try:
        systemctl("daemon-reload")
        units = ["corn@verified.service", "corn@verified.socket", "corn-verified-2.socket", "corn.service"]
        units.append("corn-wake@verified.service")
        done = sh("systemd-analyze", "verify", "--man=yes", "--generators=yes", *units, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    finally:
        Path("/etc/corn/verified.toml").unlink()
        systemctl("daemon-reload")


def test_the_example_is_an_instance_but_for_its_application() -> None:
    example = Path("/usr/share/doc/corn-systemd/examples/example.toml")
    Path("/etc/corn/example.toml").write_text(example.read_text())
    try:
        assert sh("corn", "config", "example", check=False).returncode == 0
    finally:
        Path("/etc/corn/example.toml").unlink()


def test_the_completion_knows_the_verbs() -> None:
    script = "source /usr/share/bash-completion/completions/corn && complete -p corn"
    assert "corn" in sh("bash", "-c", f"source /usr/share/bash-completion/bash_completion; {script}").stdout
