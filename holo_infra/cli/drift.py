"""`holo drift FLEET HOST`: what on a machine is not as compiled. Changes nothing."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from holo_infra.cli.apply import add_machine, compiled_host, reached
from holo_infra.cli.fleet import add_fleet
from holo_infra.runtime.bundle import make_bundle
from holo_infra.runtime.drift import Drift, drift

DRIFTED = 2
"""Exit status where something is otherwise."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_fleet(parser)
    add_machine(parser)


def run(options: argparse.Namespace) -> int:
    """Prints what differs; 2 where anything does.

    As JSON a list of {"kind", "name", "expected", "found"}.
    """
    compiled = compiled_host(options)
    bundle = make_bundle(compiled.lowered, options.host)
    with reached(options) as machine:
        found = drift(machine, bundle, compiled.lowered.hosts[options.host])
    if options.format == "json":
        sys.stdout.write(json.dumps([dataclasses.asdict(one) for one in found], indent=2) + "\n")
    else:
        sys.stdout.write("".join(map(drift_line, found)) or "no drift\n")
    return DRIFTED if found else 0


def drift_line(one: Drift) -> str:
    """A difference, as it is told."""
    return f"{one.kind}  {one.name}: expected {one.expected}, found {one.found}\n"
