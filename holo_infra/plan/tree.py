"""Makes the new tree beside the old one; unchanged and foreign files are shared by hard links."""

# A Path for each of a million files takes longer than the system calls.
# ruff: noqa: PTH101, PTH102, PTH103, PTH106, PTH112, PTH116

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator

from holo_infra.plan.file import create
from holo_infra.plan.manifest import MANIFEST, Manifest, folders, render
from holo_infra.plan.site import unwritable
from holo_infra.plan.survey import EVERY, Identity, Progress, Survey, fault, identity, refuse
from holo_infra.targets import Files

_FOLDER, _FILE = 0o755, 0o644
"""Modes inside the output, whatever the umask: units and rules are read by services' own users."""


def check_tree(out: str) -> None:
    """Raises FleetError where `build` would: a folder cannot be made anew, or not be removed."""
    if os.path.isdir(out):
        for _ in _walk(out):
            pass


def build(
    files: Files,
    found: Survey,
    out: str,
    tree: str,
    progress: Progress | None = None,
) -> dict[str, Identity]:
    """Makes `tree` hold `files`, the manifest, and what is foreign in `out`.

    Returns what of `out` must not change until the tree takes its place: folders, and what will be
    overwritten. To edit a shared file is harmless. Raises FleetError; OSError, as when something
    comes or goes meanwhile.
    """
    exists = os.path.isdir(out)
    os.makedirs(tree, 0o700 if exists else _FOLDER)
    ours = folders(files)
    lost = folders(found.gone)
    seen: dict[str, Identity] = {}
    if exists:
        _link(found, out, tree, seen, progress)
    for folder in sorted(lost - ours, reverse=True):  # inner ones first
        _remove_empty(f"{tree}/{folder}")
    for folder in sorted(ours - seen.keys()):  # outer ones first
        os.mkdir(f"{tree}/{folder}")
        inherited = os.stat(f"{tree}/{folder}").st_mode & stat.S_ISGID
        os.chmod(f"{tree}/{folder}", _FOLDER | inherited)
    done = found.steps + len(files) - len(found.changed)
    for number, path in enumerate(found.changed, done):
        if progress and number % EVERY == 0:
            progress(number, found.steps + len(files))
        create(f"{tree}/{path}", files[path], _FILE)
    create(f"{tree}/{MANIFEST}", render(Manifest(found.digests, found.made_from)), _FILE)
    for folder in seen.keys() - folders(found.changed) - lost - {""}:
        time = seen[folder][1]
        os.utime(f"{tree}/{folder}", ns=(time, time))
    return {**seen, **found.seen}


def is_as_seen(out: str, seen: dict[str, Identity]) -> bool:
    """Whether nothing was put in, taken out or edited since."""
    try:
        return all(identity(os.lstat(f"{out}/{path}")) == was for path, was in seen.items())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _link(
    found: Survey,
    out: str,
    tree: str,
    seen: dict[str, Identity],
    progress: Progress | None,
) -> None:
    """Makes the folders of `out` in `tree`, and links what stays."""
    skipped = {MANIFEST, *found.changed, *found.gone}
    done = found.steps
    for folder, status, names in _walk(out):
        seen[folder] = identity(status)
        if folder:
            os.mkdir(f"{tree}/{folder}", 0o700)
        _make_alike(f"{out}/{folder}", status, f"{tree}/{folder}")
        prefix = f"{folder}/" if folder else ""
        for name in names:
            path = prefix + name
            if path in skipped:
                if path not in found.seen and path != MANIFEST:
                    raise FileExistsError(path)  # it came after the survey, and is the user's
                continue
            os.link(f"{out}/{path}", f"{tree}/{path}", follow_symlinks=False)
            if progress and path in found.digests:
                done += 1
                if done % EVERY == 0:
                    progress(done, found.steps + len(found.digests))


def _walk(out: str) -> Iterator[tuple[str, os.stat_result, list[str]]]:
    """Each folder from outer to inner, as it was before it was read, and what else is in it.

    The outermost is called "".
    """
    device = os.lstat(out).st_dev
    rest = [""]
    while rest:
        folder = rest.pop()
        path = f"{out}/{folder}" if folder else out
        status = os.stat(path)
        if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            refuse([unwritable(path)])
        if status.st_dev != device:
            message = "another file system is mounted here, so the folder cannot move"
            refuse([fault("HI313", message, "unmount it, or give another output folder", path)])
        names = []
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    rest.append(f"{folder}/{entry.name}" if folder else entry.name)
                else:
                    names.append(entry.name)
        yield folder, status, names


def _make_alike(old: str, status: os.stat_result, new: str) -> None:
    """Gives a new folder the owner, mode, and attributes of an old one."""
    made = os.lstat(new)
    if (made.st_uid, made.st_gid) != (status.st_uid, status.st_gid):
        os.chown(new, status.st_uid, status.st_gid)
    shutil.copystat(old, new)


def _remove_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:  # something foreign is in it
        return
