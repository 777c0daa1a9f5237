"""The table of runs, corn_runs, and all that is said of it in SQL.

A row is a run: who has begun it, as which attempt, and how it has ended. Its key, and the number of its lock,
are the same on all machines. What the answers mean is for lock.py to say.
"""

import struct
from hashlib import blake2b

from ..errors import Unavailable
from .session import Refused, Session

# Rows are kept for so long after the end of their run, in days, and deleted so many at once.
KEPT, BATCH = 30, 1000
# The outcome of a run whose machines have died of it as often as they may; no run has it by itself.
LOST = "lost"

_MAKE = """\
CREATE TABLE IF NOT EXISTS corn_runs (
    instance text NOT NULL, job text NOT NULL, at double precision NOT NULL,
    owner text NOT NULL, attempts integer NOT NULL DEFAULT 1,
    began_at timestamptz NOT NULL DEFAULT clock_timestamp(), orphaned_at timestamptz,
    ended_at timestamptz, outcome text,
    PRIMARY KEY (instance, job, at))"""
_COLUMNS = "SELECT owner, attempts, began_at, orphaned_at, ended_at, outcome FROM corn_runs LIMIT 0"
_PRIVILEGES = "SELECT, INSERT, UPDATE, DELETE"
_MISSING = f"""
SELECT wanted FROM unnest(string_to_array('{_PRIVILEGES}', ', ')) AS wanted
WHERE NOT has_table_privilege('corn_runs', wanted)"""
_UNDEFINED_COLUMN, _INSUFFICIENT_PRIVILEGE = "42703", "42501"

TRY_LOCK = "SELECT pg_try_advisory_lock(%(number)s::bigint)"
UNLOCK = "SELECT pg_advisory_unlock(%(number)s::bigint)"

_THIS = "instance = %(instance)s AND job = %(job)s AND at = %(at)s"
# An attempt that is not known may be any.
_OUR_ATTEMPT = "coalesce(%(attempt)s::integer, run.attempts)"
_OURS = f"{_THIS} AND owner = %(owner)s AND attempts = {_OUR_ATTEMPT} AND ended_at IS NULL"

# A row that is gone must not make its run seem new. The last one of a job never goes: what is as old as rows
# that may be gone is new only where the job has no later one.
BEGIN = f"""
INSERT INTO corn_runs (instance, job, at, owner)
SELECT %(instance)s, %(job)s, %(at)s, %(owner)s
WHERE %(at)s > extract(epoch FROM clock_timestamp() - interval '{KEPT} days')
OR NOT EXISTS (SELECT FROM corn_runs WHERE instance = %(instance)s AND job = %(job)s AND at > %(at)s)
ON CONFLICT DO NOTHING RETURNING attempts"""
CLEAN = f"""
DELETE FROM corn_runs WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM corn_runs AS old
    WHERE at < extract(epoch FROM clock_timestamp() - interval '{KEPT + 1} days')
    AND coalesce(ended_at, began_at) < clock_timestamp() - interval '{KEPT} days'
    AND EXISTS (SELECT FROM corn_runs WHERE instance = old.instance AND job = old.job AND at > old.at)
    LIMIT {BATCH})) RETURNING 1"""
LOOK = f"""
SELECT owner, attempts, ended_at IS NOT NULL, outcome,
    orphaned_at IS NOT NULL AND orphaned_at <= clock_timestamp() - %(grace)s * interval '1 second'
FROM corn_runs WHERE {_THIS}"""
ORPHAN = f"""
UPDATE corn_runs SET orphaned_at = clock_timestamp()
WHERE {_THIS} AND orphaned_at IS NULL AND ended_at IS NULL RETURNING 1"""
# Its machine may have come back since the row was read.
_STILL_ORPHANED = f"""
WHERE {_THIS} AND attempts = %(attempt)s AND orphaned_at IS NOT NULL AND ended_at IS NULL
RETURNING attempts"""
TAKE_OVER = f"""
UPDATE corn_runs
SET owner = %(owner)s, attempts = attempts + 1, began_at = clock_timestamp(), orphaned_at = NULL
{_STILL_ORPHANED}"""
GIVE_UP = f"UPDATE corn_runs SET ended_at = clock_timestamp(), outcome = '{LOST}' {_STILL_ORPHANED}"
# A database that was restored, or whose standby has taken its place, may have forgotten the row.
REGAIN = f"""
INSERT INTO corn_runs AS run (instance, job, at, owner, attempts)
VALUES (%(instance)s, %(job)s, %(at)s, %(owner)s, coalesce(%(attempt)s::integer, 1))
ON CONFLICT (instance, job, at) DO UPDATE SET orphaned_at = NULL
WHERE run.owner = %(owner)s AND run.attempts = {_OUR_ATTEMPT} AND run.ended_at IS NULL
RETURNING attempts"""
# Said twice it is true as well: the answer to the first may have been lost.
END = f"""
INSERT INTO corn_runs AS run (instance, job, at, owner, attempts, ended_at, outcome)
VALUES (%(instance)s, %(job)s, %(at)s, %(owner)s, coalesce(%(attempt)s::integer, 1),
    clock_timestamp(), %(outcome)s)
ON CONFLICT (instance, job, at) DO UPDATE SET ended_at = excluded.ended_at, outcome = excluded.outcome
WHERE run.owner = %(owner)s AND run.attempts = {_OUR_ATTEMPT}
AND (run.ended_at IS NULL OR run.outcome = excluded.outcome)
RETURNING 1"""
FREE = f"UPDATE corn_runs AS run SET orphaned_at = '-infinity' WHERE {_OURS} RETURNING 1"
GIVE_BACK = f"""
UPDATE corn_runs AS run SET owner = '', attempts = attempts - 1, orphaned_at = '-infinity'
WHERE {_OURS} RETURNING 1"""


def number(instance: str, job: str, at: float) -> int:
    """The 64 bits by which PostgreSQL knows the lock of a run. Two runs that had the same would wait for each
    other, no more."""
    text = b"\0".join((instance.encode(), job.encode(), struct.pack(">d", at)))
    return int.from_bytes(blake2b(text, digest_size=8, person=b"corn_runs").digest(), "big", signed=True)


def prepare(session: Session) -> None:
    """Makes the table if it is not there, and sees that it is as it should be. Raises Unavailable."""
    if session.ask("SELECT to_regclass('corn_runs') IS NULL") == [(True,)]:
        _make(session)
    try:
        session.ask(_COLUMNS)
    except Refused as error:
        if error.state == _UNDEFINED_COLUMN:
            raise Unavailable(
                f"{error}: the table corn_runs in the database {session.database!r} is not corn's; rename it"
            ) from None
        if error.state != _INSUFFICIENT_PRIVILEGE:
            raise
    if session.ask(_MISSING):
        raise Unavailable(
            f"cron.lock: the role {session.user!r} may not use the table corn_runs in the database "
            f"{session.database!r}; its owner has to say: {_grant(session)}"
        )


def _make(session: Session) -> None:
    # One machine after the other: IF NOT EXISTS fails where two make it in the same moment.
    turn = number("", "corn_runs", 0.0)
    try:
        session.ask(f"SELECT pg_advisory_xact_lock({turn}); {_MAKE}")
    except Refused as error:
        raise Unavailable(
            f"{error}; somebody who may make tables in the database {session.database!r} has to say: "
            f"{' '.join(_MAKE.split())}; {_grant(session)}"
        ) from None


def _grant(session: Session) -> str:
    role = session.user.replace('"', '""')
    return f'GRANT {_PRIVILEGES} ON corn_runs TO "{role}"'
