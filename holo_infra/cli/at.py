"""`holo at ssh://… -- COMMAND`: runs a command on a machine as root, with this one's input."""

from __future__ import annotations

import argparse
import sys

from holo_infra.cli.apply import add_ssh
from holo_infra.cli.arguments import seconds
from holo_infra.runtime.failure import Failure
from holo_infra.runtime.reach import reached_within


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_ssh(parser)
    parser.add_argument(
        "--timeout",
        type=seconds,
        default=600.0,
        metavar="SECONDS",
        help="how long it may take (%(default)g)",
    )
    parser.add_argument(
        "--patience",
        type=seconds,
        default=0.0,
        metavar="SECONDS",
        help="how long to try to reach it, as after its first boot (%(default)g)",
    )
    parser.add_argument("to", metavar="ssh://[USER@]HOST[:PORT]", help="the machine")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")


def run(options: argparse.Namespace) -> int:
    """The exit status is the command's; it is told nothing but its words and the input."""
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise Failure("no command is given", "write holo at ssh://… -- COMMAND")
    given = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
    way = (options.to, options.ssh_config, options.host_key)
    with reached_within(*way, options.patience) as machine:
        done = machine.run(command, given, options.timeout)
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return done.returncode
