"""Reads a fleet from a file, and tells all that is wrong with it.

A user's mistake never raises: it is in the diagnostics, with its code and its place.
"""

from __future__ import annotations

from pathlib import Path

from holo_infra.diagnostics import Diagnostic, Place
from holo_infra.source import python, yaml
from holo_infra.source.result import Source

__all__ = ["Source", "load"]

_LOADERS = {".py": python.load, ".yaml": yaml.load, ".yml": yaml.load}


def load(path: Path) -> Source:
    """The fleet that a file defines; its suffix says how: `.py`, `.yaml` or `.yml`."""
    loader = _LOADERS.get(path.suffix)
    if loader is None:
        message = f"a fleet is no {path.suffix} file" if path.suffix else "the file has no suffix"
        hint = "give the path of a fleet.py or a fleet.yaml"
        return Source(None, (Diagnostic("HI001", (), message, hint, Place(str(path))),))
    return loader(path)
