"""The manifest: which files of the folder are ours, and the digests of what we wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

MANIFEST = "manifest.json"
_VERSION = 1
_DIGEST = re.compile("[0-9a-f]{64}")


def is_inside(path: str) -> bool:
    """Whether a path is relative, normalised, and stays in the folder; the manifest's is not."""
    parts = path.split("/")
    return "\0" not in path and path != MANIFEST and not {"", ".", ".."}.intersection(parts)


def folders(paths: Iterable[str]) -> set[str]:
    """Every folder on the way to the paths, without the outermost."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def parse(content: bytes) -> dict[str, str]:
    """Path -> SHA-256 in hex; raises ValueError for anything that we would not have written.

    By hand: a model of pydantic takes three times as long for a million files.
    """
    try:
        manifest = json.loads(content.decode())
    except RecursionError:
        raise ValueError("nested too deep") from None
    match manifest:
        case {"files": dict(files), "version": int(version), **rest} if not rest:
            pass
        case _:
            raise ValueError("not a manifest")
    if version != _VERSION or isinstance(version, bool):
        raise ValueError("another version")
    for path, digest in files.items():
        if not is_inside(path) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError(f"no path inside the folder, or no digest: {path!r}")
    return files


def render(files: dict[str, str]) -> str:
    """One line a file, in order."""
    # `indent` would take json's slow encoder; this separator gives the same lines.
    lines = json.dumps(files, separators=(",\n    ", ": "), sort_keys=True)[1:-1]
    body = f"{{\n    {lines}\n  }}" if files else "{}"
    return f'{{\n  "files": {body},\n  "version": {_VERSION}\n}}\n'
