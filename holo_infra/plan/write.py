"""Writes compiled files into a folder that is ours by its manifest, all of them at once or none.

The new tree is made beside the old one, and takes its place in one step. What is foreign in the
folder goes along: its files are the same ones, its folders are made anew.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from pathlib import Path

from holo_infra.diagnostics import FleetError
from holo_infra.plan import system
from holo_infra.plan.file import create
from holo_infra.plan.manifest import MANIFEST, Manifest, render
from holo_infra.plan.site import Site, check_site, locked
from holo_infra.plan.stage import remove_litter, staging
from holo_infra.plan.survey import (
    Identity,
    Progress,
    Survey,
    fault,
    is_untouched,
    read_manifest,
    survey,
)
from holo_infra.plan.tree import build, check_tree, is_as_seen
from holo_infra.targets import Files

_TRIES = 5

_LINK = (
    "cannot go along into the new tree ({})",
    "move it out of the output folder, or make its owner run holo",
)
_MOUNT = (
    "another file system is mounted here ({})",
    "unmount it, or give another output folder",
)
_UNABLE = (
    "the file system cannot exchange two folders in one step ({})",
    "give a folder on ext4, XFS, Btrfs or tmpfs",
)
_FULL = ("the file system is full ({})", "make space: the new files are written beside the old")
_UNFIT = {
    errno.EPERM: _LINK,
    errno.EACCES: _LINK,
    errno.EMLINK: _LINK,
    errno.EXDEV: _MOUNT,
    errno.EBUSY: _MOUNT,
    errno.EINVAL: _UNABLE,
    errno.ENOSYS: _UNABLE,
    errno.EOPNOTSUPP: _UNABLE,
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
}
"""What an error of the system means for the folder; any other is raised as it is."""


class _Moved(Exception):  # noqa: N818 - no error, but a reason to begin again
    """Somebody has changed the folder since it was read."""


@dataclass(frozen=True, slots=True)
class Written:
    """The paths that a run has changed, in order."""

    written: tuple[str, ...]
    removed: tuple[str, ...]


def write(
    files: Files,
    out: Path,
    progress: Progress | None = None,
    made_from: str | None = None,
) -> Written:
    """Makes the files that the folder holds by its manifest equal to `files`, all or none.

    Whenever this process is killed, the folder holds the old tree or the new one, and nothing is
    left beside it. Without a change nothing is touched. Runs that write into the same parent wait
    for each other. Symbolic links on the way to `out` are followed; missing folders are made.

    `progress(done, total)` is called for each 1000 steps; a file is one or two. `made_from` is a
    SHA-256 of all that the files were made from, for `is_made_from`.

    Raises FleetError, before anything is changed, where the folder or a file in it is not ours, or
    the file system cannot do it; OSError when reading or writing fails.
    """
    with locked(out) as (site, lock):
        remove_litter(site.top)
        for _ in range(_TRIES):
            try:
                found = replace(survey(files, str(out), progress), made_from=made_from)
                if not found.is_current:
                    check_site(site)
                    _put(files, found, site, lock, progress)
                elif made_from not in {None, found.was_made_from}:
                    _renew_manifest(Manifest(found.digests, made_from), site, lock)
            except (_Moved, FileNotFoundError, FileExistsError, NotADirectoryError):
                continue
            return Written(found.changed, found.gone)
    message = f"somebody else has changed the folder {_TRIES} times while it was being written"
    raise FleetError([fault("HI313", message, "stop what writes there; run again", str(out))])


def check(files: Files, out: Path) -> Survey:
    """What `write` would do. Raises FleetError where it would: what is there is unfit or not ours.

    Writes nothing, so that only `write` finds out what the file system cannot do.
    """
    with locked(out) as (site, _):
        found = survey(files, str(out))
        if not found.is_current:
            check_site(site)
            check_tree(site.out)
        return found


def is_made_from(out: Path, digest: str) -> bool:
    """Whether the folder holds, untouched, what was made from something of this digest."""
    with locked(out) as (site, _):
        try:
            manifest = read_manifest(site.out)
        except FleetError:
            return False
        return (
            manifest is not None
            and manifest.made_from == digest
            and is_untouched(site.out, manifest)
        )


def _put(files: Files, found: Survey, site: Site, lock: int, progress: Progress | None) -> None:
    """Makes the new tree and puts it in place."""
    try:
        with staging(site.top, lock) as stage:
            seen = build(files, found, site.out, stage + site.out[len(site.top) :], progress)
            system.flush(lock, site.parent)
            if found.is_new:
                _rename(stage, site.top)
            else:
                _exchange(stage, site.out, seen)
            os.fsync(lock)
    except OSError as error:
        if error.errno not in _UNFIT:
            raise
        message, hint = _UNFIT[error.errno]
        name = str(error.filename or "")
        place = name if name.startswith(f"{site.out}/") else site.out
        diagnostic = fault("HI313", message.format(error.strerror), hint, place)
        raise FleetError([diagnostic]) from error


def _renew_manifest(manifest: Manifest, site: Site, lock: int) -> None:
    """Puts another manifest in place, where nothing else differs."""
    with staging(site.top, lock) as stage:
        Path(stage).mkdir(0o700)
        create(f"{stage}/{MANIFEST}", render(manifest))
        system.flush(lock, site.parent)
        Path(stage, MANIFEST).rename(f"{site.out}/{MANIFEST}")


def _rename(stage: str, top: str) -> None:
    """Puts the new tree where nothing is, or an empty folder."""
    try:
        Path(stage).rename(top)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise _Moved from error
        raise


def _exchange(stage: str, out: str, seen: dict[str, Identity]) -> None:
    """Puts the new tree in place of the old one, unless something in that would be lost."""
    if not is_as_seen(out, seen):
        raise _Moved
    system.exchange(stage, out)
    if not is_as_seen(stage, seen):  # it came in the instant between
        system.exchange(stage, out)
        raise _Moved
