"""`holo shell HOST[/CONTAINER]`: a shell on a host of a lab, or in a container."""

from __future__ import annotations

import argparse
import sys

from holo_infra.cli.exec import interact
from holo_infra.cli.labs import add_lab, read_place
from holo_infra.runtime.labs import the_lab

# With a terminal that is of there: this one is not known inside, and job control would fail.
SHELL = ["script", "--quiet", "--return", "--command", "exec bash --login", "/dev/null"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("place", metavar="HOST[/CONTAINER]")
    add_lab(parser)


def run(options: argparse.Namespace) -> int:
    """Ends with the shell's exit status."""
    command = SHELL if sys.stdin.isatty() else ["bash", "--login"]
    return interact(the_lab(options.lab), read_place(options.place, 2), command)
