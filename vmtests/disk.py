"""Folders for machines' disks, each of which goes with its owner or, at last, with its process."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PREFIX = "vmtests-disk-"
_YOUNG = 5.0  # seconds: it may be about to be locked


def new_disk(owner: object, before: Callable[[], object] | None = None) -> Path:
    """A folder that goes with its owner; `before` ends what writes to it, and knows no owner.

    Those of processes that were killed are removed now: nobody holds their lock.
    """
    top = Path(tempfile.gettempdir())
    for folder in top.glob(f"{_PREFIX}*"):
        _sweep(folder)
    disk = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=top))
    disk.chmod(0o755)
    lock = os.open(disk, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    weakref.finalize(owner, _remove, disk, lock, os.getpid(), before)
    return disk


def _remove(disk: Path, lock: int, maker: int, before: Callable[[], object] | None) -> None:
    if os.getpid() != maker:  # a child that was forked, at its exit
        return
    if before is not None:
        with suppress(OSError):  # at the interpreter's exit it may be over already
            before()
    shutil.rmtree(disk, ignore_errors=True)
    os.close(lock)


def _sweep(folder: Path) -> None:
    """Remove a folder that nobody holds."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:  # it has just gone
        return
    try:
        if time.time() - os.fstat(lock).st_ctime < _YOUNG:
            return
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
