"""`holo check FLEET`: all that is wrong with a fleet, at once. Writes nothing."""

from __future__ import annotations

import argparse
import sys

from holo_infra.cli.fleet import add_fleet, compile_fleet
from holo_infra.cli.output import counted, say, told
from holo_infra.diagnostics import FleetError


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)


def run(options: argparse.Namespace) -> int:
    """Prints the diagnostics on stdout; 1 where one of them is an error."""
    try:
        compiled = compile_fleet(options.fleet)
    except FleetError as error:
        told(error.diagnostics, options.format, sys.stdout)
        errors = sum(diagnostic.is_error for diagnostic in error.diagnostics)
        say(f"{options.fleet}: {counted(errors, 'error')}")
        return 1
    told(compiled.warnings, options.format, sys.stdout)
    hosts = compiled.fleet.hosts
    containers = sum(len(host.containers) for host in hosts.values())
    warnings = f", {counted(len(compiled.warnings), 'warning')}" if compiled.warnings else ""
    parts = f"{counted(len(hosts), 'host')}, {counted(containers, 'container')}"
    say(f"{options.fleet}: {parts}, no errors{warnings}")
    return 0
