"""Records of a lab: a JSON file each, replaced as a whole, and what they are records of.

A record may be spoilt, whatever has done that: then it is of nothing that runs.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from vmtests.places import MachineError, NspawnMachine, Switch, is_published, sweep

Record = Any
"""What was written as JSON."""


class Records:
    """The records of a folder: a kind is a folder in it, a name a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self, kind: str) -> dict[str, Record]:
        """The records of a kind, by name."""
        folder = self.folder / kind
        found = {}
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
            with suppress(FileNotFoundError):  # a command that runs meanwhile
                found[path.stem] = _read(path)
        return found

    def write(self, kind: str, name: str, record: Record) -> None:
        """Write a record in place of the one that there was."""
        path = self.folder / kind / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(record))
        temporary.replace(path)

    def forget(self, kind: str, name: str) -> None:
        """Remove a record, if there is one."""
        (self.folder / kind / f"{name}.json").unlink(missing_ok=True)


def _read(path: Path) -> Record:
    try:
        told = json.loads(path.read_text())
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def attach(record: Record) -> NspawnMachine:
    """The machine of a host's record. Raises MachineError where it does not run."""
    try:
        return NspawnMachine.attach(record["machine"])
    except (KeyError, TypeError) as error:
        raise MachineError(f"a record that cannot be read: {error!r}") from None


def attach_switch(record: Record) -> Switch:
    """The switch of a record. Raises MachineError where it does not run."""
    try:
        return Switch.attach(record)
    except (KeyError, TypeError) as error:
        raise MachineError(f"a record that cannot be read: {error!r}") from None


def sweep_after(record: Record) -> None:
    """Remove what a machine or a switch has left that does not run any more."""
    with suppress(KeyError, TypeError, ValueError):
        sweep(record)


def is_open(record: Record) -> bool:
    """Whether a published port still leads where its record says."""
    try:
        return is_published(record["publication"]) and bool(record["leads_to"] and record["target"])
    except (KeyError, TypeError):
        return False
