"""What happens to units while one waits for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """A unit has come into another state."""

    host: str
    container: str | None
    """Where it runs, or None for the host itself."""
    unit: str
    state: str
    is_ready: bool
    seconds: float
    """Since the waiting began."""


Tell = Callable[[Event], None]


def quiet(event: Event) -> None:
    """Tells nobody."""
