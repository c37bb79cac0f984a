"""Folders for machines' disks, each of which goes with its owner or, at last, with its process."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path

__all__ = ["new_disk"]

_PREFIX = "vmtests-disk-"


def new_disk(owner: object) -> Path:
    """A folder that goes with its owner, in the name of this process.

    Those of processes that were killed are removed now.
    """
    top = Path(tempfile.gettempdir())
    for folder in top.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
    disk = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=top))
    disk.chmod(0o755)
    weakref.finalize(owner, shutil.rmtree, disk, ignore_errors=True)
    return disk
