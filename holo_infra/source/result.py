"""What reading a fleet gives: the fleet as far as it could be read, and all that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from holo_infra.diagnostics import Diagnostic, FieldPath, Place
from holo_infra.model.fleet import Fleet


def nowhere(_path: FieldPath) -> Place | None:
    """`locate` of a file that could not be read."""
    return None


@dataclass(frozen=True, slots=True)
class Source:
    """A fleet that was read from a file."""

    fleet: Fleet | None
    """What could be read of it; None when nothing could."""
    diagnostics: tuple[Diagnostic, ...] = ()
    """All that is wrong with the file and its values, located."""
    locate: Callable[[FieldPath], Place | None] = nowhere
    """Where a field stands, or the longest part of its path that is known."""
    left_out: tuple[FieldPath, ...] = ()
    """The containers, hosts, networks and fields that `fleet` lacks, because they are faulty."""

    @property
    def whole(self) -> bool:
        """False when faulty parts were left out of `fleet`."""
        return self.fleet is not None and not self.diagnostics
