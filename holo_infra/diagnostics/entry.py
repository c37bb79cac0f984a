"""A kind of mistake that is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Entry:
    """A kind of mistake."""

    title: str
    """What is wrong, in a few words."""
    meaning: str
    """Why it is a mistake, and what would go wrong."""
    cure: str
    """What to do about it."""
    severity: Literal["error", "warning"] = "error"
