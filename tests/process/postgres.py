"""A PostgreSQL of the tests' own: Debian's programs, a cluster in a temporary directory, gone afterwards.

It tells when it is ready as it would tell systemd. Every step has a deadline; without the programs a test
fails, as what it shows is nowhere else shown. Who may do all is `postgres`, and nobody needs a password but
the role `guarded`.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

DEADLINE = 30.0
PASSWORD = "s3cret-of-the-tests"

_HBA = """\
local all guarded scram-sha-256
local all all trust
host all all 127.0.0.1/32 trust
"""
# Nothing needs to outlive the tests, but for what the server itself takes along when it is stopped.
_SETTINGS = {
    "fsync": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "shared_buffers": "16MB",
    "autovacuum": "off",
}


def programs() -> Path:
    """The directory of the newest server that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    assert found, "there is no PostgreSQL for the tests: apt install postgresql (scripts/setup does)"
    return found[-1].parent


@dataclass
class Cluster:
    """A cluster in a directory that is its own, also of a user of its own where the tests are run by root,
    whom PostgreSQL refuses to serve."""

    directory: Path
    port: int
    _process: "subprocess.Popen[bytes] | None" = None
    _numbers: "Iterator[int]" = field(default_factory=count)

    def make(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        self._run("initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        (self.directory / "data" / "pg_hba.conf").write_text(_HBA)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.settimeout(DEADLINE)
        self._notify.bind(str(self.directory / "notify"))
        (self.directory / "notify").chmod(0o666)

    @property
    def _data(self) -> str:
        return str(self.directory / "data")

    def _command(self, program: str, *arguments: str) -> list[str]:
        """As the right user, and not for longer than the tests last, even if they are killed."""
        who = ("--reuid=postgres", "--regid=postgres", "--clear-groups") if os.geteuid() == 0 else ()
        return ["setpriv", *who, "--pdeathsig=QUIT", str(programs() / program), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            self._command(program, *arguments), cwd="/", capture_output=True, text=True, timeout=DEADLINE
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        """Returns when it serves."""
        settings = {**_SETTINGS, "unix_socket_directories": str(self.directory), "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._data, *options),
                cwd="/",
                env={**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify")},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            while b"READY=1" not in self._notify.recv(4096):
                pass
        except TimeoutError:
            raise AssertionError((self.directory / "log").read_text()) from None

    def stop(self, number: signal.Signals = signal.SIGQUIT) -> None:
        """Ends it, and every session: at once as a crash would, or in order by SIGINT."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(DEADLINE)
            finally:
                process.kill()

    def remove(self) -> None:
        self.stop()
        self._notify.close()
        shutil.rmtree(self.directory)

    def url(self, database: str, user: str = "corn", *, password: str = "", host: str = "") -> str:
        """Where to connect: over the cluster's unix socket, or over TCP if a host is given."""
        who = f"{user}:{password}" if password else user
        place = f"host={host or self.directory}&port={self.port}"
        return f"postgresql://{who}@/{database}?{place}"

    def sql(self, command: str, database: str = "postgres", values: Any = None) -> list[tuple[Any, ...]]:
        """What the server answers to the one who may do all."""
        import psycopg

        with psycopg.connect(
            self.url(database, "postgres"), autocommit=True, connect_timeout=10
        ) as connection:
            cursor = connection.execute(command, values)
            return cursor.fetchall() if cursor.description else []

    def database(self) -> str:
        """A new database, which belongs to the role `corn`."""
        name = f"corn{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} OWNER corn")
        return name


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster that serves, with the roles `corn` and `guarded` (who has the PASSWORD)."""
    cluster = Cluster(Path(tempfile.mkdtemp(prefix="corn-postgres-")), _free_port())
    try:
        cluster.make()
        cluster.start()
        cluster.sql(f"CREATE ROLE corn LOGIN; CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'")
        yield cluster
    finally:
        cluster.remove()
