"""Reads a fleet from a file, and tells all that is wrong with it.

A user's mistake never raises: it is in the diagnostics, with its code and its place.
"""

from __future__ import annotations

from pathlib import Path

from holo_infra.diagnostics import Diagnostic, Place
from holo_infra.source.result import Source

__all__ = ["Source", "load"]


def load(path: Path, *, thorough: bool = False) -> Source:
    """The fleet that a file defines; its suffix says how: `.py`, `.yaml` or `.yml`.

    `thorough` looks into parts of a Python fleet that were built past all checks too.
    """
    # Each reader is imported when it is needed: reading YAML takes a library of its own.
    if path.suffix == ".py":
        from holo_infra.source import python  # noqa: PLC0415

        return python.load(path, thorough=thorough)
    if path.suffix in {".yaml", ".yml"}:
        from holo_infra.source import yaml  # noqa: PLC0415

        return yaml.load(path)
    message = f"a fleet is no {path.suffix} file" if path.suffix else "the file has no suffix"
    hint = "give the path of a fleet.py or a fleet.yaml"
    return Source(None, (Diagnostic("HI001", (), message, hint, Place(str(path))),))
