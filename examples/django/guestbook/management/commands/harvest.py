"""`manage.py harvest`: the scheduled job, by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from demo.jobs import harvest


class Command(BaseCommand):
    """Runs demo.jobs.harvest."""

    help = "Take every full cob off the stalk."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(harvest())
