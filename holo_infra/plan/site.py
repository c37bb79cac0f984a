"""Where the output folder is, and the lock that lets one run at a time write there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from holo_infra.diagnostics import Diagnostic
from holo_infra.plan.survey import fault, refuse


@dataclass(frozen=True, slots=True)
class Site:
    """The place of an output folder; paths are absolute and lead through no symbolic link."""

    out: str
    parent: str
    """The nearest folder above `out` that is there; it is locked, and the new tree made in it."""
    top: str
    """What is put in place in `parent`: `out`, or the first missing folder on the way to it."""


@contextmanager
def locked(out: Path) -> Iterator[tuple[Site, int]]:
    """Waits for other runs; gives the place, and the descriptor of `parent` that holds the lock.

    Raises FleetError where no folder is, and none can be made.
    """
    while True:
        site = _locate(out)
        try:
            lock = os.open(site.parent, os.O_RDONLY | os.O_DIRECTORY)
        except PermissionError:
            refuse([unwritable(site.parent)])
            raise
        try:
            _lock(lock, site.parent)
            if _is_at(lock, site.parent) and _locate(out) == site:  # not after a long wait
                yield site, lock
                return
        finally:
            os.close(lock)


def check_site(site: Site) -> None:
    """Raises FleetError where a folder cannot be put in place."""
    if not os.access(site.parent, os.R_OK | os.W_OK | os.X_OK):
        refuse([unwritable(site.parent)])
    if os.path.ismount(site.out):
        hint = "give a folder inside of that file system"
        message = "another file system is mounted here, so the folder cannot be replaced"
        refuse([fault("HI313", message, hint, site.out)])


def unwritable(folder: str) -> Diagnostic:
    """What is told of a folder in which nothing can be made or removed."""
    return fault("HI313", "the folder is not writable", "change its mode or owner", folder)


def _locate(out: Path) -> Site:
    there = next(path for path in (out, *out.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        hint = "give another path for the output folder"
        refuse([fault("HI313", "is not a folder", hint, str(there))])
    real = os.path.realpath(out)
    top = real
    while not os.path.lexists(parent := str(Path(top).parent)):
        top = parent
    return Site(real, parent, top)


def _lock(descriptor: int, path: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        message = f"the file system cannot lock a folder: {error.strerror}"
        refuse([fault("HI313", message, "give a folder on a file system of this computer", path)])


def _is_at(descriptor: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), Path(path).stat())
    except FileNotFoundError:
        return False
