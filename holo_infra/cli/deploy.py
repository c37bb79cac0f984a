"""`holo deploy preview|up|refresh|destroy STACK`: a stack of Pulumi, with progress of each host."""

from __future__ import annotations

import argparse
from pathlib import Path

from holo_infra.cli.arguments import count
from holo_infra.cli.output import counted, say
from holo_infra.cli.progress import Progress
from holo_infra.deploy.engine import Options, Stack


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "operation",
        choices=["preview", "up", "refresh", "destroy", "cancel"],
        help="preview: what up would do; cancel: after a run that was killed",
    )
    parser.add_argument("stack", metavar="STACK", help="its settings are in Pulumi.STACK.yaml")
    parser.add_argument(
        "--project",
        type=Path,
        default=Path("pulumi"),
        metavar="DIR",
        help="the folder that holds Pulumi.yaml (%(default)s)",
    )
    parser.add_argument(
        "--parallel", type=count, metavar="N", help="how many steps at once at most"
    )
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="HOST",
        help="only this host; may be given more than once",
    )


def run(options: argparse.Namespace) -> int:
    """Ends with 1 where a host is not as it was to be; the others are."""
    stack = Stack(options.project.resolve(), options.stack)
    if options.operation == "cancel":
        stack.cancel()
        return 0
    progress = Progress()

    def tell(host: str, part: str, done: str) -> None:
        progress.line(f"{host}  {part}  {done}" if part else f"{host}  {done}")

    steps = stack.run(options.operation, Options(options.parallel, options.target), tell)
    told = [f"{counted(number, 'resource')} to {kind}" for kind, number in sorted(steps.items())]
    say(f"{options.stack}: {', '.join(told) or 'no change'}")
    return 0
