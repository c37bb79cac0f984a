"""`python -m holo_infra`: the command `holo`."""

import sys

from holo_infra.cli import entry

sys.exit(entry())
