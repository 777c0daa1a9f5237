"""THE verbs: what the command line offers, a row each.

corn --help, corn(1) and the completion of the shell are made from this table; the deeds are in cli.
"""

from typing import NamedTuple


class Verb(NamedTuple):
    """`arguments` is as a synopsis shows it, `help` one line, `text` paragraphs for the manual. One of the
    `deeds` follows the verb, where it has any."""

    name: str
    arguments: str
    help: str
    text: tuple[str, ...]
    takes_instance: bool = True
    takes_settings: bool = False
    options: tuple[tuple[str, str], ...] = ()
    deeds: tuple[tuple[str, str], ...] = ()


VERBS = (
    Verb(
        "serve",
        "NAME|FILE",
        "run an instance from its file, as corn@.service does",
        (
            "Serves the instance that the file describes, in the foreground, until a signal ends it. This is "
            "what the unit `corn@NAME.service` runs. It takes the listening sockets that systemd passes, and "
            "opens itself what is missing of `listen`.",
            "If the settings are wrong or the application cannot be imported, it says why, all errors at "
            "once, and ends with status 78. Flags go over what the file says.",
        ),
        takes_settings=True,
    ),
    Verb(
        "run",
        "MODULE:CALLABLE",
        "run an application without any file",
        (
            "Serves a WSGI application from the current directory, without any file, until Ctrl-C. Without "
            "`--listen` it listens on `127.0.0.1:8000`. The settings of corn.toml(5) are flags, see below.",
        ),
        takes_instance=False,
        takes_settings=True,
        options=(("--name", "the name of the instance, for `corn status`; without it the module's"),),
    ),
    Verb(
        "check",
        "[NAME|FILE...]",
        "read instances' files and name every error in them",
        (
            "Reads the files of the given instances (of all of them if none is given) and says for each "
            "what it would do; or all errors at once, each with file and line, and status 78. Besides the "
            "values it looks for what they name: the interpreter, the directory, the user, the groups of "
            "sockets, and for instances that want the same address. It starts nothing.",
            "Of each job in the file it says when it is due next, three times, by the clocks of its time "
            "zone. Jobs that the application declares are not among them: `corn jobs` shows those.",
        ),
    ),
    Verb(
        "config",
        "NAME|FILE",
        "print the effective settings of an instance and where each comes from",
        (
            "Prints all settings of an instance as TOML, each with its origin as a comment: the line of a "
            "file, a drop-in, or the default. Values of `[environment]` are among them: mind who looks.",
        ),
        options=(("--json", "the same as JSON, durations in seconds and sizes in bytes"),),
    ),
    Verb(
        "status",
        "NAME|FILE",
        "print what an instance is doing",
        (
            "Asks a running instance what it is doing: its workers, what they serve and since when, requests "
            "served, the generation, and how the last reload went.",
        ),
        options=(("--json", "the same as JSON"),),
    ),
    Verb(
        "jobs",
        "NAME|FILE",
        "print the jobs of an instance, when they run next and how they ran last",
        (
            "Asks a running instance for its jobs, those of its file and those that the application declares "
            "(origin: code): when each runs next, whether it runs now, is paused, or is suspended as it has "
            "failed too often, how it ran last, and what that took. Its memory is what the worker has grown "
            "by, or given back; of a run that was killed neither that nor its CPU time is known. Times are "
            "of the machine's time zone. What keeps all jobs from beginning is told first.",
            "All that a job has printed and all that became of it is in the journal: `journalctl "
            "CORN_JOB=clear-sessions`.",
        ),
        options=(("--json", "everything that is known as JSON, instants in seconds since 1970"),),
    ),
    Verb(
        "job",
        "run|pause|resume NAME|FILE JOB",
        "run a job by hand, pause it, or take it up again",
        (
            "Does something about one job of a running instance. `run` is for every job, also for one that "
            "is disabled, paused or suspended, but not while it runs: then the status is 1. A pause outlasts "
            "reloads and restarts.",
            "With `--wait` what the job prints comes to standard output line by line, how it ended to "
            "standard error, and the status is the job's: 0 if it is done, `n` after `SystemExit(n)`, 1 if "
            "it has failed otherwise or was killed; 75 if the instance is stopping or has gone. Ctrl-C ends "
            "the waiting, not the job. Whoever is stopped for more than a second (Ctrl-Z) gets no more "
            "lines; the journal has them.",
        ),
        options=(("--wait", "with `run`: wait for its end"),),
        deeds=(
            ("run", "have a job run now"),
            ("pause", "leave a job out until it is resumed; a run that lasts goes on"),
            ("resume", "take up a job again that was paused, or suspended after failures"),
        ),
    ),
    Verb(
        "reload",
        "NAME|FILE",
        "bring up new code and settings, and wait for the outcome",
        (
            "Has a running instance read its settings and its application anew, and waits. New workers must "
            "be ready before the old ones go; if the new code or settings do not boot, nothing changes, "
            "the cause is printed, and the status is 1. `systemctl reload corn@NAME` does this. "
            "Interrupting it does not cancel the reload. A change of `listen` or `user` takes a restart.",
        ),
        options=(("--wait", "wait for the outcome; it always does, the option says so aloud"),),
    ),
    Verb(
        "scale",
        "NAME|FILE N|auto",
        "have another number of workers until the next reload",
        (
            "Has a running instance start workers, or ask some to leave, until there are N. Who leaves "
            "finishes its request, and its clients are served by the others. N may lie outside `workers.min` "
            "and `workers.max`, and neither load nor memory changes it. A reload that succeeds goes back to "
            "the settings; so does `auto`.",
        ),
    ),
)

EXIT_STATUSES = (
    (0, "All went well."),
    (1, "It failed; the cause is on standard error."),
    (2, "The command line is wrong."),
    (75, "The system refuses for now (no memory, no file descriptors): trying again later may help."),
    (
        78,
        "The settings or the application are at fault: restarting cannot help, and the unit does not try. "
        "All errors are on standard error and in the journal.",
    ),
)

SIGNALS = (
    (
        "SIGTERM, SIGINT",
        "Stop: no connection is accepted any more, running requests finish, what is left after "
        "`stop_timeout` is killed.",
    ),
    ("SIGHUP", "Reload, as `corn reload` does, but nobody is told the outcome except the journal."),
    (
        "SIGTTIN, SIGTTOU",
        "One worker more, or one fewer, as `corn scale` would have it. `corn run` ignores them: a terminal "
        "sends them as well.",
    ),
)

ENVIRONMENT = (
    (
        "LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES",
        "Listening sockets that systemd passes; see sd_listen_fds(3). Sockets are matched with `listen` by "
        "their address.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Where state goes, and how often the watchdog wants to be fed; see sd_notify(3).",
    ),
    (
        "CORN_WOKEN_BY",
        "The units that start the service again when it has ended, separated by blanks: without "
        "it `idle_exit` has no effect. The socket unit must stay then. With a timer among them jobs are no "
        "obstacle: to sleep, the master writes to the file `wake` in STATE_DIRECTORY in which second since "
        "1970 it wants to be started for the next one, and ends with status 0; somebody must heed that, as "
        "`corn-wake@NAME.service` does for `corn@NAME.service`. It removes the file when it serves again, or "
        "is stopped. corn-generator sets it.",
    ),
    (
        "RUNTIME_DIRECTORY",
        "Where the control socket lies (set by the unit). Without it, `$XDG_RUNTIME_DIR/corn/NAME/`, else a "
        "private directory in /tmp.",
    ),
    (
        "CACHE_DIRECTORY",
        "Where long bodies of requests wait (set by the unit). Without it, `/var/tmp`.",
    ),
    (
        "STATE_DIRECTORY",
        "Where the ledger of jobs lies (set by the unit). Without it, `$XDG_STATE_HOME/corn/NAME/`, else "
        "`~/.local/state/corn/NAME/`.",
    ),
    (
        "JOURNAL_STREAM",
        "Tells whether standard error is the journal: then entries carry fields and a MESSAGE_ID, else they "
        "are plain lines.",
    ),
)

FILES = (
    ("/etc/corn/NAME.toml", "Describes the instance NAME; see corn.toml(5)."),
    ("/etc/corn/NAME.toml.d/*.toml", "Drop-ins, read after it in the order of their names."),
    ("/run/corn/NAME.sock", "Where an instance listens that has no `listen`."),
    (
        "/run/corn/NAME/control",
        "The control socket: HTTP over a unix socket, for whoever may write to it. For example `curl "
        "--unix-socket /run/corn/NAME/control http://corn/status`.",
    ),
    (
        "/var/lib/corn/NAME/ledger",
        "What is known of each job: the run that lasts, the last one, how many there were. A line for each "
        "change, with a checksum; on the disk before a run begins.",
    ),
    ("/usr/share/doc/corn-systemd/examples/example.toml", "All settings with their defaults, commented."),
)
