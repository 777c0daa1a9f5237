"""The booted system as the tests see it: units, journal, sockets. It is root's, and it is thrown away."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from corn_systemd.systemd.messages import Message

ETC = Path("/etc/corn")
APPS = Path("/srv")

# How many times longer than on a real processor everything may take here (tests/system/run).
PATIENCE = float(os.environ.get("CORN_PATIENCE", "1"))

# A flag of a process that the kernel is ending (include/linux/sched.h).
PF_EXITING = 0x4


def sh(*command: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout * PATIENCE)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def systemctl(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return sh("systemctl", *arguments, check=check)


def show(unit: str, name: str) -> str:
    return systemctl("show", "--property", name, "--value", unit).stdout.strip()


def wait_for(question: Callable[[], object], what: str, seconds: float = 20) -> Any:
    """Asks until the answer is true; says what was awaited when it never is."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.05)
    return answer


class Connection(http.client.HTTPConnection):
    """HTTP to "host:port", "[host]:port" or "/path"."""

    def __init__(self, address: str, timeout: float = 10) -> None:
        self.address = address
        super().__init__("corn", timeout=timeout * PATIENCE)

    def connect(self) -> None:
        if self.address.startswith("/"):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            self.sock.connect(self.address)
        else:
            host, _, port = self.address.rpartition(":")
            self.sock = socket.create_connection((host.strip("[]"), int(port)), self.timeout)


def get(address: str, path: str = "/", timeout: float = 10) -> tuple[int, str]:
    connection = Connection(address, timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def is_listening(address: str) -> bool:
    try:
        Connection(address, timeout=2).connect()
    except OSError:
        return False
    return True


class Instance:
    """One instance: its file, its application, its units; close() leaves no trace of it."""

    def __init__(self, name: str, app: str = "shop", **settings: object) -> None:
        self.name = name
        self.service = f"corn@{name}.service"
        self.socket = f"corn@{name}.socket"
        self.file = ETC / f"{name}.toml"
        self.home = APPS / name
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree("/corn/suite/apps", self.home)
        self.since = time.time()
        self.configure(app=app, chdir=str(self.home), **settings)

    def configure(self, **settings: object) -> None:
        environment = settings.pop("environment", {})
        assert isinstance(environment, Mapping)
        lines = [f"{key} = {toml(value)}" for key, value in settings.items()]
        lines += ["[workers]", "count = 2", "[environment]"]
        lines += [f"{key} = {toml(value)}" for key, value in environment.items()]
        self.file.write_text("\n".join(lines) + "\n")

    def start(self, check: bool = True) -> subprocess.CompletedProcess[str]:
        return systemctl("start", self.service, check=check)

    def stop(self) -> None:
        systemctl("stop", self.service)

    def show(self, name: str) -> str:
        return show(self.service, name)

    @property
    def main_pid(self) -> int:
        return int(self.show("MainPID"))

    def processes(self) -> set[int]:
        """The pids in the service's control group."""
        found = set()
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdecimal() and self.service in (entry / "cgroup").read_text():
                    found.add(int(entry.name))
            except OSError:
                pass
        return found

    def journal(self, message: Message | None = None) -> list[dict[str, Any]]:
        """The entries of the instance since it was made, those of one message or all."""
        chosen = [f"MESSAGE_ID={message.id}"] if message else []
        lines = self._journalctl("--output=json", "--all", f"SYSLOG_IDENTIFIER=corn@{self.name}", *chosen)
        return [json.loads(line) for line in lines.splitlines()]

    def starts(self) -> int:
        """How often systemd has started it since it was made."""
        lines = self._journalctl("--output=cat", "_PID=1", f"UNIT={self.service}")
        return len(re.findall(r"^Starting ", lines, re.MULTILINE))

    def _journalctl(self, *arguments: str) -> str:
        sh("journalctl", "--sync")
        return sh("journalctl", f"--since=@{self.since:.6f}", *arguments).stdout

    def close(self) -> None:
        systemctl("stop", self.service, self.socket, f"corn-{self.name}-*.socket", check=False)
        systemctl("disable", self.service, self.socket, check=False)
        self.file.unlink(missing_ok=True)
        shutil.rmtree(f"/etc/systemd/system/{self.service}.d", ignore_errors=True)
        shutil.rmtree(self.home, ignore_errors=True)
        systemctl("reset-failed", check=False)
        systemctl("daemon-reload")


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def pids_alive(pids: set[int]) -> set[int]:
    """Those that still run."""
    return set(filter(is_alive, pids))


def is_alive(pid: int) -> bool:
    """Not a zombie that nobody has waited for yet, nor one that is about to be: it leaves its control group,
    so that its service has stopped, before its state says so (proc_pid_stat(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] not in "ZX" and not int(fields[6]) & PF_EXITING


def drop_in(unit: str, text: str) -> None:
    directory = Path(f"/etc/systemd/system/{unit}.d")
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "test.conf").write_text(text)


def installed_version() -> str:
    return sh("dpkg-query", "--show", "--showformat=${Version}", "corn-systemd", check=False).stdout
