"""corn-systemd: a prefork WSGI application server that is a true systemd daemon.

A guided tour. Read the house from its floors up; a module imports from below only
(tests/unit/test_floors.py).

*Words*: `errors` (whose fault it is), `settings.kinds` and `settings.sections` (every setting, declared
once), `systemd.messages` (every journal message, a row each).

*Rules*, which are pure, bytes and instants in, values out: `http` (RFC 9112), `wsgi` (PEP 3333), `policy`
(what is desired + what is there → what to do), `limits.verdict`, `limits.retirement` and `limits.paths` (what
was spent, of what was allowed → what to do).

*Instruments*, one for each thing outside: `settings.load`, `systemd.activation`, `systemd.notify`,
`systemd.journal`, `scoreboard` and its `slot`s, `lifeline`, `relay`, `roster`, `listeners`, `signals`,
`limits.cgroup` and `limits.memory`.

*The application's side*, standard library only: `mold` is a fresh process of the application's own
interpreter; it imports the application once and forks workers. `worker` is what runs inside a fork.

*The master* (`master`) wants, looks, plans and acts. It never imports the application and never waits.

*The door* (`cli`): `corn serve`, `run`, `check`, `config`, `status`, `reload`.

A request: worker/http accepts it, http parses it, wsgi calls the application, the slot of the scoreboard
says what is going on. A request that lasts: master/watch sees it there and nudges the worker, whose
worker/handover gives all its other clients to the relay, and an idle worker takes them. A death:
master/spawn reaps, policy/plan sees the hole, the mold forks. A reload: a new generation is desired; its
mold must import the application and its first worker be ready before the first of the old ones is asked
to leave.
"""

from .deadlines import deadline, extend_deadline
from .errors import CpuTimeExceeded, LimitExceeded, RequestTimeout

__all__ = ["CpuTimeExceeded", "LimitExceeded", "RequestTimeout", "deadline", "extend_deadline"]
__version__ = "0.1.0"
