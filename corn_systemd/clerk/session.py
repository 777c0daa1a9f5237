"""One session with PostgreSQL, whose locks last as long as it does.

Nothing in it takes longer than it may: the server ends what lasts, both kernels end a connection on which the
other side is silent, and where a server hangs that is there all the same, its connection is cut. No sentence
that is said here holds a password. It must not know what is asked.
"""

import os
import re
import signal
import socket
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError, Unavailable

if TYPE_CHECKING:
    import psycopg

# How long an answer may take, in seconds; the server itself gives up after half of it.
PATIENCE = 10.0

# What the address may say otherwise. A server that has gone is noticed within 10 + 3 × 3 seconds.
_CONNECTION = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "client_encoding": "UTF8",
    # Of several hosts the one that writes; a standby that does not is as good as none.
    "target_session_attrs": "read-write",
}
# The server's side. Without its own keepalives it would hold the locks of a machine that has lost its power
# for two hours. Those that an older server does not know are left out.
_SERVER = """
SELECT set_config(name, value, false)
FROM (VALUES
    ('statement_timeout', '5000'), ('lock_timeout', '2000'), ('idle_session_timeout', '0'),
    ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '3'), ('tcp_keepalives_count', '3'),
    ('tcp_user_timeout', '20000'), ('default_transaction_isolation', 'read committed'),
    ('synchronous_commit', 'on')
) AS wanted (name, value) JOIN pg_settings USING (name)
WHERE name <> 'synchronous_commit' OR setting = 'off'
"""
_NO_ADDRESS = (
    "cron.lock is no address of a PostgreSQL database: write it for example as "
    "postgresql://corn@db.example/corn, and in a password @, / and : as %40, %2F and %3A"
)
# An administrator, a crash or a time limit has ended the session (PostgreSQL's appendix A).
_ENDED = ("08", "57P", "25P03")


def check() -> None:
    """Raises ConfigError where psycopg is missing, or the library that it needs."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"cron.lock needs psycopg: apt install python3-psycopg ({error})") from None


class Lost(Unavailable):
    """The session has gone, and all of its locks."""


class Refused(Unavailable):
    """The server has refused what was asked; `state` is the SQLSTATE."""

    def __init__(self, cause: str, state: str) -> None:
        super().__init__(cause)
        self.state = state


class Session:
    """Connects to `address`, a URL or a conninfo string of libpq's, and goes by `name` there. Raises
    Unavailable, and ConfigError where psycopg is missing or the address is none."""

    def __init__(self, address: str, name: str, patience: float = PATIENCE) -> None:
        check()
        import psycopg

        self._patience = patience
        self._was_cut = False
        try:
            wanted: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(address)
        except psycopg.Error:
            # libpq would say what it does not understand, which may be the password.
            raise ConfigError(_NO_ADDRESS) from None
        place = f"{wanted.get('host') or ''}{wanted.get('dbname') or ''}"
        if "@" in place or not re.fullmatch("[0-9,]*", str(wanted.get("port") or "")):
            raise ConfigError(_NO_ADDRESS)  # a part of the password would be looked up as a host
        self._password = str(wanted.get("password") or "")
        parameters = {**_CONNECTION, "application_name": name, **wanted}
        try:
            self._connection: psycopg.Connection[Any] = psycopg.connect(autocommit=True, **parameters)
        except psycopg.Error as error:
            # psycopg leaves out where it was.
            said = error.pgconn.error_message.decode(errors="replace") if error.pgconn else ""
            raise Unavailable(self._sentence(said or f"{place}: {error}")) from None
        # A socket of our own, as its number could be another's by the time at which it is cut.
        self._wire = socket.socket(fileno=os.dup(self._connection.fileno()))
        try:
            self.ask(_SERVER)
            self._look_for_a_pooler()
        except Unavailable:
            self.close()
            raise

    @property
    def user(self) -> str:
        return self._connection.info.user

    @property
    def database(self) -> str:
        return self._connection.info.dbname

    def _look_for_a_pooler(self) -> None:
        """A pooler gives each transaction whatever session it has, with the locks of whoever had it before.
        One that would keep to the session is refused with it: they are told apart by nothing, but each has
        made up the number of the server's process that the client got."""
        if self.ask("SELECT pg_backend_pid()") != [(self._connection.info.backend_pid,)]:
            raise Unavailable(
                "cron.lock names a pooler, where locks are not kept; name the PostgreSQL server itself"
            )

    def ask(self, command: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """What the server answers, row for row. Raises Lost or Refused."""
        import psycopg

        timer = threading.Timer(self._patience, self._cut)
        timer.daemon = True
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            timer.start()
        except RuntimeError:
            raise Unavailable("no thread") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        try:
            cursor = self._connection.execute(command, values)
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as error:
            raise self._failure(error) from None
        finally:
            timer.cancel()

    def _cut(self) -> None:
        self._was_cut = True
        try:
            self._wire.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _failure(self, error: "psycopg.Error") -> Unavailable:
        if self._was_cut:
            return Lost(f"cron.lock: the database has not answered within {self._patience:g} s")
        state = error.sqlstate or ""
        sentence = self._sentence(error.diag.message_primary or str(error))
        if self._connection.closed or state.startswith(_ENDED):
            return Lost(sentence)
        return Refused(sentence, state)

    def _sentence(self, text: str) -> str:
        """What libpq says of one attempt or of several, without its advice, which is indented."""
        lines = [" ".join(line.split()) for line in text.splitlines() if not line[:1].isspace()]
        cause = "; ".join(dict.fromkeys(filter(None, lines)))
        if self._password:
            cause = cause.replace(self._password, "***")
        return f"cron.lock: {cause or 'the database has gone'}"

    def close(self) -> None:
        """Ends the session, and with it its locks."""
        self._connection.close()
        self._wire.close()
