"""What is wrong with a fleet, for the person who wrote it: where, what, and what to do.

`catalogue` says of each code what it means; `report` prints diagnostics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holo_infra.diagnostics.catalogue import CATALOGUE

_LONGEST = 255
"""Characters of a name that are shown: more than any good one has."""

FieldPath = tuple[str | int, ...]
"""The way to a field: `("hosts", "alpha", "containers", "web0")`."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; lines and columns count from 1, 0 is not known."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake, or one warning: the catalogue says which a code is."""

    code: str
    """Its kind, e.g. `HI101`."""
    path: FieldPath
    """The field that it is about; empty for a whole file."""
    message: str
    """What is wrong, on one line."""
    hint: str = ""
    """What to do about it."""
    place: Place | None = None
    """Where that stands, as far as it is known."""

    @property
    def is_error(self) -> bool:
        """Whether the fleet cannot be compiled because of it."""
        return CATALOGUE[self.code].severity == "error"

    def __str__(self) -> str:
        """`fleet.yaml:12:7: error[HI101] hosts.alpha…: message`, and a line with the hint."""
        where = f"{self.place}: " if self.place else ""
        subject = f"{dotted(self.path)}: " if self.path else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        kind = f"{CATALOGUE[self.code].severity}[{self.code}]"
        return f"{where}{kind} {subject}{self.message}{hint}"


class FleetError(Exception):
    """A user's mistakes, all that were found; warnings may be among them."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = tuple(diagnostics)


def dotted(path: FieldPath) -> str:
    """A field's path as people write it: `hosts.alpha.containers.web0`; what is too long is cut."""
    parts = (str(part) for part in path)
    return ".".join(part if len(part) <= _LONGEST else f"{part[:_LONGEST]}…" for part in parts)
