"""THE messages: whatever an operator may act on, a row each.

The journal's catalogue (journalctl -x) and the tests are made from this table. A row is a sentence with
its fields, an id by which journalctl finds it (MESSAGE_ID=), and an explanation that says what to do.
A field `name` is CORN_NAME in the journal. This module knows no journal.
"""

from dataclasses import dataclass

EMERG, ALERT, CRIT, ERR, WARNING, NOTICE, INFO, DEBUG = range(8)
"""Priorities, as in syslog(3)."""


@dataclass(frozen=True)
class Message:
    """One row. `text` is a format of `fields`; `explain` is for whoever reads the journal at night."""

    id: str
    priority: int
    text: str
    fields: tuple[str, ...]
    explain: str


INSTANCE_READY = Message(
    id="71e8d8648bd343f79b2575fee90c4481",
    priority=INFO,
    text="ready: {app} on {listen}, {milliseconds} ms after the start, http workers: {workers}",
    fields=("workers", "app", "listen", "milliseconds", "generation"),
    explain="The first worker of the instance has said that it is ready; systemd has been told (READY=1).",
)

INSTANCE_STOPPING = Message(
    id="3602e52fe6b84632a57e122a3ea54ea1",
    priority=INFO,
    text="stopping: {reason}",
    fields=("reason",),
    explain=(
        "The master accepts no new connections, lets the running requests finish, and kills what is left "
        "after stop_timeout. Connections that wait in the backlog stay with the socket unit."
    ),
)

INSTANCE_STOPPED = Message(
    id="10007b9feedd48009ed53c3715661233",
    priority=INFO,
    text="stopped after {requests} requests",
    fields=("requests",),
    explain="All workers have gone. Nothing of the instance is left running.",
)

INSTANCE_SLEEPS = Message(
    id="ac3ce6651c76434292a5d2f4c204bf4d",
    priority=INFO,
    text="idle: ends until {until}",
    fields=("listen", "until"),
    explain=(
        "For idle_exit there was no request and no connection was open, and no job is due for as long from "
        "then. Whoever comes now waits in the backlog of the socket unit, and is answered when systemd has "
        "started the instance for him; a little before its next job is due corn@INSTANCE.timer starts it "
        "(systemctl list-timers). To start it by hand: systemctl start corn@INSTANCE; to stop it for good: "
        "systemctl stop corn@INSTANCE.socket corn@INSTANCE."
    ),
)

INSTANCE_WOKEN = Message(
    id="a628168cd4bf440e80be57be4c74d0ab",
    priority=INFO,
    text="woken: {request} was answered {milliseconds} ms after the service was started",
    fields=("milliseconds", "request", "request_id", "wait_us"),
    explain=(
        "A connection was waiting when systemd started the instance, as a rule because it slept (idle_exit). "
        "The time is that from the start of the process to the end of the first answer: the interpreter, the "
        "import of the application, and the request itself. CORN_WAIT_US is how long that request has waited "
        "for its worker, which is known on TCP."
    ),
)

INSTANCE_STAYS_AWAKE = Message(
    id="d9ae72b921f0472d9a1306d320baa8bd",
    priority=WARNING,
    text="idle_exit has no effect for now: {cause}",
    fields=("cause",),
    explain=(
        "The instance would end when nobody uses it, but it would be missed. Where systemd does not hold its "
        "sockets, or would close them, run: systemctl daemon-reload && systemctl stop corn@INSTANCE.socket "
        "corn@INSTANCE && systemctl start corn@INSTANCE. For cron.poll nobody would start it: give jobs an "
        "instance of their own, without idle_exit, and set cron.workers = 0 here. Where its file is in "
        "error, mend it (corn check INSTANCE)."
    ),
)

INSTANCE_REFUSED = Message(
    id="fe18dcbbda584b938fa0a151da536649",
    priority=ERR,
    text="can not start: {cause}",
    fields=("cause",),
    explain=(
        "The instance ended with exit status 78 before it served anything: its settings are wrong or its "
        "application can not be imported. The entry holds all errors, or the traceback. Mend the cause, "
        "then: systemctl start corn@INSTANCE. Until then its socket does not listen, so that waiting "
        "clients do not start it over and over; with idle_exit it does, and each client is a new attempt, "
        "which gets 503."
    ),
)

GENERATION_REFUSED = Message(
    id="8a698c081ec24e6dbfbf25239e3920b8",
    priority=ERR,
    text="reload failed, generation {serving} goes on serving: {cause}",
    fields=("cause", "generation", "serving"),
    explain=(
        "The new settings or the new code could not be brought up. Nothing has changed for clients: the "
        "workers of the old generation serve on. Mend the cause and reload again."
    ),
)

GENERATION_RELOADED = Message(
    id="91773e3c15a64309961ac2920ba101b6",
    priority=INFO,
    text="reloaded: generation {generation} serves, {milliseconds} ms after it was asked for",
    fields=("generation", "milliseconds"),
    explain="All workers of the old generation have been replaced.",
)

LISTEN_NEEDS_RESTART = Message(
    id="d421d4a224d44aaaa63372947e018d2d",
    priority=WARNING,
    text="the new settings listen elsewhere ({wanted}, now {actual}): that needs a restart",
    fields=("wanted", "actual"),
    explain=(
        "A reload exchanges code and settings, and keeps the listening sockets. Run: systemctl "
        "daemon-reload && systemctl stop corn@INSTANCE.socket corn@INSTANCE && systemctl start "
        "corn@INSTANCE."
    ),
)

MOLD_DIED = Message(
    id="89129a9852374f51a0e74584fb33ebfa",
    priority=ERR,
    text="the mold of generation {generation} (pid {pid}) ended: {cause}",
    fields=("generation", "pid", "cause"),
    explain=(
        "The process that imports the application and forks the workers has ended. The workers go on; "
        "another mold of the same generation is started."
    ),
)

MOLD_UNFIT = Message(
    id="cc730d1191634525b78196f7630994ce",
    priority=WARNING,
    text="does not survive a fork: {what}",
    fields=("what",),
    explain=(
        "When the application was imported it started threads or opened sockets. They do not work, or are "
        "shared by accident, in the workers that are forked from it. Open them at the first request, or "
        "set preload = false."
    ),
)

MOLD_RENEWED = Message(
    id="ff9b469f94f64cd5b3b78fb59294356f",
    priority=INFO,
    text="http worker {slot} (pid {pid}) has become the mold of generation {generation} after {requests} "
    "requests",
    fields=("slot", "pid", "generation", "requests"),
    explain=(
        "By refork_after a worker that has served so many requests takes the place of the process that the "
        "workers are forked from. The workers are now replaced, a quarter of them at most at once, and share "
        "what it has loaded."
    ),
)

REFORK_REFUSED = Message(
    id="3ee0e2bd216d4b84961709f85c1c2a8d",
    priority=WARNING,
    text="the {role} process (pid {pid}) of generation {generation} can not make way for a warmer mold: "
    "{cause}",
    fields=("role", "pid", "generation", "cause"),
    explain=(
        "A worker that becomes the mold (refork_after) must have no threads, no connections and no "
        "processes of its own: they would not survive a fork, or all workers would talk over one "
        "connection. Let the application end and close them before a fork, by "
        "os.register_at_fork(before=...) (see corn.toml(5)), or set refork_after = []. Another worker is "
        "asked after ten minutes."
    ),
)

WORKER_DIED = Message(
    id="c68a683d0efe4d9cab3f465143257829",
    priority=WARNING,
    text="{role} worker {slot} (pid {pid}) ended by itself: {cause}",
    fields=("role", "slot", "pid", "cause", "generation", "request"),
    explain=(
        "Nobody asked this worker to leave. The cause is the signal or the exit status that the kernel "
        "reported; CORN_REQUEST is what it was serving, if it was. Another takes its place."
    ),
)

WORKER_KILLED = Message(
    id="66811d78fd7a478a81de6c4af8ca57a0",
    priority=WARNING,
    text="{role} worker {slot} (pid {pid}) killed: {cause}",
    fields=("role", "slot", "pid", "cause", "generation", "request"),
    explain="corn itself ended this worker, for the cause that the entry names.",
)

WORKER_STUCK = Message(
    id="215c5d3b3da3440da253e7fce11c97f5",
    priority=ERR,
    text="http worker {slot} (pid {pid}) has heeded nothing for {seconds} s, and was ended: {cause}",
    fields=("slot", "pid", "generation", "seconds", "cause"),
    explain=(
        "While anybody has clients each worker is asked every few seconds whether it is there. "
        "This one was in no request, to which limits.time_real applies, and did not answer: it was stopped "
        "by a signal or a debugger, or code in C has kept the interpreter's lock in another thread (then the "
        "entry holds the stacks of all threads). Its clients were given to the others, and another worker "
        "takes its place."
    ),
)

WORKERS_DIE_YOUNG = Message(
    id="8c73e7933bbc49d0a586317fdbb8ee7c",
    priority=ERR,
    text=(
        "{count} processes of generation {generation} ended within moments of their start, the last by "
        "{cause}; next try in {delay} s"
    ),
    fields=("count", "generation", "cause", "delay"),
    explain=(
        "Processes that end as soon as they are started are started again more and more slowly, up to every "
        "30 s, and for as long as it takes; the status line of the unit says so meanwhile. The first few are "
        "told of one by one, then each try by one entry like this. A reload with mended code tries at once."
    ),
)

FORK_FAILED = Message(
    id="612d6c98ae4f405481fd94d47c06b8f3",
    priority=ERR,
    text="can not start a {what}: {cause}",
    fields=("what", "cause", "generation"),
    explain=(
        "The system has refused a new process: too many tasks (TasksMax=), no memory, or no file "
        "descriptors. It is tried again."
    ),
)

LISTENER_BOUND = Message(
    id="1160ae2605e6487fab7a34d00d666c74",
    priority=WARNING,
    text="systemd passed no socket for {address}: bound it here; for systemd to hold it run: {cure}",
    fields=("address", "cure"),
    explain=(
        "The instance's file names an address that its socket unit does not have, as a new file does "
        "before systemctl daemon-reload. The instance serves there all the same."
    ),
)

LISTENER_SURPLUS = Message(
    id="3b0037d5cc2f486c87ec2034f270bab9",
    priority=WARNING,
    text="systemd passed a socket for {address}, which `listen` does not name: not served; run: {cure}",
    fields=("address", "cure"),
    explain="The socket unit holds an address that the instance's file does not name (any more).",
)

SETTINGS_WARNING = Message(
    id="87f981bb5e18468688d51f6020377d49",
    priority=WARNING,
    text="{warning}",
    fields=("warning",),
    explain="The settings are usable, but not quite what was probably meant.",
)

JOURNAL_DROPPED = Message(
    id="5bd91977919d42099f804e3d207b407f",
    priority=WARNING,
    text="{count} entries were dropped because nobody took them at once",
    fields=("count",),
    explain="A stalled journal never stalls corn: what it does not take at once is counted and dropped.",
)

NOTIFY_LOST = Message(
    id="0361f82375ef48298e0b0011074bc6af",
    priority=WARNING,
    text="the service manager can not be reached: {cause}",
    fields=("cause",),
    explain="A message for NOTIFY_SOCKET could not be sent. Said once, until one gets through again.",
)

# The HTTP worker's.

APP_ERROR = Message(
    id="643c56c397c24250953b2b9f56ca65e9",
    priority=ERR,
    text="the application failed in {request}: {error}",
    fields=("request", "error", "head_left", "request_id", "wait_us"),
    explain=(
        "The application raised an exception; the entry holds its traceback. The client got the page for "
        "status 500, or, where CORN_HEAD_LEFT is yes, an answer that ends in its middle. The worker goes on."
    ),
)

APP_MISCOUNTED = Message(
    id="f9cfb69200694f0d8c722ee547bea563",
    priority=WARNING,
    text="the application answered {request} with {what}",
    fields=("request", "what", "request_id", "wait_us"),
    explain=(
        "The body of an answer did not fit its head. What was too much was not sent; where bytes were "
        "missing the connection was closed, so that no other answer could be taken for the rest."
    ),
)

SPOOL_FAILED = Message(
    id="13aed39fc99645839e1480d1d2a722fd",
    priority=ERR,
    text="no room for a temporary file in {directory}: {cause}",
    fields=("directory", "cause"),
    explain=(
        "Request bodies longer than http.body_memory and answers that clients take slowly wait in temporary "
        "files. One could not be written; its client got status 503 or a closed connection. Make room in "
        "CORN_DIRECTORY (df tells how much there is), or lower http.body_max. Where the cause is "
        "http.spool_max, the files of all workers together have reached it: raise it if there is room."
    ),
)

ACCEPT_FAILED = Message(
    id="6c235b7925d34d4a96fdbf9f039a33c0",
    priority=ERR,
    text="can not accept connections: {cause}",
    fields=("cause",),
    explain=(
        "The system has no file descriptor or no memory for another connection (LimitNOFILE= of the unit). "
        "New connections wait in the backlog; it is tried again every second. A worker tells of it once, and "
        "again after a minute without it."
    ),
)

HANDOVER_FAILED = Message(
    id="608b129b1d2643b7bd72ab4bebd8eb05",
    priority=ERR,
    text="a connection that another worker had given away is lost: {cause}",
    fields=("cause",),
    explain=(
        "What came over the relay, the queue by which workers hand connections to each other, could not be "
        "understood. The client sees a closed connection. If it happens again, something else writes into "
        "corn's descriptors: look for code that closes or duplicates descriptors by number."
    ),
)

CONNECTIONS_LOST = Message(
    id="662ceb36e1964cfe9a512cf817458c53",
    priority=WARNING,
    text="{role} worker {slot} (pid {pid}) took {count} connections with it, {held} of them in the middle of "
    "a request or an answer",
    fields=("role", "slot", "pid", "count", "held"),
    explain=(
        "The worker ended before its other clients could be handed to the others: it had lived on for less "
        "than 50 ms with the request that ended it, or that request kept the interpreter's lock (a call into "
        "C code) or had to end at once (limits.memory_hard), so that the worker could not give away what it "
        "held itself. Clients may ask again."
    ),
)

RESCUE_REFUSED = Message(
    id="ee45178fe3184a88aafadc92fefa8464",
    priority=WARNING,
    text="the clients of a stuck worker can not be handed to the others: {cause}",
    fields=("cause",),
    explain=(
        "While a worker is in C code that keeps the interpreter's lock, the master takes its other "
        "connections by pidfd_getfd(2), which the system refuses: a seccomp filter (SystemCallFilter= of a "
        "drop-in, a container's profile), or kernel.yama.ptrace_scope of 2 or 3. Those clients wait for the "
        "end of that request. Said once."
    ),
)

REQUEST_INTERRUPTED = Message(
    id="e429ccb7b6dd44d6ab83955500f98aa4",
    priority=WARNING,
    text="{request} was interrupted in http worker {slot}: {spent} s of limits.{limit} = {allowed} s",
    fields=(
        "request",
        "limit",
        "allowed",
        "spent",
        "slot",
        "pid",
        "head_left",
        "answer",
        "request_id",
        "wait_us",
    ),
    explain=(
        "The request had spent more than it may, so an exception was raised in the application; the "
        "traceback shows where. CORN_ANSWER is what the client got: 504, or a closed connection when the "
        "head of the answer had left (CORN_HEAD_LEFT). The worker is replaced. Where requests may take "
        "longer, raise the limit."
    ),
)

REQUEST_TAKEN_OVER = Message(
    id="5f78ff82ee22414aa14990bd1d5aa04d",
    priority=ERR,
    text="{request} was ended with http worker {slot} (pid {pid}): {spent} of limits.{limit} = {allowed}; "
    "the client got {answer}",
    fields=(
        "request",
        "limit",
        "allowed",
        "spent",
        "slot",
        "pid",
        "generation",
        "answer",
        "request_id",
    ),
    explain=(
        "Either the exception that was raised in the application has not ended the request within "
        "limits.grace (it was swallowed, or the code is in a call that does not return to Python), or its "
        "worker used more memory than limits.memory_hard. The entry holds the stacks of all its threads at"
        " that moment. The master has answered the client and killed the worker with all it had started; "
        "another takes its place."
    ),
)

REQUEST_LOST = Message(
    id="d6828ee93aa44bca9e70e29015a62f85",
    priority=ERR,
    text="{request} ended with http worker {slot} (pid {pid}): {cause}; the client got {answer}",
    fields=("request", "slot", "pid", "cause", "generation", "answer", "request_id"),
    explain=(
        "The worker ended while it served this request, and the master answered in its place. Whose fault "
        "it is the cause tells: a signal from outside, a crash of code in C (the entry then holds the last"
        " stacks if they could be written), or an exit by the application. A request younger than 50 ms "
        "can not be answered: its connection was closed."
    ),
)

WORKER_RETIRES = Message(
    id="bf813053a43a4cd8a2b56e1eac7398fd",
    priority=INFO,
    text="http worker {slot} (pid {pid}) is replaced: {cause}",
    fields=("slot", "pid", "generation", "cause"),
    explain=(
        "The worker has reached a limit for workers. It leaves when its successor is ready and it has "
        "finished its request; its clients go on with the others."
    ),
)

WORKERS_SCALED = Message(
    id="3bb63a23b7134a60832b609774e83f93",
    priority=INFO,
    text="http workers scaled from {before} to {workers}: {cause}",
    fields=("workers", "before", "cause"),
    explain=(
        "The number of workers has changed, by what there is to do (workers.min, workers.max, workers.idle), "
        "or because somebody has asked for it (corn scale, SIGTTIN, SIGTTOU). Who leaves finishes its "
        "request and hands its clients to the others."
    ),
)

SCALING_REFUSED = Message(
    id="9733227eb2144a939da1a24728551513",
    priority=WARNING,
    text="all http workers ({workers}) are busy and requests wait, but memory allows no more: {cause}",
    fields=("workers", "cause"),
    explain=(
        "workers.max allows another worker, but memory does not. It is tried again, and this is said once "
        "until there is one more worker or one fewer. More memory helps (systemctl set-property "
        "corn@INSTANCE MemoryMax=), or smaller workers (limits.memory_soft replaces those that have grown)."
    ),
)

GROUPS_REFUSED = Message(
    id="ebe8f14cdba141c2947d53c5f8a59a4a",
    priority=WARNING,
    text="workers have no control groups of their own: {path}: {cause}",
    fields=("path", "cause"),
    explain=(
        "systemd has delegated a control group to this service (Delegate=), but the kernel refuses to "
        "divide it. The service works: the master measures the memory of its workers itself. But the CPU "
        "time of their subprocesses does not count for limits.time_cpu. ProtectControlGroups= in a drop-in"
        " is the usual cause."
    ),
)

REQUEST_SERVED = Message(
    id="71c8dfa2d9ed45ef8e53182a137a054e",
    priority=INFO,
    text="{request}: {status} after {real} s ({cpu} s of CPU, {growth} MiB, {sent} bytes) for {remote}",
    fields=(
        "request",
        "request_id",
        "remote",
        "status",
        "real",
        "cpu",
        "growth",
        "sent",
        "real_us",
        "cpu_us",
        "wait_us",
        "memory_growth",
        "slot",
    ),
    explain=(
        "A request has taken longer than http.log_slow. The times are those of the application, without "
        "waiting (CORN_WAIT_US) and without sending the answer; the bytes are those of its body."
    ),
)

REQUESTS_STALE = Message(
    id="e4671d4f1bd843c680f98a3727efd7d9",
    priority=WARNING,
    text="{count} requests waited longer than http.max_wait and were answered with 503",
    fields=("count", "request", "request_id", "wait_us"),
    explain=(
        "All workers were busy for so long that nobody may wait for these requests any more. More workers "
        "(workers.count) help where the application waits, faster code or more CPUs where it computes. "
        "CORN_REQUEST is the last of them and CORN_WAIT_US how long it waited. Said at most every 10 s."
    ),
)

JOB_STARTED = Message(
    id="00a95e0524b34387a091589e0a49ddde",
    priority=INFO,
    text="job {job}: started",
    fields=("job", "run", "slot"),
    explain=(
        "A run of a job has begun. CORN_RUN is its name, the job's with the instant at which it was due; all "
        "that it prints is in the journal under CORN_JOB and CORN_RUN."
    ),
)

JOB_FINISHED = Message(
    id="b4de4818f6ff4ca798e21e725ca4df22",
    priority=INFO,
    text="job {job}: finished after {real} s, {cpu} s of CPU time, {growth} MiB of memory",
    fields=("job", "run", "real", "cpu", "growth", "slot"),
    explain="A run of a job has come to its end. `corn jobs INSTANCE` shows the last run of each job.",
)

JOB_FAILED = Message(
    id="9b6a3bbd3be3424ca30fcad2d2693a90",
    priority=ERR,
    text="job {job}: failed after {real} s: {error}",
    fields=("job", "run", "real", "cpu", "growth", "error", "limit", "slot"),
    explain=(
        "The function of the job has raised, with the traceback that follows. CORN_LIMIT names the limit, if "
        "it was interrupted for that. It is not run again for the same instant; when the next is due it is, "
        "unless it has failed as often as cron.give_up allows."
    ),
)

JOB_BROKEN = Message(
    id="3aea5c9d4cd34105bec8a1c02b36e003",
    priority=WARNING,
    text="job {job}: it can not be called: {cause}",
    fields=("job", "cause"),
    explain=(
        "The application has been imported, and what the job is to call is not there, or can not be "
        "imported. Each run will fail until `call` or the application is mended and the instance reloaded."
    ),
)

JOB_KILLED = Message(
    id="4351aa36eb0e4cff901e13c0c14d2558",
    priority=ERR,
    text="job {job}: killed after {real} s: {cause}",
    fields=("job", "run", "real", "cause", "limit", "slot", "pid"),
    explain=(
        "The run of a job has ended with its worker: it was over a limit and did not come back when it was "
        "interrupted, or its process crashed, or was killed. Python stacks follow where they could be had. "
        "It is not run again for the same instant."
    ),
)

JOB_SKIPPED = Message(
    id="75266b3018ad4239a56e98089a597933",
    priority=NOTICE,
    text="job {job}: not run at {due}: {cause}",
    fields=("job", "due", "cause"),
    explain=(
        'A run was due that will not be. With overlap = "queue" one run waits for the end of the last; a '
        "job that takes longer than the time between its runs wants a longer one."
    ),
)

JOB_MISSED = Message(
    id="2f997e0cbde646c5b5ed62417991d5ce",
    priority=WARNING,
    text="job {job}: missed from {due} to {until}",
    fields=("job", "due", "until"),
    explain=(
        "The service was down, or its machine asleep, when these runs were due. With catch_up = true the "
        "last of what was missed is made up for by one run, and that one is not told of here."
    ),
)

JOB_HELD_BACK = Message(
    id="cb74a039cb9a4c83b8db1d7d27dc8279",
    priority=WARNING,
    text="job {job}: held back until {until}, it has failed {failures} times in a row",
    fields=("job", "failures", "until"),
    explain="Runs that are due before are left out, so that a job that fails does nothing else all the time.",
)

JOB_SUSPENDED = Message(
    id="f4ac8ea57b634dd3a66fc9ff337e9a62",
    priority=ERR,
    text="job {job}: suspended, it has failed {failures} times in a row; corn job resume brings it back",
    fields=("job", "failures"),
    explain=(
        "The job has failed as often as cron.give_up allows. It is not run any more until somebody says "
        "`corn job resume INSTANCE JOB`; `journalctl CORN_JOB=JOB` tells what it failed of."
    ),
)

JOB_ELSEWHERE = Message(
    id="8138d9b3481f4bda82488eb91a5e75d8",
    priority=INFO,
    text="job {job}: the run of {due} is {owner}'s",
    fields=("job", "due", "owner"),
    explain="Another machine runs it, or has done so: the machines share cron.lock.",
)

JOBS_STOPPED = Message(
    id="0a777ea036894af585a1152563f41929",
    priority=ERR,
    text="jobs can not begin: {cause}",
    fields=("about", "cause"),
    explain=(
        "A run begins only when its claim is on the disk (in the ledger, in the state directory) and, with "
        "cron.lock, in the database. It is tried again until it can be; due runs wait. HTTP goes on."
    ),
)

JOBS_GO_ON = Message(
    id="2c5897c03cae47cca1eac546af6dc881",
    priority=NOTICE,
    text="jobs go on: the {about} is at hand again",
    fields=("about",),
    explain="What had kept jobs from beginning is over.",
)

LEDGER_TORN = Message(
    id="b61df61b0c924b51af19b1722fa599eb",
    priority=WARNING,
    text="{count} lines of {path} are torn and do not count",
    fields=("count", "path"),
    explain=(
        "The machine, or its disk, has stopped while corn wrote what is known of a job. Each line has a "
        "checksum, and what a run was claimed by was on the disk before it began: the last whole line of "
        "each job counts."
    ),
)

LEDGER_UNREADABLE = Message(
    id="ab8f0e5dcb4742d3948f7c9508f20150",
    priority=ERR,
    text="nothing is known of earlier runs: {cause}",
    fields=("cause",),
    explain="Jobs are due from now on; whatever was missed before is not made up for.",
)

JOB_DISBELIEVED = Message(
    id="29b415ba76234e1aa1aecc0060a698d1",
    priority=WARNING,
    text="job {job}: its last run was at {until}, which is to come; it is due from now on",
    fields=("job", "until"),
    explain="The clock was wrong when it was written, and has been put back since by more than a day.",
)

CLERK_DIED = Message(
    id="24d31382eb4b47a4afd4300e03fc51dd",
    priority=WARNING,
    text="the clerk (pid {pid}) died: {cause}",
    fields=("pid", "cause"),
    explain=(
        "The process that writes the ledger of jobs and holds their locks has ended. Another is started; "
        "runs whose lock in a database went with it are ended when another machine has taken them over."
    ),
)
