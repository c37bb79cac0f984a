"""What is wrong with a fleet, for the person who wrote it: where, what, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake."""

    path: str
    """The field, e.g. `hosts.alpha.containers.web0.forwards.admin.host_port`; may be empty."""
    message: str
    hint: str = ""
    """What to do about it."""
    place: str = ""
    """The file, and the line where it is known: `fleet.py:12`."""

    def __str__(self) -> str:
        where = " ".join(part for part in (self.place and f"{self.place}:", "error:") if part)
        subject = f"{self.path}: " if self.path else ""
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{where} {subject}{self.message}{hint}"


class FleetError(Exception):
    """A user's mistakes, all that were found."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = tuple(diagnostics)
