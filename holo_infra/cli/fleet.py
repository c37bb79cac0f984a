"""What commands on a fleet share: their arguments, and telling that they read and check it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from holo_infra import compiled
from holo_infra.cli.output import working
from holo_infra.compiled import Compiled
from holo_infra.diagnostics import Diagnostic, FleetError, Place
from holo_infra.diagnostics.report import Format
from holo_infra.source import Source, load


def add_fleet(parser: argparse.ArgumentParser) -> None:
    """The arguments that every command on a fleet takes."""
    parser.add_argument("fleet", type=Path, metavar="FLEET", help="fleet.py or fleet.yaml")
    parser.add_argument(
        "--format",
        choices=get_args(Format),
        default="text",
        help="how mistakes and results are told (%(default)s)",
    )
    parser.add_argument(
        "--json",
        action="store_const",
        const="json",
        dest="format",
        help="the same as --format json",
    )


def read_fleet(path: Path) -> Source:
    """The fleet of a file, and what is wrong with it by itself."""
    with working(f"reading {path}"):
        return load(path)


def compile_fleet(path: Path, source: Source | None = None) -> Compiled:
    """The fleet of a file, which may have been read. Raises FleetError with all that is wrong."""
    source = source or read_fleet(path)
    with working(f"checking {path}"):
        return compiled.compile_fleet(path, source)


def check_host(made: Compiled, host: str, path: Path) -> None:
    """Raises FleetError where the fleet of a file has no such host."""
    if host not in made.fleet.hosts:
        hint = f"hosts: {', '.join(sorted(made.fleet.hosts)) or 'none'}"
        message = f"the fleet has no host {host}"
        raise FleetError([Diagnostic("HI216", (), message, hint, Place(str(path)))])
