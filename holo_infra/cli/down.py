"""`holo down`: ends a lab, and everything of it."""

from __future__ import annotations

import argparse

from holo_infra.cli.labs import Progress, add_lab
from holo_infra.cli.output import say
from holo_infra.runtime.lab import labs, locked, remains, the_lab


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_lab(parser)
    parser.add_argument("--all", action="store_true", help="end all labs")


def run(options: argparse.Namespace) -> int:
    """Ends it. Where there is none, nothing is left to do."""
    running, there = labs(), remains()
    if options.lab:
        names = [options.lab] if options.lab in there else []
    elif options.all or not running:
        names = there
    else:
        # With the only one goes what killed commands have left of others.
        names = [the_lab(None).name, *(name for name in there if name not in running)]
    if not names:
        say("no lab is running")
    for name in names:
        with locked(name) as lab:
            lab.down(Progress().line)
        say(f"lab {name}: down")
    return 0
