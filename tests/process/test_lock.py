"""The lock of runs, on a real PostgreSQL: a run has one machine, whatever happens to it and the database."""

import math
import os
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corn_systemd.clerk import table
from corn_systemd.clerk.lock import Claim, Lock, Verdict
from corn_systemd.clerk.table import BATCH, KEPT, number
from corn_systemd.errors import ConfigError, Unavailable

from .postgres import PASSWORD, Cluster, running

DAY = 86400.0
# As old as the day before yesterday, so that nothing of it has been forgotten.
AT = time.time() // 1 - 2 * DAY + 0.25
GRANTED = Claim(Verdict.GRANTED)

# An owner, retries=…, grace=… → the lock of one machine in a database that the test has for itself.
Machine = Callable[..., Lock]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running() as one:
        yield one


@pytest.fixture
def database(cluster: Cluster) -> str:
    return cluster.database()


@pytest.fixture
def machine(cluster: Cluster, database: str) -> Iterator[Machine]:
    made: list[Lock] = []

    def make(
        owner: str, retries: int = 1, *, url: str = "", grace: float = 0.0, patience: float = 10.0
    ) -> Lock:
        url = url or cluster.url(database)
        made.append(Lock(url, "shop", owner, retries, grace=grace, patience=patience))
        return made[-1]

    yield make
    for lock in made:
        lock.close()


def kill_sessions(cluster: Cluster, database: str) -> None:
    """As an administrator would; they have ended when this returns."""
    cluster.sql(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = %s AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
        values=(database,),
    )


def leave(cluster: Cluster, lock: Lock) -> None:
    """Closes it; the server has ended its session when this returns."""
    assert lock._session is not None
    ((pid,),) = lock._session.ask("SELECT pg_backend_pid()")
    lock.close()
    cluster.sql("SELECT pg_terminate_backend(%s, 10000)", values=(pid,))


def crash(cluster: Cluster, lock: Lock) -> None:
    """Its machine has gone, without a word to the database."""
    lock._held.clear()
    leave(cluster, lock)


def taken_over(lock: Lock, at: float = AT) -> Claim:
    """The first look finds that nobody holds the run, the second that nobody has come back to it."""
    first = lock.claim("tidy", at)
    return lock.claim("tidy", at) if first.verdict is Verdict.ELSEWHERE else first


def row(cluster: Cluster, database: str, columns: str, at: float = AT) -> tuple[object, ...]:
    (found,) = cluster.sql(f"SELECT {columns} FROM corn_runs WHERE at = %s", database, (at,))
    return found


def locks(cluster: Cluster) -> int:
    """How many runs are held."""
    ((count,),) = cluster.sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert isinstance(count, int)
    return count


# One of them


def test_of_many_who_claim_a_run_at_once_one_is_granted(machine: Machine) -> None:
    locks = [machine(f"m{index}") for index in range(8)]

    def claim_all(lock: Lock) -> list[Claim]:
        return [lock.claim("tidy", AT + minute) for minute in range(20)]

    with ThreadPoolExecutor(len(locks)) as pool:
        answers = list(pool.map(claim_all, locks))
    for claims in zip(*answers, strict=True):
        assert sorted(claim.verdict.value for claim in claims) == ["elsewhere"] * 7 + ["granted"]


def test_who_comes_too_late_is_told_who_runs_it(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    assert a.claim("tidy", AT) == GRANTED
    assert b.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")
    assert b.claim("tidy", AT + 1) == GRANTED
    assert b.claim("other", AT) == GRANTED


@pytest.mark.parametrize(("outcome", "is_well"), [("done", True), ("failed", False), ("killed", False)])
def test_a_run_that_was_done_before_another_looks_is_not_run_again(
    machine: Machine, outcome: str, is_well: bool
) -> None:
    a, b = machine("a"), machine("b")
    assert a.claim("tidy", AT) == GRANTED
    assert a.end("tidy", AT, outcome)
    assert b.claim("tidy", AT) == Claim(Verdict.DONE, "a", is_well)
    assert a.claim("tidy", AT) == Claim(Verdict.DONE, "a", is_well)


def test_instances_that_share_a_database_do_not_share_runs(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    other = Lock(cluster.url(database), "blog", "a", 1)
    assert machine("a").claim("tidy", AT) == other.claim("tidy", AT) == GRANTED
    other.close()


def test_a_run_that_has_ended_is_let_go(machine: Machine, cluster: Cluster, database: str) -> None:
    a, b = machine("a"), machine("b")
    a.claim("tidy", AT)
    a.end("tidy", AT, "done")
    b.claim("tidy", AT)
    assert a.check() == []
    assert locks(cluster) == 0


def test_a_claim_that_is_said_twice_is_granted_once(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a = machine("a")
    assert a.claim("tidy", AT) == a.claim("tidy", AT) == GRANTED
    assert row(cluster, database, "attempts") == (1,)
    assert a.end("tidy", AT, "done")
    assert locks(cluster) == 0


def test_an_end_that_is_said_twice_is_an_end(machine: Machine, cluster: Cluster, database: str) -> None:
    a = machine("a")
    a.claim("tidy", AT)
    assert a.end("tidy", AT, "failed")
    assert a.end("tidy", AT, "failed")
    assert row(cluster, database, "outcome") == ("failed",)


def test_a_granted_run_of_which_nobody_heard_is_granted_again_as_the_same_attempt(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    crash_before_the_word = machine("a", retries=0)
    crash_before_the_word.claim("tidy", AT)
    crash(cluster, crash_before_the_word)
    assert machine("a", retries=0).claim("tidy", AT) == GRANTED
    assert row(cluster, database, "attempts, orphaned_at") == (1, None)


def test_a_run_that_did_not_begin_is_anybody_s_as_if_never_claimed(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, b = machine("a", retries=0, grace=60.0), machine("b", retries=0, grace=60.0)
    a.claim("tidy", AT)
    a.give_back("tidy", AT)
    assert a.check() == []
    assert b.claim("tidy", AT) == GRANTED
    assert row(cluster, database, "owner, attempts") == ("b", 1)


def test_the_number_of_a_lock_is_the_same_on_all_machines_and_of_all_versions() -> None:
    assert number("shop", "tidy", 1_700_000_000.0) == 411396674684811977
    assert number("shop", "tidy", 1_700_000_000) == number("shop", "tidy", 1_700_000_000.0)
    assert len({number("a", "b", 0.0), number("ab", "", 0.0), number("a", "b", 1e-9)}) == 3


def test_an_instant_is_kept_to_the_bit(machine: Machine) -> None:
    a, b = machine("a"), machine("b")
    for at in (1e-300, 0.1 + 0.2, 1_700_000_000.1234567):
        assert a.claim("tidy", at) == GRANTED
        assert a.end("tidy", at, "done")
        assert b.claim("tidy", at) == Claim(Verdict.DONE, "a")
        assert b.claim("tidy", math.nextafter(at, math.inf)) == GRANTED


# A machine is lost


def test_a_machine_that_dies_frees_its_run_for_another(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, b, c = machine("a"), machine("b"), machine("c")
    a.claim("tidy", AT)
    kill_sessions(cluster, database)
    assert taken_over(b) == GRANTED
    assert c.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "b")
    assert row(cluster, database, "owner, attempts") == ("b", 2)


def test_a_session_that_is_lost_leaves_its_machine_time_to_come_back(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, b = machine("a"), machine("b", grace=60.0)
    a.claim("tidy", AT)
    kill_sessions(cluster, database)
    assert b.claim("tidy", AT) == b.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")
    cluster.sql("UPDATE corn_runs SET orphaned_at = orphaned_at - interval '61 seconds'", database)
    assert b.claim("tidy", AT) == GRANTED


def test_a_clerk_that_leaves_as_its_master_has_gone_keeps_nobody_waiting(
    machine: Machine, cluster: Cluster
) -> None:
    a, b = machine("a"), machine("b", grace=60.0)
    a.claim("tidy", AT)
    leave(cluster, a)
    assert b.claim("tidy", AT) == GRANTED


def test_a_run_of_which_machines_die_is_given_up_after_so_many_attempts(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    for owner in ("a", "b", "c"):
        lock = machine(owner, retries=2)
        assert taken_over(lock) == GRANTED
        crash(cluster, lock)
    d, e = machine("d", retries=2), machine("e", retries=2)
    assert taken_over(d) == Claim(Verdict.DONE, "c", is_well=False)
    assert e.claim("tidy", AT) == Claim(Verdict.DONE, "c", is_well=False)
    assert row(cluster, database, "attempts, outcome, ended_at IS NULL") == (3, "lost", False)


def test_without_retries_a_run_is_begun_once(machine: Machine, cluster: Cluster) -> None:
    a, b = machine("a", retries=0), machine("b", retries=0)
    a.claim("tidy", AT)
    crash(cluster, a)
    assert taken_over(b) == Claim(Verdict.DONE, "a", is_well=False)


def test_a_run_is_lost_once_another_machine_has_taken_it_over(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, b = machine("a"), machine("b")
    a.claim("tidy", AT)
    a.claim("other", AT)
    kill_sessions(cluster, database)
    assert taken_over(b) == GRANTED
    assert a.check() == [("tidy", AT)]
    assert a.check() == []
    assert not a.end("tidy", AT, "done")
    assert b.check() == []
    assert b.end("tidy", AT, "done")


def test_a_run_is_lost_too_if_the_other_machine_has_ended_it_already(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, b = machine("a"), machine("b")
    a.claim("tidy", AT)
    kill_sessions(cluster, database)
    taken_over(b)
    b.end("tidy", AT, "done")
    assert not a.end("tidy", AT, "failed")
    assert row(cluster, database, "owner, outcome") == ("b", "done")
    assert b.claim("tidy", AT) == Claim(Verdict.DONE, "b")


def test_a_run_that_was_lost_is_let_go(machine: Machine, cluster: Cluster, database: str) -> None:
    a, b = machine("a"), machine("b")
    a.claim("tidy", AT)
    kill_sessions(cluster, database)
    taken_over(b)
    b.end("tidy", AT, "done")
    assert a.check() == [("tidy", AT)]
    assert locks(cluster) == 0


def test_a_run_that_was_given_up_is_lost_and_its_end_does_not_count(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, before, b = machine("a"), machine("before"), machine("b", retries=0)
    a.claim("tidy", AT)
    before.claim("tidy", AT + 1)
    kill_sessions(cluster, database)
    for at in (AT, AT + 1):
        assert taken_over(b, at).verdict is Verdict.DONE
    assert a.check() == [("tidy", AT)]
    assert not before.end("tidy", AT + 1, "done")
    assert row(cluster, database, "outcome", AT + 1) == ("lost",)


def test_a_run_that_was_taken_over_and_lost_again_is_not_its_first_machine_s(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, b = machine("a", retries=5), machine("b", retries=5)
    a.claim("tidy", AT)
    kill_sessions(cluster, database)
    taken_over(b)
    crash(cluster, b)
    assert a.check() == [("tidy", AT)]


def test_who_comes_back_in_time_goes_on(machine: Machine, cluster: Cluster, database: str) -> None:
    a, b = machine("a"), machine("b")
    a.claim("tidy", AT)
    kill_sessions(cluster, database)
    assert b.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")
    assert a.check() == []
    # The lock is held again, and what b has seen counts no more.
    assert b.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")
    assert row(cluster, database, "owner, attempts, orphaned_at") == ("a", 1, None)
    assert a.end("tidy", AT, "done")


def test_who_has_come_back_while_another_was_about_to_take_over_keeps_its_run(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, b = machine("a"), machine("b")
    a.claim("tidy", AT)
    kill_sessions(cluster, database)
    b.claim("tidy", AT)
    values = b._values(("tidy", AT), attempt=1)
    assert b._session is not None
    assert b._session.ask(table.TRY_LOCK, values) == [(True,)]
    assert a.check() == []  # it cannot lock, but says that it lives
    assert b._session.ask(table.TAKE_OVER, values) == b._session.ask(table.GIVE_UP, values) == []
    assert b._session.ask(table.UNLOCK, values) == [(True,)]
    assert a.check() == []
    assert a._held["tidy", AT].is_locked


def test_a_session_of_one_s_own_that_the_server_takes_for_alive_costs_no_run(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    dead = machine("a")
    dead.claim("tidy", AT)
    a = machine("a")
    assert a.hold("tidy", AT)
    assert a.check() == []
    assert not a._held["tidy", AT].is_locked
    crash(cluster, dead)
    assert a.check() == []
    assert a._held["tidy", AT].is_locked


# A new clerk


def test_a_new_clerk_goes_on_with_the_runs_of_the_one_before(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    before, b = machine("a"), machine("b", grace=60.0)
    before.claim("tidy", AT)
    crash(cluster, before)
    b.claim("tidy", AT)
    a = machine("a")
    assert a.hold("tidy", AT)
    assert row(cluster, database, "owner, attempts, orphaned_at") == ("a", 1, None)
    assert b.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")
    assert a.end("tidy", AT, "done")
    assert b.claim("tidy", AT) == Claim(Verdict.DONE, "a")


def test_a_new_clerk_is_told_what_was_taken_over_before_it_came(machine: Machine, cluster: Cluster) -> None:
    before, b = machine("a"), machine("b")
    before.claim("tidy", AT)
    crash(cluster, before)
    assert taken_over(b) == GRANTED
    a = machine("a")
    assert not a.hold("tidy", AT)
    assert not a.end("tidy", AT, "done")
    assert b.end("tidy", AT, "done")


def test_a_run_that_ended_before_it_could_be_held_again_has_ended(machine: Machine, cluster: Cluster) -> None:
    before, b = machine("a"), machine("b")
    before.claim("tidy", AT)
    crash(cluster, before)
    assert machine("a").end("tidy", AT, "done")
    assert b.claim("tidy", AT) == Claim(Verdict.DONE, "a")


def test_what_is_to_be_held_while_the_database_is_away_is_held_when_it_is_back(
    machine: Machine, cluster: Cluster
) -> None:
    before, a, b = machine("a"), machine("a"), machine("b")
    before.claim("tidy", AT)
    cluster.stop()
    try:
        with pytest.raises(Unavailable):
            a.hold("tidy", AT)
    finally:
        cluster.start()
    assert a.check() == []
    assert taken_over(b) == Claim(Verdict.ELSEWHERE, "a")


# The database


def test_a_database_that_is_stopped_is_told_at_once_and_one_that_is_started_serves(
    machine: Machine, cluster: Cluster
) -> None:
    a, b = machine("a"), machine("b")
    a.claim("tidy", AT)
    cluster.stop(signal.SIGINT)
    try:
        began = time.monotonic()
        for deed in (a.check, lambda: a.claim("tidy", AT + 1), lambda: a.end("tidy", AT, "done")):
            with pytest.raises(Unavailable, match=r"cron\.lock: connection to server .* failed: [^\n]*$"):
                deed()
        assert time.monotonic() - began < 5.0
    finally:
        cluster.start()
    assert a.check() == []
    assert b.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")
    assert a.claim("tidy", AT + 1) == GRANTED
    assert a.end("tidy", AT, "done")


def test_a_session_that_has_gone_is_replaced_without_a_word(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a = machine("a")
    for at in (AT, AT + 1, AT + 2):
        assert a.claim("tidy", at) == GRANTED
        kill_sessions(cluster, database)
        assert a.end("tidy", at, "done")
        kill_sessions(cluster, database)
    assert row(cluster, database, "outcome") == ("done",)


def test_a_server_that_hangs_holds_the_clerk_for_a_moment_only(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a = machine("a", patience=0.5)
    a.claim("tidy", AT)
    ((pid,),) = cluster.sql("SELECT pid FROM pg_stat_activity WHERE datname = %s", values=(database,))
    os.kill(pid, signal.SIGSTOP)
    try:
        # Its lock is not lost by that: the session hangs, and a new one is there.
        began = time.monotonic()
        assert a.check() == []
        assert time.monotonic() - began < 5.0
        assert machine("b").claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert a.end("tidy", AT, "done")


def test_a_statement_that_lasts_is_ended_by_the_server(machine: Machine) -> None:
    a = machine("a")
    a.claim("tidy", AT)
    assert a._session is not None
    assert a._session.ask("SHOW statement_timeout") == [("5s",)]
    assert a._session.ask("SHOW lock_timeout") == [("2s",)]
    a._session.ask("SET statement_timeout = 300")
    with pytest.raises(Unavailable, match="canceling statement due to statement timeout"):
        a._session.ask("SELECT pg_sleep(30)")
    assert a.end("tidy", AT, "done")


def test_both_sides_notice_that_the_other_is_gone(machine: Machine, cluster: Cluster, database: str) -> None:
    a = machine("a", url=cluster.url(database, host="127.0.0.1"))
    a.claim("tidy", AT)
    assert a._session is not None
    for name, value in (("idle", "10"), ("interval", "3"), ("count", "3")):
        assert a._session.ask(f"SHOW tcp_keepalives_{name}") == [(value,)]
    assert a._session.ask("SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()") == [
        ("corn shop",)
    ]
    info = a._session._connection.info.get_parameters()
    assert {"keepalives_idle": "10", "tcp_user_timeout": "10000"}.items() <= info.items()


def test_a_table_that_a_standby_has_forgotten_is_made_and_filled_again(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    a, b = machine("a"), machine("b")
    a.claim("tidy", AT)
    a.claim("other", AT + 1)
    cluster.sql("DROP TABLE corn_runs", database)
    kill_sessions(cluster, database)
    assert a.check() == []
    assert b.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")
    cluster.sql("DELETE FROM corn_runs", database)
    assert a.end("tidy", AT, "done")
    assert b.claim("tidy", AT) == Claim(Verdict.DONE, "a")


# The table


def test_machines_that_come_at_once_make_the_table_once(cluster: Cluster) -> None:
    for _ in range(5):
        database = cluster.database()
        locks = [Lock(cluster.url(database), "shop", f"m{index}", 1) for index in range(8)]
        with ThreadPoolExecutor(len(locks)) as pool:
            claims = list(pool.map(lambda lock: lock.claim("tidy", AT), locks))
        assert sum(claim == GRANTED for claim in claims) == 1
        for lock in locks:
            lock.close()


def test_who_may_not_make_the_table_is_told_what_somebody_has_to_say(
    cluster: Cluster, database: str, machine: Machine
) -> None:
    guarded = machine("a", url=cluster.url(database, "guarded", password=PASSWORD))
    with pytest.raises(Unavailable) as told:
        guarded.claim("tidy", AT)
    assert "permission denied for schema public; somebody who may make tables" in str(told.value)
    assert PASSWORD not in str(told.value)
    cluster.sql(str(told.value).partition("has to say: ")[2], database)
    assert guarded.claim("tidy", AT) == GRANTED


def test_who_may_not_use_the_table_is_told_what_its_owner_has_to_say(
    cluster: Cluster, database: str, machine: Machine
) -> None:
    machine("a").claim("tidy", AT)
    guarded = machine("b", url=cluster.url(database, "guarded", password=PASSWORD))
    for privilege in ("", "SELECT", "INSERT, UPDATE"):
        if privilege:
            cluster.sql(f"GRANT {privilege} ON corn_runs TO guarded", database)
        with pytest.raises(Unavailable, match="the role 'guarded' may not use the table corn_runs") as told:
            guarded.claim("tidy", AT)
    cluster.sql(str(told.value).partition("has to say: ")[2], database)
    assert guarded.claim("tidy", AT) == Claim(Verdict.ELSEWHERE, "a")


def test_a_table_of_somebody_else_s_is_left_alone(cluster: Cluster, database: str, machine: Machine) -> None:
    cluster.sql("CREATE TABLE corn_runs (ears integer)", database)
    cluster.sql("GRANT ALL ON corn_runs TO corn", database)
    with pytest.raises(Unavailable, match=r"does not exist: the table corn_runs .* is not corn's; rename it"):
        machine("a").claim("tidy", AT)


# Who can not get in


def test_a_password_is_never_told(cluster: Cluster, database: str, machine: Machine) -> None:
    wrong = machine("a", url=cluster.url(database, "guarded", password="not-" + PASSWORD))
    with pytest.raises(Unavailable, match='password authentication failed for user "guarded"') as told:
        wrong.claim("tidy", AT)
    assert PASSWORD not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_database_that_is_not_there_is_named(cluster: Cluster, machine: Machine) -> None:
    with pytest.raises(Unavailable, match=r'database "nowhere" does not exist$'):
        machine("a", url=cluster.url("nowhere")).claim("tidy", AT)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://corn:s3cret/x@db/corn",
        "postgresql://corn:s3cret@x@db/corn",
        "postgresql://corn:db/s3cret",
        "host=db password=s3cret x",
        "s3cret",
    ],
)
def test_what_libpq_does_not_understand_is_not_repeated(address: str, machine: Machine) -> None:
    with pytest.raises(ConfigError, match="is no address of a PostgreSQL database") as told:
        machine("a", url=address).claim("tidy", AT)
    assert "s3cret" not in str(told.value)


def serve_as_a_pooler(listener: socket.socket, server: str) -> None:
    """Passes one connection on, with another number of the server's process than the true one."""
    client, _ = listener.accept()
    upstream = socket.socket(socket.AF_UNIX)
    upstream.connect(server)
    ways = {client: upstream, upstream: client}
    while True:
        for source in select.select(list(ways), (), ())[0]:
            if not (data := source.recv(65536)):
                client.close()
                upstream.close()
                return
            if source is upstream and (at := data.find(b"K" + struct.pack(">I", 12))) >= 0:
                data = data[: at + 5] + struct.pack(">I", 7) + data[at + 9 :]
            ways[source].sendall(data)


def test_a_pooler_is_refused(cluster: Cluster, database: str, machine: Machine, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / f".s.PGSQL.{cluster.port}"))
        listener.listen()
        place = str(cluster.directory / f".s.PGSQL.{cluster.port}")
        thread = threading.Thread(target=serve_as_a_pooler, args=(listener, place))
        thread.start()
        with pytest.raises(Unavailable, match="names a pooler"):
            machine("a", url=cluster.url(database, host=str(tmp_path))).claim("tidy", AT)
        thread.join(10)
        assert not thread.is_alive()


def test_a_standby_is_as_good_as_none(cluster: Cluster, database: str, machine: Machine) -> None:
    cluster.sql("ALTER ROLE corn IN DATABASE " + database + " SET default_transaction_read_only = on")
    with pytest.raises(Unavailable, match="session is read-only"):
        machine("a").claim("tidy", AT)


# What is old


def age(cluster: Cluster, database: str, days: float) -> None:
    cluster.sql(
        "UPDATE corn_runs SET began_at = began_at - %(days)s * interval '1 day', "
        "ended_at = ended_at - %(days)s * interval '1 day'",
        database,
        {"days": days},
    )


def instants(cluster: Cluster, database: str) -> list[float]:
    return [at for (at,) in cluster.sql("SELECT at FROM corn_runs ORDER BY at", database)]


def test_what_is_old_is_deleted_and_not_run_again(machine: Machine, cluster: Cluster, database: str) -> None:
    now = time.time()
    old = [now - (KEPT + 1) * DAY - minute for minute in (3, 2, 1)]
    a = machine("a")
    for at in (*old, now - KEPT * DAY + 60):
        assert a.claim("tidy", at) == GRANTED
        assert a.end("tidy", at, "done")
    age(cluster, database, KEPT + 1)
    # Nothing is looked for within the hour.
    assert a.claim("tidy", now) == GRANTED
    assert a.end("tidy", now, "done")
    assert len(instants(cluster, database)) == 5
    slow = machine("slow")
    assert slow.claim("other", now) == GRANTED
    assert slow.end("other", now, "done")
    assert instants(cluster, database) == [now - KEPT * DAY + 60, now, now]
    # A machine whose clock is slow comes to what the others did long ago.
    assert [slow.claim("tidy", at).verdict for at in old] == [Verdict.DONE] * 3


def test_many_old_rows_are_deleted_in_parts(machine: Machine, cluster: Cluster, database: str) -> None:
    a, now = machine("a"), time.time()
    a.claim("tidy", now)
    cluster.sql(
        "INSERT INTO corn_runs (instance, job, at, owner, began_at, ended_at) "
        "SELECT 'shop', 'tidy', n, 'a', to_timestamp(n), to_timestamp(n) "
        f"FROM generate_series(1, {2 * BATCH + 1}) AS n",
        database,
    )
    a.end("tidy", now, "done")
    assert instants(cluster, database) == [now]


def test_the_last_run_of_a_job_is_never_forgotten_however_old(
    machine: Machine, cluster: Cluster, database: str
) -> None:
    new_year = time.time() - 200 * DAY
    a, b = machine("a"), machine("b")
    # It was never run: the machine was off when it was due.
    assert a.claim("yearly", new_year) == GRANTED
    assert a.end("yearly", new_year, "done")
    age(cluster, database, 200)
    b.claim("tidy", AT)
    b.end("tidy", AT, "done")
    assert b.claim("yearly", new_year) == Claim(Verdict.DONE, "a")
