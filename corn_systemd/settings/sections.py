"""THE declarations: whatever an operator may set, one row each.

The class is the section, the annotation the type (mypy holds it against the kind), and the row is where the
file's key, the flag, --help, corn.toml(5) and the commented example come from. Code receives the section it
needs, frozen. Nothing here reads a file, and the application's interpreter imports it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import Any, NamedTuple, TypeVar

from .kinds import (
    ADDRESSES,
    COUNT,
    COUNT_OR_AUTO,
    COUNT_OR_NONE,
    COUNTS,
    DATABASE,
    FIELD_LINES,
    FIELD_NAME,
    FUNCTION,
    HOSTS,
    JOBS,
    NICE,
    PATH,
    PATH_RULES,
    PROXIES,
    PROXY_FIELDS,
    REQUEST_PATH,
    SIZE,
    SPAN,
    TABLE,
    TARGET,
    USER,
    YES_NO,
    Address,
    Job,
    Kind,
    PathLimits,
)

T = TypeVar("T")


class Row(NamedTuple):
    """One declaration and where it stands: `path` is ("http", "keepalive"), `key` is http.keepalive."""

    path: tuple[str, ...]
    kind: Kind[Any]
    default: object
    is_required: bool
    help: str
    more: str
    example: str
    needs_restart: bool
    flag: str

    @property
    def key(self) -> str:
        return ".".join(self.path)


def setting(
    kind: Kind[T],
    default: T,
    help: str,
    *,
    more: str = "",
    example: str = "",
    needs_restart: bool = False,
    flag: str | None = "",
) -> T:
    """Declares a setting. `help` is for an operator, `more` for whoever reads the manual, `example` is TOML
    where the default says little. `flag` is the name on the command line where the key's own is clumsy, None
    if it is for files alone."""
    metadata = _metadata(kind, help, more, example, needs_restart, flag)
    if isinstance(default, Mapping):
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


def required(kind: Kind[T], help: str, *, more: str = "", example: str) -> T:
    """Declares a setting without a default; on the command line it is an argument, not a flag."""
    declared: T = field(metadata=_metadata(kind, help, more, example, False, None))
    return declared


def section(kind: Callable[[], T]) -> T:
    """Declares a section: its rows are the fields of the class, its text is the class's docstring."""
    return field(default_factory=kind, metadata={"section": kind})


def alike(of: type[Any], name: str, help: str) -> Any:
    """Declares a setting as another section has it, kind and default, in words of its own."""
    (model,) = (one for one in fields(of) if one.name == name)
    return setting(model.metadata["kind"], model.default, help)


def _metadata(
    kind: Kind[T], help: str, more: str, example: str, needs_restart: bool, flag: str | None
) -> dict[str, Any]:
    return {
        "kind": kind,
        "help": help,
        "more": more,
        "example": example,
        "needs_restart": needs_restart,
        "flag": flag,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """How many processes serve requests."""

    count: int = setting(
        COUNT_OR_AUTO,
        0,
        'Worker processes that serve requests, each one request at a time. `"auto"` is two for each CPU the '
        "service may use, and one more: enough to keep the CPUs busy while others wait for a database. With "
        "`min` or `max` it is how many there are at the start.",
        more="The CPUs are those of its cpuset (`AllowedCPUs=`), or what time on them allows (`CPUQuota=`), "
        "of the service and of the slices that it lies in. Where their `MemoryMax=` or `MemoryHigh=` does "
        "not hold so many workers of `limits.memory_soft` each, there are fewer, but two at least. `corn "
        "config` tells the number and how it came about.",
        example="4",
        flag="workers",
    )
    min: int = setting(
        COUNT_OR_NONE,
        0,
        "The fewest workers: so many stay when there is nothing to do. 0 is `count`.",
    )
    max: int = setting(
        COUNT_OR_NONE,
        0,
        "The most workers: one after the other is added while all are busy and requests wait, as long as "
        "memory allows. 0 is `count`.",
        more="More workers help where the application waits for something (a database, another service). "
        "None is added while the service is under memory pressure (memory.pressure), or where `MemoryMax=` "
        "or `MemoryHigh=` leaves less than the largest worker takes. `corn scale` sets a number by hand.",
        example="16",
    )
    idle: float = setting(
        SPAN,
        60.0,
        "How long one worker fewer must have been enough before one goes, down to `min`; then as long again "
        "before another does. 0 is off: those that were added stay.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Http:
    """What a client may send and how long it may take. Waiting for a client never occupies a worker (but
    for `body_streaming`), so these limits protect memory and file descriptors rather than workers."""

    keepalive: float = setting(
        SPAN,
        75.0,
        "How long a connection without a request is kept open for the next one. Make it longer than the idle "
        "timeout of a reverse proxy in front (60 s at nginx and most load balancers), so that the proxy is "
        "always the one to close: a request never meets a closing connection. The default does.",
    )
    head_timeout: float = setting(
        SPAN,
        30.0,
        "How long a client may take to send the request line and the header fields; then 408 and the end.",
    )
    body_timeout: float = setting(
        SPAN,
        300.0,
        "How long a client may take to send the body of a request; then 408 and the end. Raise it where "
        "people upload large files over slow lines.",
    )
    min_rate: int = setting(
        SIZE,
        240,
        "How many bytes a second of a head or a body a client must send on average once 20 seconds have "
        "passed; a slower one gets 408 and the end. No line that is in use is as slow as the default. 0 is "
        "off.",
        more="`head_timeout` and `body_timeout` go on beside it. Only time in which corn listened to the "
        "client counts.",
    )
    write_timeout: float = setting(
        SPAN,
        600.0,
        "How long a client may take nothing of an answer before the connection is closed. A slow reader that "
        "goes on reading may take as long as it likes.",
    )
    head_max: int = setting(
        SIZE,
        32 * 1024,
        "How long the head of a request may be; a longer one is answered with 431. The default is what nginx "
        "allows (four buffers of 8K).",
    )
    line_max: int = setting(
        SIZE,
        8 * 1024,
        "How long the request line (414) and a single header field (431) may be. RFC 9112 asks for "
        "8000 bytes at least.",
    )
    fields_max: int = setting(
        COUNT,
        100,
        "How many header fields a request may have; more are answered with 431. 0 is off.",
    )
    body_max: int = setting(
        SIZE,
        128 * 1024 * 1024,
        "How long the body of a request may be; a longer one is answered with 413, as a rule before it is "
        "sent. A reverse proxy in front has a limit of its own (nginx: client_max_body_size, 1M).",
    )
    body_memory: int = setting(
        SIZE,
        1024 * 1024,
        "Bodies up to this size wait for the application in memory, longer ones in a temporary file below "
        "the service's cache directory, so that large uploads do not count as the worker's memory. `0`: "
        "always in memory.",
    )
    body_streaming: bool = setting(
        YES_NO,
        False,
        "Whether the application is called before the body is here, and reads it from `wsgi.input` as it "
        "comes. A worker that waits for a client's bytes can do nothing else: this is for applications that "
        "must see them at once, or behind a proxy that buffers them.",
        more="`100 Continue` is sent when the application first reads, and never if it does not. "
        "`body_timeout` and `min_rate` count the time in which the application waits in read(). Where the "
        "client is too slow, goes away or breaks the rules, read() raises an OSError; if the application "
        "does not catch it the client gets 408, 400 or 413, and the journal has no entry. A body in chunks "
        "comes without CONTENT_LENGTH and ends where `wsgi.input` ends. Where up to 64K of a body are left "
        "unread the connection is kept, else it is closed behind the answer.",
    )
    spool_max: int = setting(
        SIZE,
        4 * 1024 * 1024 * 1024,
        "How much all workers together may hold in temporary files: request bodies beyond `body_memory`, "
        "and answers that clients take more slowly than they are made. Beyond it bodies get 503; beyond a "
        "quarter of it applications that give their answer piece by piece wait for their clients. 0 is off.",
        more="A few pieces more may be written before all workers have noticed.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        PROXIES,
        (),
        "The reverse proxies that are believed: IP addresses, networks, and `unix` for whoever connects to "
        "a socket in the file system. Only they may tell by `Forwarded` or `X-Forwarded-For`, `-Proto`, "
        "`-Host` and `-Port` who the client is and what it asked for; from anybody else these fields are "
        "dropped, with their relatives (`X-Forwarded-Prefix`, `X-Real-IP`, ...), before the application sees "
        "them.",
        more="The addresses are read from the right as far as they are trusted: the first other one becomes "
        "REMOTE_ADDR (with REMOTE_PORT if it is told), and it is empty where a proxy says `unknown`. The "
        "scheme becomes `wsgi.url_scheme`; the host becomes HTTP_HOST and SERVER_NAME; SERVER_PORT is the "
        "port that is told, else the host's, else that of the scheme. Where both kinds of fields are there "
        "they must agree; what is malformed gets 400. It also says whose `X-Request-Start` and request ids "
        "are believed, and, where it is not empty, who may connect to a listener with `proxy_protocol`.",
        example='["127.0.0.1", "10.0.0.0/8", "unix"]',
    )
    forwarded_fields: tuple[str, ...] = setting(
        PROXY_FIELDS,
        PROXY_FIELDS.KNOWN,
        "The fields of trusted proxies that count; the others are dropped. A proxy that does not set a field "
        "itself lets pass what the client wrote: name here those that yours set or remove, for example "
        '`["X-Forwarded-For", "X-Forwarded-Proto"]`, or name your hosts in `hosts`.',
    )
    hosts: tuple[str, ...] = setting(
        HOSTS,
        (),
        "The hosts that are served, whatever the port; `*.shop.example` is every name below shop.example. "
        "Requests for others get 421, those that name none 400. Without it, every host is served.",
        more="It is the host after `trusted_proxies` has had its say. A health check that asks by address "
        "must be named as well.",
        example='["shop.example", "*.shop.example"]',
    )
    request_id_header: str = setting(
        FIELD_NAME,
        "X-Request-ID",
        "The field in which a trusted proxy sends the id of a request: up to 128 visible characters. Other "
        "requests get one from corn. It is REQUEST_ID in the environ and CORN_REQUEST_ID in the journal.",
    )
    request_id_answer: bool = setting(
        YES_NO,
        False,
        "Whether answers tell the id of their request, in the field that `request_id_header` names (unless "
        "the application has set it).",
    )
    max_wait: float = setting(
        SPAN,
        0.0,
        "How long a request may wait for a worker: one that has waited longer is answered with 503 and "
        "`Retry-After` instead of being started, as its client will not wait either. 0 is off.",
        more="A request waits from when it is here as a whole (or from the `X-Request-Start` of a trusted "
        "proxy: `t=` and seconds, milliseconds or microseconds since 1970) to the call of the application. "
        "The time in the kernel's backlog counts on TCP. It is `corn.wait` in the environ, in seconds, and "
        "CORN_WAIT_US in the journal.",
    )
    abort_on_eof: bool = setting(
        YES_NO,
        False,
        "Whether a client that has closed its sending side counts as gone, so that its request, if it had "
        "to wait, is not started. A connection that was reset or hung up always does.",
        more="On TCP a client that gives up looks at first like one that has said all and listens. `true` "
        "suits browsers and most proxies, and harms those who send a request and shut down their side.",
    )
    log_slow: float = setting(
        SPAN,
        0.0,
        "Requests on which the application works for so long get an entry in the journal, with the time, the "
        "CPU time, the memory and the bytes that they took; `1us` is all of them, 0 is off.",
        more="The fields are CORN_REAL_US, CORN_CPU_US, CORN_WAIT_US, CORN_MEMORY_GROWTH and CORN_SENT: "
        "`journalctl -u corn@shop CORN_STATUS=500`. It costs some microseconds a request.",
    )
    spool_directory: str = ""
    """Where those temporary files lie: the master sets it from $CACHE_DIRECTORY, it is not a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may spend. First its code is interrupted by an exception, and its client gets 504; if
    it does not come back, its worker is killed, and the client gets 504 all the same."""

    time_real: float = setting(
        SPAN,
        120.0,
        "How long the application may work on a request, from its call to the end of its answer. Then "
        "`corn_systemd.RequestTimeout` is raised at the line that runs, its traceback goes to the journal, "
        "and the worker is replaced. 0 is off.",
        more="The exception is a BaseException, so that `except Exception` does not swallow it; `finally` "
        "and `with` are run as always. Waiting for a worker or for a slow client does not count, but for the "
        "bytes that the application waits for itself (http.body_streaming).",
    )
    time_cpu: float = setting(
        SPAN,
        60.0,
        "How much CPU time, of all its threads, a worker may use for a request. Then it is ended as above, "
        "by `corn_systemd.CpuTimeExceeded`. 0 is off.",
        more="The CPU time of the request's own subprocesses counts where the instance has control groups of "
        "its own (Delegate= of its unit, on cgroup v2).",
    )
    memory_soft: int = setting(
        SIZE,
        640 * 2**20,
        "A worker that uses more private memory finishes its request and is replaced. 0 is off.",
        more="Private is what no other process shares: not what was imported before the fork and never "
        "written to, not files that are mapped, not the page cache, not address space that is only reserved.",
    )
    memory_hard: int = setting(
        SIZE,
        768 * 2**20,
        "A worker that uses more private memory than this is ended at once: the master answers its client "
        "with 503, and another worker takes its place. 0 is off.",
    )
    rlimit_data: int = setting(
        SIZE,
        0,
        "How much memory a worker may ask the kernel for at most (RLIMIT_DATA of setrlimit(2)): beyond it "
        "the application gets a MemoryError, and so do its subprocesses, each for itself. 0 is off.",
        more="Other than the limits above it counts what is asked for, not what is used: private mappings "
        "and the stacks of threads fail although there is memory. Only for applications that bear it.",
    )
    request: int = setting(
        COUNT,
        8192,
        "A worker that has served so many requests, give or take a tenth, is replaced. 0 is off.",
    )
    lifetime_min: float = setting(
        SPAN,
        1.0,
        "No worker is replaced for its number of requests before it has lived for so long: at thousands of "
        "requests a second a new process for each few of them would cost more than they do. 0 is off.",
    )
    lifetime: float = setting(
        SPAN,
        0.0,
        "A worker that has lived for so long finishes its request and is replaced. 0 is off.",
    )
    grace: float = setting(
        SPAN,
        5.0,
        "How long a request may go on after that exception, which is raised again every second. Then the "
        "stacks of all threads go to the journal, the master answers the client, and kills the worker with "
        "what it has started. 0 is off: there is no second stage.",
    )
    extend_max: float = setting(
        SPAN,
        600.0,
        "How much longer than `time_real` a request may take at most when its code asks for more time by "
        "`corn_systemd.extend_deadline(seconds)`. 0 is off: as much as it asks for.",
        more="`corn_systemd.deadline()` tells the code until when it has time, by `time.monotonic()`.",
    )
    path: tuple[PathLimits, ...] = setting(
        PATH_RULES,
        (),
        "Other limits for some paths: each `[[limits.path]]` has `match` and one or more of `time_real`, "
        "`time_cpu` and `grace`. The first that matches counts.",
        more="In `match`, `*` is any text, slashes too, `?` one character, `[ab]` one of these. The path is "
        "decoded and without the query; of a long one the first 100 characters at least are looked at.",
        example='[{match = "/report/*", time_real = "10min"}]',
        flag=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """What one run of a job may spend, and when a cron worker is replaced. A run is ended as a request is:
    first by an exception, then its worker is killed."""

    time_real: float = setting(
        SPAN, 1800.0, "How long a run may take; a job may have a `time_real` of its own. 0 is off."
    )
    time_cpu: float = setting(
        SPAN, 0.0, "How much CPU time a run may use; a job may have a `time_cpu` of its own. 0 is off."
    )
    memory_soft: int = alike(
        Limits,
        "memory_soft",
        "A cron worker that uses more private memory finishes its run and is replaced. 0 is off.",
    )
    memory_hard: int = alike(
        Limits,
        "memory_hard",
        "A cron worker that uses more private memory than this is ended at once, and its run has failed. 0 "
        "is off.",
    )
    request: int = alike(
        Limits,
        "request",
        "A cron worker that has done so many runs, give or take a tenth, is replaced. 0 is off.",
    )
    lifetime: float = alike(
        Limits,
        "lifetime",
        "A cron worker that has lived for so long finishes its run and is replaced. 0 is off.",
    )
    grace: float = alike(
        Limits,
        "grace",
        "How long a run may go on after that exception, before its worker is killed. 0 is off: there is no "
        "second stage.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """Jobs: functions of the application that are called by the clock, in workers of their own."""

    workers: int = setting(
        COUNT_OR_NONE,
        1,
        "Worker processes that run jobs, each one at a time. 0 is off: no job is run here.",
    )
    nice: int = setting(
        NICE,
        10,
        "How far jobs stand back behind requests when both want the CPU, from 0 (not at all) to 19 (see "
        "nice(1)).",
    )
    give_up: int = setting(
        COUNT,
        5,
        "A job that has failed so many times in a row is suspended until `corn job resume`. 0 is off.",
        more="After each failure it is held back for a while, twice as long as after the one before: from "
        "30 seconds to an hour.",
    )
    jobs: tuple[Job, ...] = setting(
        JOBS,
        (),
        "The jobs: each `[[cron.jobs]]` has a `name`, a function to `call`, and a `schedule` or `every`.",
        more="`schedule` is five fields as in crontab(5): minute, hour, day of the month, month, day of "
        "the week (where neither day begins with `*`, one of them is enough); or `@hourly`, `@daily` "
        "or `@midnight`, `@weekly`, `@monthly`, `@yearly` or `@annually`. It is told by the clocks of "
        "`timezone`, for example `Europe/Berlin`, without it by the machine's. When clocks are "
        "changed, a job whose hour begins with `*` goes by the time that passes; any other is run "
        "once, at the end of the hour that is left out and in the first of the two that are alike. "
        "`every` is a duration instead of a schedule, in step with 1970-01-01 00:00 UTC. `args` is a "
        "list of what the function is called with, or a table of its parameters. If the last run has "
        'not ended when the next is due, `overlap = "skip"` leaves it out, and `"queue"` runs it '
        "afterwards (one, not more). Of runs that were missed while the service was down, the last is "
        "made up for at the start, unless `catch_up = false`. `jitter` is a duration: each run begins "
        "up to so much later, always the same for the same run, but before the next. `enabled = "
        "false` turns a job off. `time_real` and `time_cpu` are limits of its own. While a run lasts, "
        "`CORN_JOB` and `CORN_RUN` in its environment are the names of both; what it prints is in the "
        "journal under them (`journalctl CORN_JOB=clear-sessions`). Of what a run changes in its process the "
        "current directory, the umask and the handlers of signals are put back after it; what is in memory, "
        "and the environment, stays. A function of the application may be declared in its code instead: "
        '`@corn_systemd.job("17 3 * * *")`, with the same keys as '
        "arguments (twice on one function: with a `name` each); a job of the file goes before one of the "
        "same name in the code. A Django project's management command is `call = "
        '"corn_systemd.contrib.django:command"` with `args = ["clearsessions"]`.',
        example='[{name = "clear-sessions", schedule = "17 3 * * *", call = "shop.jobs:clear_sessions"}]',
        flag=None,
    )
    poll: str = setting(
        FUNCTION,
        "",
        "A function of a framework that keeps its jobs in a database: it looks for them, runs what is due, "
        "and says when it wants to be called again.",
        more="It returns a number of seconds, None for when it is woken, or either of them with a file "
        "descriptor that wakes it (an int, or whatever has a fileno(), such as a connection that has said "
        "LISTEN): `return 60, connection`. It runs in one of the cron workers, as a job does, under the "
        "limits of `[cron.limits]`; when it fails, it is called again after a second, then two, and so on "
        "up to a minute.",
        example='"shop.jobs:poll"',
        flag=None,
    )
    lock: str = setting(
        DATABASE,
        "",
        "The PostgreSQL database by which several machines with the same instance share its jobs: each due "
        "run is done by one of them, once. A URL, or a connection string such as `host=db dbname=corn`.",
        more="It takes the package python3-psycopg, and the server itself, not a pooler such as PgBouncer. "
        "corn makes a table there, `corn_runs`, and says what to do where it may not. Machines belong "
        "together by the name of their instance; all of them must have the same jobs. While the database "
        "is away no run begins, those that last go on, and HTTP too. A run that somebody asks for by hand "
        "is done where it was asked for. The address may hold a password: then the file must not be "
        "readable for everybody (`chmod o= FILE`), or it goes into a file of its own that the address "
        "names (`passfile=/etc/corn/shop.pgpass`).",
        example='"postgresql://corn@db.example/corn"',
        flag=None,
    )
    retries: int = setting(
        COUNT,
        1,
        "How many times a run that machines share is begun again when the machine that runs it is lost; "
        "after that it has failed. 0: never.",
        more="The database tells that a machine is gone: at once where it has only ended, after 20 seconds "
        "where its network or its power has failed. It then has 15 seconds to come back, and goes on with "
        "its run if it does; else another begins the run, and the first one is ended there as soon as it "
        "can see that.",
    )
    limits: JobLimits = section(JobLimits)  # noqa: RUF009


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """What new code must have answered before a reload lets the first old worker go. A start asks nothing: it
    has nothing to go back to, and a check that fails because a database is not up yet would keep it down."""

    check: str = setting(
        REQUEST_PATH,
        "",
        "A path, `/health` for example, for which the first worker of a reload is asked by GET: if the "
        "status is 500 or more, or there is no answer, the reload has failed and nothing has changed. "
        "Without it, a worker that has started is believed.",
        more="The worker gets the request as it gets any other, but over a connection of the master's own, "
        "and takes in no client before it has passed. The answer is over when it ends its connection. Ask "
        "for something that needs what your requests need (the database, a template), and not for a page "
        "that redirects whoever asks: 301 is below 500.",
        example='"/health"',
    )
    check_timeout: float = setting(
        SPAN,
        10.0,
        "How long that answer may take; then the reload has failed. 0 is off: `start_timeout`, which goes "
        "on beside it, is the only limit.",
    )
    check_headers: tuple[str, ...] = setting(
        FIELD_LINES,
        (),
        "Header fields of that request. Without a `Host` it is the first of `http.hosts`, else `localhost`: "
        "name yours if the application refuses others.",
        more="Fields such as `X-Forwarded-Proto` are believed here, whatever `http.trusted_proxies` says.",
        example='["Host: shop.example", "X-Forwarded-Proto: https"]',
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One instance. `name` comes from the name of its file, it is not a key."""

    name: str
    app: str = required(
        TARGET,
        "The WSGI application: a module and the name of a callable in it. With `()` behind the name it is a "
        "factory, which is called once for the application. Without a name it is `application`.",
        more="The arguments of a factory may be literals: `shop:create_app(debug=True)`.",
        example='"shop.wsgi:application"',
    )
    python: str = setting(
        PATH,
        "",
        "The application's virtual environment, or a Python interpreter (3.10 or newer): the application "
        "lives in it, apart from corn's own packages. Without it the application gets the interpreter that "
        "runs corn.",
        more="corn need not be installed there, and nothing that corn depends on can be imported there.",
        example='"/srv/shop/.venv"',
    )
    chdir: str = setting(
        PATH,
        "",
        "The working directory of the application, from which its modules are imported first.",
        example='"/srv/shop"',
    )
    user: str = setting(
        USER,
        "",
        "The user (and its group) that the whole instance runs as; without it `corn`. Give each instance its "
        "own: processes of one user can read and kill each other.",
        more="It is systemd that changes the user, by a drop-in which `systemctl daemon-reload` makes from "
        "this key: corn never runs as root. The file must be readable for that user.",
        example='"shop"',
        needs_restart=True,
        flag=None,
    )
    listen: tuple[Address, ...] = setting(
        ADDRESSES,
        (),
        "Where to accept connections: `host:port` with an IP address, `:port` for every interface (IPv4 and "
        "IPv6), `localhost:port` for this machine alone (both as well), `/path` or `unix:/path` for a socket "
        "in the file system. Without it, wherever systemd listens for the instance: `/run/corn/NAME.sock`.",
        more="A socket in the file system may be written as a table with `path`, `mode` (octal, in quotes) "
        "and `group`; without them they are `0660` and `www-data`. As systemd opens the sockets (by a "
        "drop-in which `systemctl daemon-reload` makes from this key), ports below 1024 need no privilege. "
        "There is no name resolution. Behind a load balancer that speaks the PROXY protocol (version 1 or 2) "
        'a listener is written as `{address = "10.0.0.5:8080", proxy_protocol = true}` (or with `path`): '
        "each connection there must begin with its header. Nobody else should be able to connect to it: name "
        "the balancer in `http.trusted_proxies`.",
        example='["127.0.0.1:8080", {path = "/run/corn/shop.sock", mode = "0660", group = "www-data"}]',
        needs_restart=True,
    )
    preload: bool = setting(
        YES_NO,
        True,
        "Whether the application is imported once and the workers are forked from that process: they start "
        "within milliseconds and share memory. `false`: each worker imports it for itself, for applications "
        "that start threads or open connections when they are imported.",
    )
    refork_after: tuple[int, ...] = setting(
        COUNTS,
        (),
        "After how many requests a worker becomes the process that the others are forked from, so that they "
        "share what its requests have loaded: a first worker after the first number, one of those that were "
        "forked from it after the second, and so on. Without it, never.",
        more="That worker hands its clients to the others, and all the others are then replaced, a quarter "
        "of them at most at once, when they have finished their requests; jobs run in children of it, too. "
        "It is for applications that are not done when they are imported: that load modules and templates, "
        "or fill caches, at their first requests. A reload starts anew. Threads do not survive a fork, and a "
        "connection must not be shared: a worker that has either, or child processes, is replaced and not "
        "made the mold, which the journal tells; another is asked after ten minutes. Let the application "
        "close what it has open before a fork, as Django does with its databases by "
        "`os.register_at_fork(before=django.db.connections.close_all)`. Sockets for datagrams may stay, and "
        "files are not looked at: an open one shares its position, and one of SQLite must be closed. What a "
        "worker has drawn or noted down for itself alone, the state of a random generator (but for that of "
        "the module `random`) or its pid, its children would all have: renew it by "
        "`os.register_at_fork(after_in_child=...)`. Each of them runs at its end what had been registered "
        "with `atexit` by then. Where `preload = false` there is nothing to share.",
        example="[50, 200, 1000]",
    )
    start_timeout: float = setting(
        SPAN,
        60.0,
        "How long the application may take until its first worker is ready; then the start (or the reload) "
        "has failed.",
    )
    stop_timeout: float = setting(
        SPAN,
        60.0,
        "How long running requests may take to finish when the service stops or a worker is replaced; then "
        "they are ended.",
    )
    idle_exit: float = setting(
        SPAN,
        0.0,
        "After so long without a request, an open connection or a job, and if no job is due for as long from "
        "then, the instance ends, and takes neither memory nor a process; the next connection starts it "
        "again, or its next job, and nothing is lost. 0 is off.",
        more="systemd's socket unit holds the sockets meanwhile: `systemctl daemon-reload`, which makes a "
        "drop-in from this key, then `systemctl enable --now corn@shop.socket`; enable `corn@shop` "
        "instead, or too, to have it run from boot on. `systemctl stop corn@shop` then ends the instance "
        "until the next connection, as systemctl says; `systemctl stop corn@shop.socket corn@shop` stops "
        "it for good (all instances: `systemctl stop 'corn@*.socket' corn`). While it sleeps `systemctl "
        "reload` has nothing to reload and says so, where `try-reload-or-restart` is content: it starts "
        "with the code and the settings that are there then. If it can not start, each connection is a new "
        "attempt, and gets 503. When it goes to sleep a timer is made, `corn@shop.timer`, which starts it "
        "before its next job is due (`systemctl list-timers`): by 30 s, by `idle_exit` if that is less, "
        "but by no less than 4 s and twice what its start took. If the instance fails to start then, it is "
        "tried again every 5 minutes. That timer ends with `corn@shop.socket`, and is made again when it "
        "is opened, as at a boot; one with jobs in its file that was not asleep is started a few seconds "
        "later, and sleeps again. Where all jobs are declared in the code, enable `corn@shop`, not its "
        "socket alone. Who stops the service while it is awake, but not its socket, stops its jobs as "
        "well, until it is started, somebody connects or the socket is opened again. A job that is new in "
        "the file counts from the next start on. An instance with a job more often than every two "
        "`idle_exit` never sleeps (`corn check` says so). It stays awake while `cron.poll` is set, as "
        "nobody would wake it for that, while the clerk has trouble with the ledger or the database, while "
        "the settings in its file are in error, and where corn has had to bind a socket itself: the "
        "journal says so. Idle keep-alive connections count as open, and a health check as a request. In "
        "units of your own set CORN_WOKEN_BY (see corn(1)).",
        example='"10min"',
        needs_restart=True,
        flag=None,
    )
    environment: Mapping[str, str] = setting(
        TABLE,
        {},
        "Variables for the environment of the application. A reload exchanges them.",
        more="All of them are text in quotes. Drop-ins add to them, or replace single ones. What must stay "
        "secret is better kept out of a world-readable file.",
        example='DJANGO_SETTINGS_MODULE = "shop.settings"',
    )
    workers: Workers = section(Workers)  # noqa: RUF009
    http: Http = section(Http)  # noqa: RUF009
    limits: Limits = section(Limits)  # noqa: RUF009
    cron: Cron = section(Cron)  # noqa: RUF009
    reload: Reload = section(Reload)  # noqa: RUF009


def rows(of: type[Any] = Settings, above: tuple[str, ...] = ()) -> Iterator[Row]:
    """All declarations in their order, those of a section where the section stands."""
    for one in fields(of):
        path = (*above, one.name)
        if "section" in one.metadata:
            yield from rows(one.metadata["section"], path)
        elif "kind" in one.metadata:
            default = one.default if one.default is not MISSING else None
            if one.default_factory is not MISSING:
                default = one.default_factory()
            is_required = one.default is MISSING and one.default_factory is MISSING
            names = {key: one.metadata[key] for key in ("kind", "help", "more", "example", "needs_restart")}
            flag = one.metadata["flag"]
            if flag is not None:
                flag = "--" + (flag or "-".join(path).replace("_", "-"))
            yield Row(path=path, default=default, is_required=is_required, flag=flag or "", **names)


def sections(
    of: type[Any] = Settings, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], type[Any]]]:
    """The sections below `of`, each with its path."""
    for one in fields(of):
        if "section" in one.metadata:
            path = (*above, one.name)
            yield path, one.metadata["section"]
            yield from sections(one.metadata["section"], path)


def value_of(settings: object, row: Row) -> Any:
    """What a setting is set to."""
    for name in row.path:
        settings = getattr(settings, name)
    return settings


def limits_of(settings: Settings, job: Job | None = None) -> Limits:
    """What one run of a job, or of any job, may spend: its own limits, those of [cron.limits], and for what
    neither has those of [limits], but for paths."""
    of = settings.cron.limits
    limits = replace(settings.limits, path=(), **{one.name: getattr(of, one.name) for one in fields(of)})
    if job is not None and job.time_real is not None:
        limits = replace(limits, time_real=job.time_real)
    if job is not None and job.time_cpu is not None:
        limits = replace(limits, time_cpu=job.time_cpu)
    return limits


def as_message(settings: Settings) -> dict[str, Any]:
    """The settings as JSON can carry them over a lifeline; from_message() is the other side."""
    plain = _plain(settings)
    assert isinstance(plain, dict)
    return plain


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def from_message(message: Mapping[str, Any]) -> Settings:
    """The settings that as_message() was given. It trusts them: they were checked where they were read."""
    listen = tuple(Address(**address) for address in message["listen"])
    limits = message["limits"]
    path = tuple(PathLimits(**rule) for rule in limits["path"])
    cron = message["cron"]
    jobs = tuple(map(job_from_message, cron["jobs"]))
    changed = {"listen": listen, "limits": {**limits, "path": path}, "cron": {**cron, "jobs": jobs}}
    return build(Settings, {**message, **changed})


def job_from_message(message: Mapping[str, Any]) -> Job:
    """A job, of what asdict() has made of it and JSON has carried."""
    args = message["args"]
    return Job(**{**message, "args": tuple(args) if isinstance(args, list) else args})


def build(of: type[T], values: Mapping[str, Any]) -> T:
    """A section from the values of its settings, nested as the sections are; what is missing is default."""
    nested = {
        one.name: build(one.metadata["section"], values.get(one.name, {}))
        for one in fields(of)  # type: ignore[arg-type]
        if "section" in one.metadata
    }
    # JSON knows no tuples.
    plain = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return of(**{**plain, **nested})
