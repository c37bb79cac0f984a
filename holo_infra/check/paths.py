"""Absolute paths, by what they mean."""

from __future__ import annotations

import posixpath


def normal(path: str) -> str:
    """An absolute path without what means nothing: `/srv//a/.` -> `/srv/a`."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def is_below(path: str, folder: str) -> bool:
    """Whether a normal path is a normal folder, or in it."""
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
