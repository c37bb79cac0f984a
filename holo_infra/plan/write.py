"""Writes compiled files into a folder that is ours by its manifest; all else in it is the user's.

Each file is replaced as a whole, the manifest last: what a stopped run has written is found and
taken over by the next.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.targets import Files, Link

MANIFEST = "manifest.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Written:
    """The paths that a run has changed, in order."""

    written: tuple[str, ...]
    removed: tuple[str, ...]


def write(files: Files, out: Path) -> Written:
    """Makes the files that the folder holds by its manifest equal to `files`.

    Raises FleetError, before anything is written, where the folder or a file in it is not ours.
    """
    before = check(files, out)
    digests = {path: _digest(content) for path, content in files.items()}
    manifest = _render_manifest({**before, **digests})
    changed = [path for path in sorted(files) if not _is_same(out / path, files[path])]
    gone = [path for path in sorted(before) if path not in files]
    if changed or gone or before != digests:
        replace(out / MANIFEST, manifest)  # what comes is ours before it is there
    for path in changed:
        replace(out / path, files[path])
    for path in gone:
        _remove(out, path)
    if changed or gone or before != digests:
        replace(out / MANIFEST, _render_manifest(digests))
    return Written(tuple(changed), tuple(gone))


def check(files: Files, out: Path) -> dict[str, str]:
    """What the folder holds by its manifest: path -> digest. Writes nothing.

    Raises FleetError where the folder, or a file in the way, is not ours.
    """
    owned = _owned(out)
    foreign = [path for path in files if path not in owned and os.path.lexists(out / path)]
    if foreign:
        hint = "move it away: holo compile writes a file of this name"
        message = "was not written by holo compile"
        raise FleetError([Diagnostic("", message, hint, str(out / path)) for path in foreign])
    return owned


def replace(path: Path, content: str | Link) -> None:
    """Puts a file or link in place of what is there, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    if isinstance(content, Link):
        temporary.symlink_to(content.target)
    else:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)


def _owned(out: Path) -> dict[str, str]:
    """What the folder's manifest lists: path -> digest."""
    manifest = out / MANIFEST
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return {}
    try:
        read = json.loads(manifest.read_text(encoding="utf-8"))
        owned: dict[str, str] = read["files"]
        if any(Path(path).is_absolute() or ".." in Path(path).parts for path in owned):
            raise ValueError(owned)  # noqa: TRY301 - as any other manifest that we did not write
    except (OSError, ValueError, KeyError, TypeError):
        message = "the folder is not empty, and holds no manifest of ours"
        hint = "give an empty folder, or one that holo compile has written"
        raise FleetError([Diagnostic("", message, hint, str(out))]) from None
    return owned


def _digest(content: str | Link) -> str:
    text = f"link to {content.target}" if isinstance(content, Link) else content
    return hashlib.sha256(text.encode()).hexdigest()


def _is_same(path: Path, content: str | Link) -> bool:
    if isinstance(content, Link):
        return path.is_symlink() and str(path.readlink()) == content.target
    try:
        return not path.is_symlink() and path.read_bytes() == content.encode()
    except OSError:
        return False


def _remove(out: Path, path: str) -> None:
    """Removes a file of ours and the folders that it leaves empty."""
    target = out / path
    target.unlink(missing_ok=True)
    for folder in target.relative_to(out).parents:
        try:
            (out / folder).rmdir()
        except OSError:
            return


def _render_manifest(digests: Mapping[str, str]) -> str:
    return json.dumps({"version": VERSION, "files": digests}, indent=2, sort_keys=True) + "\n"
