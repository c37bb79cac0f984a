"""One file a target: a lowered fleet becomes files, by their paths in the output folder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


Files = dict[str, "str | Link"]
"""Path in the output folder, with `/` -> content."""
