"""corn-systemd: a prefork WSGI application server that is a true systemd daemon.

A guided tour. Read the house from its floors up; a module imports from below only
(tests/unit/test_floors.py).

*Words*: `errors` (whose fault it is), `settings.kinds` and `settings.sections` (every setting, declared
once), `systemd.messages` (every journal message, a row each).

*Rules*, which are pure, bytes and instants in, values out: `http` (RFC 9112), `wsgi` (PEP 3333), `policy`
(what is desired + what is there → what to do), `cron` (when a job is due, and what is to be run now),
`limits.verdict`, `limits.retirement` and `limits.paths` (what was spent, of what was allowed → what to do).

*Instruments*, one for each thing outside: `settings.load`, `systemd.activation`, `systemd.notify`,
`systemd.journal`, `scoreboard` and its `slot`s, `lifeline`, `relay`, `roster`, `listeners`, `signals`,
`limits.cgroup`, `limits.memory`, `limits.allotment` and `cron.ledger`.

*The application's side*, standard library only: `mold` is a fresh process of the application's own
interpreter; it imports the application once and forks workers. `worker` is what runs inside a fork.

*The master* (`master`) wants, looks, plans and acts. It never imports the application and never waits. What
may block is the *clerk*'s (`clerk`), a process beside it: the ledger of jobs, and the lock that machines
share.

*The door* (`cli`): `corn serve`, `run`, `check`, `config`, `status`, `jobs`, `job`, `reload`, `scale`.

A request: worker/http accepts it, http parses it, wsgi calls the application, the slot of the scoreboard says
what is going on. A request that lasts: master/watch sees it there and nudges the worker, whose
worker/handover gives all its other clients to the relay, and an idle worker takes them. A worker that stands
still outside of a request: master/stalls asks it, and ends it. A job: cron/agenda says that it is due,
master/jobs has the clerk claim it, and master/dispatch hands it to an idle worker/cron, in whose slot it is
what a request is. A death: master/spawn reaps, policy/plan sees the hole, the mold forks. A reload: a new
generation is desired; its mold must import the application and its first worker be ready and, with
reload.check, have answered what master/checks asks, before the first of the old ones is asked to leave. A
worker that becomes the mold: policy/refork chooses it, it leaves its clients to the others, worker/base lays
down what is a worker's, mold/fitness looks at what is left, and master/reforks has the others replaced. A
crowd: master/demand reads that all are busy while requests wait, policy/scaling says one more, and the plan
does the rest. Nobody comes: master/slumber sees it, all but the mold leave, and if nobody has come meanwhile
the master ends (idle_exit); systemd holds the sockets, and a timer for the next job (units/corn-wake).
"""

from .deadlines import deadline, extend_deadline
from .declarations import job
from .errors import CpuTimeExceeded, LimitExceeded, RequestTimeout

__all__ = ["CpuTimeExceeded", "LimitExceeded", "RequestTimeout", "deadline", "extend_deadline", "job"]
__version__ = "0.1.0"
