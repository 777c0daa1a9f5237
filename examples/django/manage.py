#!/usr/bin/env python3
"""Django's command line for the demo: migrate, runserver, test, harvest."""

import os
import sys


def main() -> None:
    """Hands the arguments to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
