"""`python -m corn_systemd` is `corn`."""

import sys

from .cli import main

sys.exit(main())
