"""`holo down`: ends a lab, and everything of it."""

from __future__ import annotations

import argparse

from holo_infra.cli.labs import add_lab
from holo_infra.cli.output import say
from holo_infra.cli.progress import Progress
from holo_infra.runtime.labs import labs, locked, remains, the_lab, tidy


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_lab(parser)
    parser.add_argument("--all", action="store_true", help="end all labs")


def run(options: argparse.Namespace) -> int:
    """Ends it, and what killed commands have left of others. Where there is none, all is done."""
    if options.lab is not None:
        names = [options.lab] if options.lab in remains() else []
    elif options.all:
        names = remains()
    else:
        names = [the_lab(None).name] if labs() else []
    for name in names:
        with locked(name, say) as lab:
            lab.down(Progress().line)
        say(f"lab {name}: down")
    removed = [] if options.lab is not None else tidy()
    for name in removed:
        say(f"lab {name}: what was left of it is removed")
    if not names and not removed:
        say("no lab is running")
    return 0
