"""Jobs that are management commands of a Django project.

    [[cron.jobs]]
    name = "clear-sessions"
    schedule = "17 3 * * *"
    call = "corn_systemd.contrib.django:command"
    args = ["clearsessions"]
"""


def command(name: str, *words: str) -> None:
    """Runs `manage.py NAME WORDS…`; what it prints is the job's. A cron worker lives for long: as
    Django does between requests, this closes connections to databases that are too old (CONN_MAX_AGE), before
    and after."""
    from django.core.management import call_command  # type: ignore[import-not-found, unused-ignore]
    from django.db import close_old_connections  # type: ignore[import-not-found, unused-ignore]

    close_old_connections()
    try:
        call_command(name, *words)
    finally:
        close_old_connections()
