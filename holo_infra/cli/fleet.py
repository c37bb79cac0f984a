"""What commands on a fleet share: reading it with its lock file, and its numbers."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

from holo_infra.allocate import Allocation, allocate, read_lock
from holo_infra.diagnostics import FleetError
from holo_infra.lower import LoweredFleet, lower
from holo_infra.model.fleet import Fleet
from holo_infra.source.python import load


@dataclass(frozen=True, slots=True)
class Compiled:
    """A fleet, its numbers, and what it was lowered to."""

    fleet: Fleet
    allocation: Allocation
    lowered: LoweredFleet


def add_fleet(parser: argparse.ArgumentParser) -> None:
    """The argument that every command on a fleet takes."""
    parser.add_argument("fleet", type=Path, metavar="FLEET", help="the file that defines the fleet")


def lock_path(fleet: Path) -> Path:
    """The lock file beside a fleet's file: `fleet.py` -> `fleet.lock.json`."""
    return fleet.with_name(f"{fleet.stem}.lock.json")


def compile_fleet(path: Path) -> Compiled:
    """The fleet of a file. Raises FleetError with all that is wrong with it."""
    fleet = load(path)
    lock_file = lock_path(path)
    lock = Allocation()
    if lock_file.exists():
        lock = read_lock(lock_file.read_bytes(), str(lock_file))
    try:
        allocation = allocate(fleet, lock)
    except FleetError as error:
        placed = [replace(diagnostic, place=str(path)) for diagnostic in error.diagnostics]
        raise FleetError(placed) from None
    return Compiled(fleet, allocation, lower(fleet, allocation))
