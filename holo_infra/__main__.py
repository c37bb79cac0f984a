"""`python -m holo_infra`: the command `holo`."""

import sys

from holo_infra.cli import main

sys.exit(main())
