"""What compiled files are made from, as a digest: a second run without a change needs no more."""

from __future__ import annotations

import hashlib
from functools import cache, cached_property
from pathlib import Path

import holo_infra
import nixgen
from holo_infra.model.fleet import Fleet


class Inputs:
    """A fleet, and the options of the command."""

    def __init__(self, fleet: Fleet, *options: str) -> None:
        self._fleet = fleet
        self._options = options

    def digest(self, lock: bytes) -> str:
        """SHA-256 of these, a lock file's content, and this program itself."""
        told = hashlib.sha256(_program())
        for part in (*(option.encode() for option in self._options), lock, self._content):
            told.update(b"%d\n" % len(part))
            told.update(part)
        return told.hexdigest()

    @cached_property
    def _content(self) -> bytes:
        # What is at its default need not be told: the program says what that is.
        return self._fleet.__pydantic_serializer__.to_json(self._fleet, exclude_defaults=True)


@cache
def _program() -> bytes:
    """A digest of all our own modules, so that no other version's output passes for this one's."""
    told = hashlib.sha256()
    for package in (holo_infra, nixgen):
        for folder in package.__path__:
            for module in sorted(Path(folder).rglob("*.py")):
                told.update(module.read_bytes())
    return told.digest()
