"""What can go wrong in nixgen: in a definition, in a value, in a merge."""

from __future__ import annotations


class NixgenError(Exception):
    """Base of all errors of this package."""


class DefinitionError(NixgenError):
    """A definition is written wrongly: found while its tree is built, before any value is seen."""


class RefusedValueError(NixgenError):
    """A value cannot be carried into Nix or a unit without changing its meaning."""


class MergeConflictError(NixgenError):
    """Two parts of a configuration define one attribute differently."""

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(f"{'.'.join(path)}: {message}")
        self.path = path
