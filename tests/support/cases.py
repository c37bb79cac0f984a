"""Fleets with one thing wrong in each, and what is told of them.

`§` stands in a fleet before what the diagnostic points at.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from holo_infra.cli.fleet import compile_fleet
from holo_infra.diagnostics import Diagnostic, FleetError

MARK = "§"
UNIT = "{exec_start: [busybox]"


class Case(NamedTuple):
    """A fleet with one thing wrong in it."""

    code: str
    fleet: str
    message: str
    hint: str
    lock: str = ""
    """A lock file that is there before."""


def told(folder: Path, fleet: str, lock: str = "") -> list[Diagnostic]:
    """Everything that is told of a fleet, errors and warnings."""
    path = folder / "fleet.yaml"
    path.write_text(f"name: test\n{fleet.replace(MARK, '')}")
    if lock:
        (folder / "fleet.lock.json").write_text(lock)
    try:
        return list(compile_fleet(path).warnings)
    except FleetError as error:
        return list(error.diagnostics)


def marked(fleet: str) -> tuple[int, int]:
    """Line and column of the mark."""
    before = f"name: test\n{fleet}".partition(MARK)[0]
    return before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1
