"""`python -m holo_infra`: the command `holo`."""

from holo_infra.cli import entry

entry()
