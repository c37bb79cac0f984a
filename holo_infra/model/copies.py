"""Copies of a fleet's parts with other values in some fields, which are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from nixgen.checks import CheckedNames


class CheckedCopies(CheckedNames):
    """Base of what a user writes: pydantic's own `model_copy` takes any value."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; raises ValidationError where a value of `update` is none for its field."""
        copied = super().model_copy(deep=deep)
        return copied if update is None else type(self)(**{**dict(copied), **update})
