"""`make demo`: the Django application beside this file, served by corn.

Where systemd is PID 1 and we may become root: builds and installs the .deb, installs the application under
/srv/corn-demo with a virtual environment and a user of its own, and starts corn@demo. Elsewhere: the same
instance in the foreground, its socket passed by systemd-socket-activate(1), until Ctrl-C.
DEMO_ONCE=1 ends after the checks; DEMO_FOREGROUND=1 takes the second way where the first is open too;
DEMO_PACKAGE names a .deb that has been built already.
"""

from __future__ import annotations

import hashlib
import http.cookiejar
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "examples" / "django"
PYTHON = os.environ.get("PYTHON") or "/usr/bin/python3"
_HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("CORN_CACHE") or _HOME / "corn-systemd")
IS_ONCE = os.environ.get("DEMO_ONCE") == "1"
PORTS = range(8080, 8100)


def say(text: str) -> None:
    """One line of progress."""
    print(f"demo: {text}", flush=True)


def run(
    command: Sequence[str], directory: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Runs to its end; ends the demo when it fails."""
    if subprocess.run(command, cwd=directory, env={**os.environ, **(environment or {})}).returncode:
        sys.exit(f"demo: failed: {' '.join(command)}")


def bring(*packages: str) -> bool:
    """Whether these Debian packages are there, if need be by installing them."""
    return subprocess.run([str(REPOSITORY / "scripts" / "apt-install"), *packages]).returncode == 0


def become_root() -> list[str] | None:
    """The words before a command that make it root's, or None."""
    if os.geteuid() == 0:
        return []
    is_willing = shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], capture_output=True)
    return ["sudo", "-n"] if is_willing and is_willing.returncode == 0 else None


def is_systemd_here() -> bool:
    """Whether systemd is PID 1: sd_booted(3)."""
    return Path("/run/systemd/system").is_dir()


def free_port() -> int:
    """The first of PORTS at which nobody listens."""
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port != PORTS[0]:
            say(f"port {PORTS[0]} is taken, so it will be {port}")
        return port
    sys.exit(f"demo: every port from {PORTS[0]} to {PORTS[-1]} is taken")


def make_venv(directory: Path, before: Sequence[str] = ()) -> None:
    """The application's own environment: Django, and nothing of corn."""
    requirements = SOURCE / "requirements.txt"
    key = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    ready = directory / f".ready-{key}"
    if ready.exists():
        return
    say(f"a virtual environment with Django in {directory}")
    bring("python3-venv")
    run([*before, PYTHON, "-m", "venv", "--clear", str(directory)])
    python = str(directory / "bin" / "python")
    run(
        [
            *before,
            python,
            "-m",
            "pip",
            "install",
            "-q",
            "--disable-pip-version-check",
            "-r",
            str(requirements),
        ]
    )
    run([*before, "touch", str(ready)])


def own_venv() -> Path:
    """The environment of whoever runs the demo in the foreground, made once."""
    venv = CACHE / "demo-venv"
    make_venv(venv)
    return venv


def instance(port: int, home: Path, venv: Path, data: Path, user: str) -> str:
    """demo.toml, for these places."""
    text = (SOURCE / "demo.toml").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("/var/lib/corn/demo", str(data))
    text = text.replace("/srv/corn-demo/.venv", str(venv)).replace("/srv/corn-demo", str(home))
    return text if user else re.sub(r"^user = .*\n", "", text, flags=re.MULTILINE)


# Seeing that it works


def fetch(opener: urllib.request.OpenerDirector, url: str, form: Mapping[str, str] | None = None) -> str:
    """The text at the URL."""
    body = urllib.parse.urlencode(form).encode() if form else None
    with opener.open(url, body, timeout=60) as answer:
        return str(answer.read().decode())


def wait_for_socket(port: int, process: subprocess.Popen[bytes]) -> None:
    """Returns when somebody listens at the port; ends the demo when the process that should has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        # Not by connecting: systemd-socket-activate would take it for the first request.
        listening = Path("/proc/net/tcp").read_text().split("\n")
        if any(f"0100007F:{port:04X} 00000000:0000 0A" in line for line in listening):
            return
        time.sleep(0.01)
    sys.exit(f"demo: nobody listens at 127.0.0.1:{port}")


def check(address: str) -> None:
    """Visits the page and a static file; with DEMO_ONCE plants a kernel too. Ends the demo if it can not."""
    # Never by way of a proxy: the demo is on this machine.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    )
    try:
        page = fetch(opener, f"{address}/")
        assert "Plant a kernel" in page, page
        assert "ellipse" in fetch(opener, f"{address}/static/cob.css")
        if IS_ONCE:
            found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
            assert found, page
            form = {"name": "make demo", "message": "It works.", "colour": "#f6c945"}
            page = fetch(opener, f"{address}/", {**form, "csrfmiddlewaretoken": found[1]})
            assert "Thank you, make demo" in page, page
    except (OSError, AssertionError) as error:
        sys.exit(f"demo: {address} does not answer as it should: {error}")


def show(address: str, look: Sequence[str]) -> None:
    """The closing words: an address, a curl that was tried, and how to look."""
    print(f"\n  The Cob, a guest book, is at   {address}/\n", flush=True)
    if shutil.which("curl") or bring("curl"):
        command = ["curl", "-si", "--noproxy", "*", f"{address}/word"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            sys.exit(f"demo: curl failed with status {answer.returncode}")
        print(f"  $ curl -i {address}/word")
        print("".join(f"  {line}\n" for line in answer.stdout.splitlines()))
    for line in look:
        print(f"  {line}")
    print(flush=True)


# The two ways


def serve_with_systemd(root: list[str]) -> None:
    """Package, user, environment, instance, `systemctl start`."""
    home, data, file = Path("/srv/corn-demo"), Path("/var/lib/corn/demo"), Path("/etc/corn/demo.toml")
    if not os.environ.get("DEMO_PACKAGE"):
        say("building the package")
        run([str(REPOSITORY / "packaging" / "build-deb")], REPOSITORY)
    built = sorted((REPOSITORY / "dist").glob("corn-systemd_*.deb"), key=lambda path: path.stat().st_mtime)
    package = Path(os.environ.get("DEMO_PACKAGE") or built[-1]).resolve()
    say(f"installing {package.name}")
    apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300"]
    install = ["install", "--reinstall", "--allow-downgrades", str(package)]
    if subprocess.run([*root, *apt, *install]).returncode:
        # A fresh machine has no package lists.
        run([*root, *apt, "update"])
        run([*root, *apt, *install])

    subprocess.run([*root, "systemctl", "stop", "corn@demo.service", "corn@demo.socket"], capture_output=True)
    if subprocess.run(["id", "corn-demo"], capture_output=True).returncode:
        shell = ["--shell", "/usr/sbin/nologin", "--comment", "corn demo"]
        run([*root, "useradd", "--system", "--user-group", "--home-dir", str(data), *shell, "corn-demo"])
    say(f"the application in {home}, its database in {data}")
    run([*root, "install", "-d", "-m", "0755", str(home)])
    for name in ("demo", "guestbook", "manage.py", "requirements.txt"):
        run([*root, "cp", "-rT", str(SOURCE / name), str(home / name)])
    make_venv(home / ".venv", root)
    run([*root, "install", "-d", "-m", "0750", "-o", "corn-demo", "-g", "corn-demo", str(data)])
    python = [str(home / ".venv" / "bin" / "python"), "manage.py", "migrate", "-v", "0"]
    user = ["runuser", "-u", "corn-demo", "--", "env", f"DEMO_DATA={data}"]
    run([*root, *user, *python], home)

    port = free_port()
    text = instance(port, home, home / ".venv", data, "corn-demo")
    subprocess.run([*root, "tee", str(file)], input=text, text=True, stdout=subprocess.DEVNULL, check=True)
    run([*root, "systemctl", "daemon-reload"])
    say("systemctl start corn@demo")
    if subprocess.run([*root, "systemctl", "start", "corn@demo"]).returncode:
        subprocess.run([*root, "journalctl", "--no-pager", "-n", "40", "-u", "corn@demo"])
        sys.exit("demo: corn@demo did not start; its journal is above")
    address = f"http://127.0.0.1:{port}"
    check(address)
    words = "sudo " if root else ""
    show(
        address,
        [
            f"{words}journalctl -u corn@demo     what it said",
            f"{words}corn status demo            what it is doing",
            "systemctl status corn@demo  what systemd knows of it",
            f"{words}systemctl stop corn@demo    the end of it",
            f"its settings: {file}",
        ],
    )


def serve_in_foreground() -> None:
    """The same instance without a service manager; returns after Ctrl-C."""
    home = REPOSITORY / "build" / "demo"
    data = home / "data"
    data.mkdir(parents=True, exist_ok=True)
    venv = own_venv()
    run([str(venv / "bin" / "python"), "manage.py", "migrate", "-v", "0"], SOURCE, {"DEMO_DATA": str(data)})
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    file = home / "demo.toml"
    file.write_text(instance(port, SOURCE, venv, data, ""), encoding="utf-8")

    command = [sys.executable, "-m", "corn_systemd", "serve", str(file)]
    if shutil.which("systemd-socket-activate") or bring("systemd"):
        say(f"systemd-socket-activate holds 127.0.0.1:{port}; the first request starts corn")
        # It passes nothing on but what it is told to.
        names = ("PATH", "HOME", "XDG_RUNTIME_DIR", "LANG", "TERM")
        kept = [f"--setenv={name}={os.environ[name]}" for name in names if name in os.environ]
        command = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *kept, *command]
    else:
        say("no systemd-socket-activate here and no way to install it: corn binds its port by itself")
    corn = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        wait_for_socket(port, corn)
        check(address)
        status = f"{Path(sys.executable).parent / 'corn'} status {file}"
        show(
            address,
            ["its journal is this terminal", f"{status}    what it is doing", f"its settings: {file}"],
        )
        if not IS_ONCE:
            say("Ctrl-C ends it")
            corn.wait()
    except KeyboardInterrupt:
        pass
    finally:
        # A second Ctrl-C must not leave corn behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if corn.poll() is None:
            corn.send_signal(signal.SIGTERM)
        ended = corn.wait(90)
    say(f"corn has ended with status {ended}")
    if ended:
        sys.exit(1)


def main() -> None:
    """Chooses the way."""
    # A script that cuts off our output must not leave corn behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    root = become_root()
    if is_systemd_here() and root is not None:
        serve_with_systemd(root)
        return
    why = (
        "systemd is not PID 1 here"
        if root is not None or not is_systemd_here()
        else "no root and no sudo here"
    )
    say(f"{why}, so corn runs in the foreground instead of as corn@demo")
    serve_in_foreground()


if __name__ == "__main__":
    main()
