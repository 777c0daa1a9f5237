"""What was probably meant: the words for a key or a section that does not exist.

Pure; imported by load, and needed when there is an error alone.
"""

from typing import Any

from .sections import Row, rows, sections

# What the same thing is called elsewhere: gunicorn, uWSGI, Odoo, Docker, and common sense.
_ALSO_CALLED = {
    "bind": "listen",
    "address": "listen",
    "host": "listen",
    "port": "listen",
    "http_port": "listen",
    "socket": "listen",
    "wsgi": "app",
    "wsgi_app": "app",
    "module": "app",
    "venv": "python",
    "virtualenv": "python",
    "home": "python",
    "directory": "chdir",
    "cwd": "chdir",
    "working_directory": "chdir",
    "env": "environment",
    "processes": "workers.count",
    "cheaper": "workers.min",
    "min_workers": "workers.min",
    "max_workers": "workers.max",
    "preload_app": "preload",
    "graceful_timeout": "stop_timeout",
    "timeout": "limits.time_real",
    "harakiri": "limits.time_real",
    "limit_time_real": "limits.time_real",
    "limit_time_cpu": "limits.time_cpu",
    "limit_memory_soft": "limits.memory_soft",
    "limit_memory_hard": "limits.memory_hard",
    "limit_request": "limits.request",
    "max_requests": "limits.request",
    "min_worker_lifetime": "limits.lifetime_min",
    "max_worker_lifetime": "limits.lifetime",
    "max_cron_threads": "cron.workers",
    "limit_time_real_cron": "cron.limits.time_real",
    "limit_time_cpu_cron": "cron.limits.time_cpu",
    "crontab": "cron.jobs",
    "job": "cron.jobs",
    "jobs": "cron.jobs",
}


def unknown_key(raw: tuple[str, ...]) -> str:
    """The sentence for a key that no row declares."""
    key = ".".join(raw)
    near = nearest(raw)
    if near is None:
        return f"unknown key {key!r}; corn.toml(5) has them all"
    place = ""
    if len(near.path) == 1 and len(raw) > 1:
        place = " It stands above the first [section]."
    elif len(near.path) > 1 and tuple(near.path[:-1]) != raw[:-1]:
        place = f" It stands under [{'.'.join(near.path[:-1])}]."
    return f"unknown key {key!r}; did you mean {near.key!r}?{place}"


def nearest(raw: tuple[str, ...]) -> Row | None:
    """The declared setting that a key most looks like."""
    import difflib

    names = tuple(name.lower().replace("-", "_") for name in raw)
    by_key = {row.key: row for row in rows()}
    if names[-1] in _ALSO_CALLED:
        return by_key[_ALSO_CALLED[names[-1]]]
    namesakes = {key: row for key, row in by_key.items() if row.path[-1] == names[-1]}
    close = difflib.get_close_matches(".".join(names), namesakes or by_key, 1, 0.0 if namesakes else 0.6)
    if not close:  # the right word in the wrong section
        words = {row.path[-1]: row for row in by_key.values()}
        return next((words[word] for word in difflib.get_close_matches(names[-1], words, 1, 0.75)), None)
    return by_key[close[0]]


def unknown_section(raw: tuple[str, ...]) -> str:
    """The sentence for a table that is no section."""
    import difflib

    tables = {".".join(path): f"[{'.'.join(path)}]" for path, _ in sections()}
    tables |= {row.key: f"[{row.key}]" for row in rows() if row.kind.is_table}
    tables |= {row.key: f"[[{row.key}]]" for row in rows() if row.kind.is_tables}
    name = ".".join(raw)
    close = difflib.get_close_matches(name.lower(), tables, 1, 0.6)
    if not close and raw[-1] in _ALSO_CALLED:
        close = [table for table in tables if table == _ALSO_CALLED[raw[-1]]]
    listed = ", ".join(tables.values())
    cure = f"did you mean {tables[close[0]]}?" if close else f"they are {listed}"
    return f"unknown section [{name}]; {cure}"


def misplaced(path: tuple[str, ...], value: Any, of: type[Any]) -> str:
    """The sentence for a value that stands where a section belongs."""
    name = ".".join(path)
    if isinstance(value, list):
        inner = "".join(f" or [[{row.key}]]" for row in rows(of, path) if row.kind.is_tables)
        return f"{name} is one section: write [{name}]{inner}"
    first = next(rows(of, path))
    try:
        example = first.kind.render(first.kind.parse(value))
    except ValueError:
        example = first.example or first.kind.render(first.default)
    return f"{name} is a section: [{name}] {first.path[-1]} = {example}"
