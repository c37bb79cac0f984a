"""Digests of what was compiled for a host: equal where a deployment has nothing to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import astuple

from holo_infra.lower import LoweredFleet
from holo_infra.targets import Files, Link
from holo_infra.targets.nixos import FlakeInputs, nixos
from holo_infra.targets.systemd import systemd


def unit_content(fleet: LoweredFleet, host: str) -> str:
    """The digest of a host's unit bundle."""
    return digest(systemd(_alone(fleet, host)))


def nixos_content(fleet: LoweredFleet, host: str, files: Files, inputs: FlakeInputs) -> str:
    """The digest of a host's module, of its containers' classes, and of where the flake looks.

    And of its provider, which brings a module. Not of `flake.nix` itself, which names every other
    host; and not of modules of the user's.
    """
    provider = fleet.hosts[host].model.provider
    return digest({path: files[path] for path in _paths(fleet, host)}, provider, *astuple(inputs))


def nixos_files(fleet: LoweredFleet, host: str) -> Files:
    """A host's module and its containers' classes, which are the same wherever the flake looks."""
    files = nixos(_alone(fleet, host), FlakeInputs())
    return {path: files[path] for path in _paths(fleet, host)}


def _paths(fleet: LoweredFleet, host: str) -> list[str]:
    classes = sorted({*fleet.hosts[host].classes.values()})
    return [f"hosts/{host}.nix", *(f"classes/{name}.nix" for name in classes)]


def _alone(fleet: LoweredFleet, host: str) -> LoweredFleet:
    """The fleet with this host only."""
    lowered = fleet.hosts[host]
    classes = {name: fleet.classes[name] for name in lowered.classes.values()}
    return LoweredFleet(fleet.name, {host: lowered}, classes)


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
