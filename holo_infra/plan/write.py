"""Writes compiled files into a folder that is ours by its manifest; all else in it is the user's.

Each file is replaced as a whole, and only where the manifest knows its digest. A run that changes
something first writes a manifest of what is there and what is coming, so that the next run knows
whatever a stopped one has left.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.targets import Files, Link

MANIFEST = "manifest.json"
TEMPORARY = ".holo-"
"""How the names of files begin that are not in their place yet."""
MODE = 0o644
"""Of a new file, before the umask."""


@dataclass(frozen=True, slots=True)
class Written:
    """The paths that a run has changed, in order."""

    written: tuple[str, ...]
    removed: tuple[str, ...]


def write(files: Files, out: Path) -> Written:
    """Makes the files that the folder holds by its manifest equal to `files`.

    Raises FleetError, before anything is written, where the folder or a file in it is not ours.
    """
    manifest, found = _survey(files, out)
    digests = {path: _digest(content) for path, content in files.items()}
    changed = [path for path in sorted(files) if found.get(path) != digests[path]]
    gone = [path for path in sorted(found) if path not in files]
    if changed or gone:  # what comes is ours before it is there
        coming = {path: digests[path] for path in changed}
        _write_manifest(out, _Manifest(version=1, files=found, coming=coming))
    for path in changed:
        # Not flushed to the disk, which took a third of the time for 90,000 files. Should the
        # computer crash, the next run finds by its digest what is not whole: it writes an empty
        # file again, and asks to have one with other content deleted, as it may be the user's.
        _put(out / path, files[path], flush=False)
    for path in gone:
        _remove(out, path)
    after = _Manifest(version=1, files=digests)
    if changed or gone or manifest != after:
        _write_manifest(out, after)
    return Written(tuple(changed), tuple(gone))


def check(files: Files, out: Path) -> None:
    """Raises FleetError where `write` would: a path, the folder or what is in it is unfit.

    Writes nothing.
    """
    _survey(files, out)


def replace(path: Path, content: str | Link) -> None:
    """Puts a file or link in place of what is there, whole or not at all, and on the disk.

    Text goes to where a symbolic link leads; the link stays.
    """
    target = path if isinstance(content, Link) else Path(os.path.realpath(path))
    _put(target, content, flush=True)


def _is_inside(path: str) -> bool:
    """Whether a path is relative, normalised, and stays in the folder; the manifest's is not."""
    parts = path.split("/")
    return "\0" not in path and path != MANIFEST and not {"", ".", ".."}.intersection(parts)


def _require_inside(path: str) -> str:
    if not _is_inside(path):
        raise ValueError(f"no path inside the folder: {path!r}")
    return path


_Path = Annotated[str, AfterValidator(_require_inside)]
_Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Literal[1]
    files: dict[_Path, _Digest]
    coming: dict[_Path, _Digest] = {}
    """What a run was about to write; empty when it has come to its end."""

    def digests(self, path: str) -> set[str]:
        """What a file of ours may hold. Without any, the path is not ours."""
        return {digests[path] for digests in (self.files, self.coming) if path in digests}


def _survey(files: Files, out: Path) -> tuple[_Manifest, dict[str, str]]:
    """The folder's manifest, and the digests of those of our files that are there."""
    folders = _folders(files)
    _refuse(
        Diagnostic("", f"{path!r} is no path for a file of the folder", place=str(out))
        for path in sorted(files)
        if path in folders or not _is_inside(path)
    )
    _check_folder(out)
    manifest = _read_manifest(out)
    paths = sorted({*files, *manifest.files, *manifest.coming})
    _check_parents(paths, out)
    there = {path: mode for path in paths if (mode := _mode(out / path)) is not None}
    found = {path: _digest_of(out / path, mode) for path, mode in there.items()}
    _refuse(
        _stranger(out / path, digest, manifest.digests(path), files.get(path))
        for path, digest in found.items()
    )
    return manifest, {path: digest for path, digest in found.items() if digest is not None}


def _refuse(faults: Iterable[Diagnostic | None]) -> None:
    if found := [fault for fault in faults if fault is not None]:
        raise FleetError(found)


def _check_folder(out: Path) -> None:
    """Refuses a place where no folder is, and none can be made."""
    there = next(path for path in (out, *out.absolute().parents) if _mode(path) is not None)
    if not there.is_dir():
        hint = "give another path for the output folder"
        _refuse([Diagnostic("", "is not a folder", hint, str(there))])
    _refuse([_unwritable(there)])


def _check_parents(paths: Iterable[str], out: Path) -> None:
    """Refuses to go through anything but folders: a symbolic link may lead out of `out`."""
    _refuse(_unfit(out / folder) for folder in sorted(_folders(paths)))


def _folders(paths: Iterable[str]) -> set[str]:
    """Every folder on the way to the paths."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def _unfit(folder: Path) -> Diagnostic | None:
    mode = _mode(folder)
    if mode is None:
        return None
    if stat.S_ISDIR(mode):
        return _unwritable(folder)
    hint = "move it away: holo compile has files in a folder of this name"
    return Diagnostic("", "is not a folder", hint, str(folder))


def _unwritable(folder: Path) -> Diagnostic | None:
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    return Diagnostic("", "the folder is not writable", "change its mode or owner", str(folder))


def _stranger(
    path: Path,
    digest: str | None,
    ours: set[str],
    content: str | Link | None,
) -> Diagnostic | None:
    """What is wrong with a file that is in the way."""
    if not ours:
        hint = "move it away: holo compile writes a file of this name"
        return Diagnostic("", "was not written by holo compile", hint, str(path))
    new = set() if content is None else {_digest(content)}
    if digest in {*ours, *new, _digest("")}:  # nothing is lost with an empty file
        return None
    hint = (
        "move your changes away; holo compile would overwrite them"
        " (if you made none, as after a crash of the computer, delete it)"
    )
    return Diagnostic("", "was changed since holo compile wrote it", hint, str(path))


def _read_manifest(out: Path) -> _Manifest:
    manifest = out / MANIFEST
    # A run that was killed before it wrote its manifest may leave the half of one.
    if not out.exists() or all(path.name.startswith(TEMPORARY) for path in out.iterdir()):
        return _Manifest(version=1, files={})
    try:
        if stat.S_ISREG(manifest.lstat().st_mode):
            return _Manifest.model_validate_json(manifest.read_bytes())
    except (OSError, ValidationError):
        pass
    message = "the folder is not empty, and holds no manifest of ours"
    hint = "give an empty folder, or one that holo compile has written"
    raise FleetError([Diagnostic("", message, hint, str(out))])


def _write_manifest(out: Path, manifest: _Manifest) -> None:
    content = manifest.model_dump(exclude=None if manifest.coming else {"coming"})
    replace(out / MANIFEST, json.dumps(content, indent=2, sort_keys=True) + "\n")


def _digest(content: str | Link) -> str:
    text = f"link to {content.target}" if isinstance(content, Link) else content
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(path: Path, mode: int) -> str | None:
    """The digest of what is there; None for what we never write, as a folder or a socket."""
    if stat.S_ISLNK(mode):
        content = b"link to " + os.fsencode(path.readlink())
    elif stat.S_ISREG(mode):
        content = path.read_bytes()
    else:
        return None
    return hashlib.sha256(content).hexdigest()


def _mode(path: Path) -> int | None:
    """The kind and mode of what is there, not of what a link leads to; None for nothing."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _put(path: Path, content: str | Link, *, flush: bool) -> None:
    """Puts a file or link in place of what is there, be it a link.

    With `flush`, its text is on the disk before its name is, and its name before this returns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    try:
        _create(temporary, content)
        if flush and not isinstance(content, Link):
            _flush(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if flush:
        _flush(path.parent)


def _create(path: Path, content: str | Link) -> None:
    if isinstance(content, Link):
        path.symlink_to(content.target)
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - no path
        file.write(content)


def _flush(path: Path) -> None:
    """Waits until a file's text, or a folder's names, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(out: Path, path: str) -> None:
    """Removes a file of ours and the folders that it leaves empty."""
    target = out / path
    target.unlink(missing_ok=True)
    for folder in target.relative_to(out).parents:
        try:
            (out / folder).rmdir()
        except OSError:
            return
