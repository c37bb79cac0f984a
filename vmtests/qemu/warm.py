"""Snapshots of images that have just booted: made once, kept on disk, gone on from many times.

Memory is a file that each copy maps for itself: a copy reads of it what it needs, and the computer
holds that once for all copies. Knows no machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from vmtests.places import MachineError
from vmtests.qemu.qmp import Qmp

KEPT = 4
"""How many are kept that nobody uses."""
_LOOK = 0.05
_LOADING = 60.0


def memory(folder: Path, size: int, share: str) -> str:
    """QEMU's argument for a memory in a folder: shared when that is made, private later."""
    return f"memory-backend-file,id=ram,size={size}M,mem-path={folder / 'memory'},share={share}"


def find_or_make(
    told: str, make: Callable[[Path], None], deadline: float, owner: object, top: Path | None = None
) -> Path:
    """The folder of a snapshot, which stays at least as long as its owner.

    `told` is all that it depends on. `make` puts it into an empty folder; others wait for that.
    It stands in `top`, else in ~/.cache, beside those that other processes use.
    """
    if top is None:
        top = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vmtests"
    folder = top / hashlib.sha256(told.encode()).hexdigest()[:16]
    if _is_used(folder, owner):
        return folder
    top.mkdir(parents=True, exist_ok=True)
    with (top / "lock").open("w") as lock:
        _lock(lock.fileno(), deadline)
        if not _is_used(folder, owner):
            partial = top / "partial"
            shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
            partial.mkdir()
            make(partial)
            partial.rename(folder)
            _is_used(folder, owner)
            _tidy(top, partial)
    return folder


def save(qmp: Qmp, folder: Path) -> None:
    """Have a QEMU stop and write a snapshot; its memory is in the folder already."""
    qmp.execute("stop")
    _ignore_memory(qmp)
    qmp.execute("migrate", uri=f"exec:cat >{folder / 'state'}")
    _await(qmp)


def load(qmp: Qmp, folder: Path) -> None:
    """Have a QEMU that was started with `-incoming defer` go on from a snapshot."""
    _ignore_memory(qmp)
    qmp.execute("migrate-incoming", uri=f"exec:cat {folder / 'state'}")
    _await(qmp)
    _ignore_memory(qmp, ignored=False)


def _is_used(folder: Path, owner: object) -> bool:
    """Whether it is there, and stays for an owner."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    if not folder.is_dir():  # it was just being removed
        os.close(descriptor)
        return False
    os.utime(folder)
    weakref.finalize(owner, os.close, descriptor)
    return True


def _tidy(top: Path, grave: Path) -> None:
    """Remove the oldest that nobody uses. Others make none meanwhile."""
    folders = sorted(
        (path for path in top.iterdir() if path.is_dir() and path != grave),
        key=lambda path: path.stat().st_mtime,
    )
    for folder in folders[:-KEPT]:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder.rename(grave)
            shutil.rmtree(grave)
        except BlockingIOError:
            pass  # it is in use
        finally:
            os.close(descriptor)


def _ignore_memory(qmp: Qmp, *, ignored: bool = True) -> None:
    """Whether what is saved or loaded is all but the memory, which is in its file."""
    capability = {"capability": "x-ignore-shared", "state": ignored}
    qmp.execute("migrate-set-capabilities", capabilities=[capability])


def _await(qmp: Qmp) -> None:
    deadline = time.monotonic() + _LOADING
    while (status := qmp.execute("query-migrate").get("status")) != "completed":
        if status == "failed" or time.monotonic() > deadline:
            raise MachineError(f"the snapshot cannot be used: {status}")
        time.sleep(_LOOK / 10)


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise MachineError("another process makes a snapshot, and is not done") from None
            time.sleep(_LOOK)
        else:
            return
