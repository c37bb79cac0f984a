"""Digests of what was compiled for a host: equal where a deployment has nothing to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple

from holo_infra.lower import LoweredFleet
from holo_infra.targets import Files, Link
from holo_infra.targets.nixos import FlakeInputs
from holo_infra.targets.systemd import systemd


def unit_content(fleet: LoweredFleet, host: str) -> str:
    """The digest of a host's unit bundle."""
    lowered = fleet.hosts[host]
    classes = {name: fleet.classes[name] for name in lowered.classes.values()}
    return digest(systemd(LoweredFleet(fleet.name, {host: lowered}, classes)))


def nixos_content(fleet: LoweredFleet, host: str, files: Files, inputs: FlakeInputs) -> str:
    """The digest of a host's module, of its containers' classes, and of where the flake looks.

    Not of `flake.nix` itself, which names every other host; and not of modules of the user's.
    """
    paths = [f"hosts/{host}.nix"]
    paths += [f"classes/{name}.nix" for name in sorted({*fleet.hosts[host].classes.values()})]
    return digest({path: files[path] for path in paths}, *astuple(inputs))


def digest(files: Files, *more: str) -> str:
    """SHA-256 of files with their paths, and of more words, in this order."""
    told = hashlib.sha256()
    for part in (*more, *_parts(files)):
        content = part.encode()
        told.update(b"%d\n" % len(content))
        told.update(content)
    return told.hexdigest()


def _parts(files: Files) -> Iterator[str]:
    for path, content in sorted(files.items()):
        yield path
        yield f"-> {content.target}" if isinstance(content, Link) else content
