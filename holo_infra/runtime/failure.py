"""What is told when something outside does not do what it was asked for."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - it is told to people, and named in their words
    """A command cannot go on: what happened, where, and what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{self.message}{hint}"
