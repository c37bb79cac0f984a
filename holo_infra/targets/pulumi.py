"""The target `pulumi`: what a stack must know of each host. Where machines are, it does not say."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from holo_infra.lower import LoweredFleet, LoweredHost
from holo_infra.services.containers import container_unit
from holo_infra.targets import Files
from holo_infra.targets.content import digest, nixos_content
from holo_infra.targets.nixos import FlakeInputs
from nixgen.unitfile import parse

STACK = "pulumi.json"
"""The file's path in the output folder."""
VERSION = 1


def pulumi(
    fleet: LoweredFleet,
    files: Files,
    inputs: FlakeInputs,
    packages: Mapping[str, Sequence[str]],
) -> Files:
    """The file of a fleet, of which all other files are given.

    `packages`: what Debian must have on machines that are made, by host.
    """
    bundles: dict[str, Files] = defaultdict(dict)
    for path, content in files.items():
        folder, _, below = path.partition("/")
        if folder == "systemd":
            bundles[below.partition("/")[0]][path] = content
    hosts = {
        name: _host(
            host,
            bundles[name],
            digest(bundles[name])
            if host.model.platform == "systemd"
            else nixos_content(fleet, name, files, inputs),
            packages.get(name, ()),
        )
        for name, host in sorted(fleet.hosts.items())
    }
    told = {"version": VERSION, "fleet": fleet.name, "hosts": hosts}
    return {STACK: json.dumps(told, indent=2, ensure_ascii=False) + "\n"}


def _host(
    host: LoweredHost, bundle: Files, content: str, packages: Sequence[str]
) -> dict[str, Any]:
    model = host.model
    secrets = {path: sorted(users) for path, users in sorted(_secrets(host, bundle).items())}
    return {
        "platform": model.platform,
        "provider": model.provider,
        "content": content,
        "imports": model.imports,
        "packages": list(packages),
        "drain": model.drain,
        "secrets": secrets,
    }


def _secrets(host: LoweredHost, bundle: Files) -> dict[str, set[str]]:
    """Files with secrets, and the units of the host that read them when they start."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, container in host.model.containers.items():
        for path in container.secrets.values():
            found[path].add(container_unit(name))
    for path, text in bundle.items():
        folder, _, unit = path.rpartition("/")
        if folder.endswith("/host") and isinstance(text, str) and unit.endswith(".service"):
            for line in parse(text).get("Service", {}).get("LoadCredential", []):
                _, _, file = line.partition(":")
                if file.startswith("/"):
                    found[file].add(unit)
    return found
