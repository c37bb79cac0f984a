"""The manifest: which files of the folder are ours, their digests, and what they were made from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NamedTuple

MANIFEST = "manifest.json"
_VERSION = 1
_MAY = {"made_from"}
_DIGEST = re.compile("[0-9a-f]{64}")


class Manifest(NamedTuple):
    """What the folder holds by our own account."""

    files: dict[str, str]
    """Path -> SHA-256 of its content, in hex."""
    made_from: str | None = None
    """SHA-256 of all that the files were made from, where that is known."""


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


def parse(content: bytes) -> Manifest:
    """Raises ValueError for anything that we would not have written.

    By hand: a model of pydantic takes three times as long for a million files.
    """
    try:
        manifest = json.loads(content.decode())
    except RecursionError:
        raise ValueError("nested too deep") from None
    match manifest:
        case {"files": dict(files), "version": int(version), **rest} if rest.keys() <= _MAY:
            made_from = rest.get("made_from")
        case _:
            raise ValueError("not a manifest")
    if version != _VERSION or isinstance(version, bool):
        raise ValueError("another version")
    if made_from is not None and not _is_digest(made_from):
        raise ValueError("made from no digest")
    for path, digest in files.items():
        if not is_inside(path) or not _is_digest(digest):
            raise ValueError(f"no path inside the folder, or no digest: {path!r}")
    return Manifest(files, None if made_from is None else str(made_from))


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def render(manifest: Manifest) -> str:
    """One line a file, in order."""
    # `indent` would take json's slow encoder; this separator gives the same lines.
    lines = json.dumps(manifest.files, separators=(",\n    ", ": "), sort_keys=True)[1:-1]
    body = f"{{\n    {lines}\n  }}" if manifest.files else "{}"
    made_from = f'  "made_from": "{manifest.made_from}",\n' if manifest.made_from else ""
    return f'{{\n  "files": {body},\n{made_from}  "version": {_VERSION}\n}}\n'
