"""What a run would change in the folder, and whether it may: all else in it is the user's."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from holo_infra.diagnostics import Diagnostic, FleetError, Place
from holo_infra.plan.manifest import MANIFEST, Manifest, folders, is_inside, parse
from holo_infra.targets import Files, Link

Progress = Callable[[int, int], None]
"""Is told now and then how many steps of how many are done."""
EVERY = 1000
"""Steps between two calls of it."""

Identity = tuple[int, int, int]
"""Inode, time of change in ns, size: differs when something was put in, taken out or edited."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the folder holds of ours, compared with what it is to hold."""

    known: dict[str, str]
    """Path -> SHA-256 of all that is there by the manifest."""
    digests: dict[str, str]
    """Path -> SHA-256 of all that is to be there."""
    changed: tuple[str, ...]
    """What is to be written, in order."""
    gone: tuple[str, ...]
    """What is there and is to go, in order."""
    seen: dict[str, Identity]
    """What will be overwritten or removed, as it was when it was read."""
    is_new: bool
    """Whether the folder is missing or empty."""
    is_current: bool
    """Whether nothing is to be done."""
    steps: int
    """How many paths were compared, for progress."""
    was_made_from: str | None
    """SHA-256 of all that the present files were made from, where that is known."""
    made_from: str | None = None
    """The same of the new ones."""


def survey(files: Files, out: str, progress: Progress | None = None) -> Survey:
    """Compares; raises FleetError where a path is unfit, or the folder or a file is not ours."""
    inner = folders(files)
    refuse(
        fault("HI313", f"{path!r} is no path for a file of the folder", "", out)
        for path in sorted(files)
        if path in inner or not is_inside(path)
    )
    manifest = read_manifest(out)
    known = manifest.files if manifest else {}
    paths = sorted(files.keys() | known.keys())
    # Nothing is read, written or removed through a symbolic link: it may lead out of `out`.
    refuse(_in_the_way(f"{out}/{folder}") for folder in sorted(folders(paths)))
    digests: dict[str, str] = {}
    changed: list[str] = []
    gone: list[str] = []
    seen: dict[str, Identity] = {}
    faults: list[Diagnostic | None] = []
    for number, path in enumerate(paths):
        if progress and number % EVERY == 0:
            progress(number, len(paths) + len(files))
        content = files.get(path)
        new = _bytes(content)
        if new is not None:
            digests[path] = hashlib.sha256(new).hexdigest()
        there = _look(f"{out}/{path}")
        if there is None:
            if new is not None:
                changed.append(path)
            continue
        faults.append(_stranger(f"{out}/{path}", there, known.get(path), new))
        if new is None or there.data != new or there.is_link != isinstance(content, Link):
            (gone if new is None else changed).append(path)
            seen[path] = there.identity
    refuse(faults)
    return Survey(
        known=known,
        digests=digests,
        changed=tuple(changed),
        gone=tuple(gone),
        seen=seen,
        is_new=manifest is None,
        is_current=not changed and not gone and known == digests,
        steps=len(paths),
        was_made_from=manifest and manifest.made_from,
    )


def is_untouched(out: str, manifest: Manifest) -> bool:
    """Whether the folder itself holds all that the manifest tells, as it was written."""
    if any(_in_the_way(f"{out}/{folder}") for folder in folders(manifest.files)):
        return False
    for path, digest in manifest.files.items():
        there = _look(f"{out}/{path}")
        if there is None or there.data is None or hashlib.sha256(there.data).hexdigest() != digest:
            return False
    return True


def refuse(faults: Iterable[Diagnostic | None]) -> None:
    """Raises FleetError if there is any."""
    if found := [fault for fault in faults if fault is not None]:
        raise FleetError(found)


def fault(code: str, message: str, hint: str, path: str) -> Diagnostic:
    """A diagnostic of a file or folder."""
    return Diagnostic(code, (), message, hint, Place(path))


def identity(status: os.stat_result) -> Identity:
    """What tells whether a file or folder was changed."""
    return status.st_ino, status.st_mtime_ns, status.st_size


@dataclass(frozen=True, slots=True)
class _There:
    identity: Identity
    is_link: bool
    data: bytes | None
    """The content; None for what we never write, as a folder or a socket."""


def _look(path: str) -> _There | None:
    """What is at a path; None for nothing."""
    try:
        status = os.lstat(path)
        data = None
        if stat.S_ISLNK(status.st_mode):
            data = _of_link(os.readlink(os.fsencode(path)))  # noqa: PTH115 - bytes, as digested
        elif stat.S_ISREG(status.st_mode):
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path takes longer
                data = file.readall()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _There(identity(status), stat.S_ISLNK(status.st_mode), data)


def _bytes(content: str | Link | None) -> bytes | None:
    if isinstance(content, Link):
        return _of_link(os.fsencode(content.target))
    return None if content is None else content.encode()


def _of_link(target: bytes) -> bytes:
    """What a link has its digest of."""
    return b"link to " + target


def _stranger(path: str, there: _There, known: str | None, new: bytes | None) -> Diagnostic | None:
    """What is wrong with what is at the path of a file of ours."""
    if known is None:
        hint = "move it away: holo compile writes a file of this name"
        return fault("HI311", "was not written by holo compile", hint, path)
    data = there.data
    if data == b"":  # nothing is lost with an empty file
        return None
    if data is not None and (data == new or hashlib.sha256(data).hexdigest() == known):
        return None
    hint = "move your changes away; holo compile would overwrite them"
    return fault("HI312", "was changed since holo compile wrote it", hint, path)


def _in_the_way(folder: str) -> Diagnostic | None:
    try:
        mode = os.lstat(folder).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(mode):
        return None
    hint = "move it away: holo compile has files in a folder of this name"
    return fault("HI311", "is not a folder", hint, folder)


def read_manifest(out: str) -> Manifest | None:
    """The folder's manifest; None where nothing is. Raises FleetError where it is not ours."""
    try:
        with os.scandir(out) as entries:
            if not any(entries):
                return None
    except FileNotFoundError:
        return None
    there = _look(f"{out}/{MANIFEST}")
    if there is not None and there.data is not None and not there.is_link:
        try:
            return parse(there.data)
        except ValueError:
            pass
    message = "the folder is not empty, and holds no manifest of ours"
    hint = "give an empty folder, or one that holo compile has written"
    raise FleetError([fault("HI310", message, hint, out)])
