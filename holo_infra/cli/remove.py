"""`holo remove FLEET/HOST --to …`: takes off a machine what `apply` has put there."""

from __future__ import annotations

import argparse

from holo_infra.cli.apply import add_patience, add_way, reached
from holo_infra.cli.arguments import seconds
from holo_infra.cli.output import say
from holo_infra.cli.progress import Progress, summary
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.remove import remove_host


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("name", metavar="FLEET/HOST", help="whose units are there, by both names")
    add_way(parser)
    add_patience(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=120.0,
        metavar="SECONDS",
        help="how long it may take (%(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """The fleet need not have the host any more."""
    fleet, _, host = options.name.partition("/")
    if not fleet or not host:
        raise Failure(f"{options.name}: no name of a host", "write FLEET/HOST")
    progress = Progress()
    with reached(options) as machine:
        try:
            outcome = remove_host(
                machine,
                fleet,
                host,
                options.timeout,
                progress.event,
                patience=options.patience,
            )
        finally:
            progress.end()
    say(f"{host}: removed; {summary(outcome).partition('; ')[2]}")
    return 1 if outcome.troubles else 0
