"""The command `holo`: thin; each command group is a file of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from holo_infra.cli import compile as compile_command
from holo_infra.cli import modules, show
from holo_infra.diagnostics import FleetError
from nixgen import NixgenError

USAGE = 64
"""Exit status of a wrong call: EX_USAGE of sysexits.h."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override] # it does not return either
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0 done, 1 wrong input, 64 a wrong call."""
    parser = _Parser(prog="holo", description="A typed fleet of NixOS hosts and their containers.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (compile_command, show, modules):
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except FleetError as error:
        for diagnostic in error.diagnostics:
            sys.stderr.write(f"{diagnostic}\n")
        return 1
    except NixgenError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"error: {error.filename}: {error.strerror}\n")
        return 1
    return status
