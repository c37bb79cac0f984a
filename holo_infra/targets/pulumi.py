"""The target `pulumi`: what a stack must know of each host. Where machines are, it does not say."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from holo_infra.lower import LoweredFleet, LoweredHost
from holo_infra.targets import Files
from holo_infra.targets.content import digest, nixos_content
from holo_infra.targets.nixos import FlakeInputs

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
            digest(bundles[name])
            if host.model.platform == "systemd"
            else nixos_content(fleet, name, files, inputs),
            packages.get(name, ()),
        )
        for name, host in sorted(fleet.hosts.items())
    }
    told = {"version": VERSION, "fleet": fleet.name, "hosts": hosts}
    return {STACK: json.dumps(told, indent=2, ensure_ascii=False) + "\n"}


def _host(host: LoweredHost, content: str, packages: Sequence[str]) -> dict[str, Any]:
    model = host.model
    secrets = {path for one in model.containers.values() for path in one.secrets.values()}
    for _, service in model.services.present():
        secrets |= {path for path in service.secret_files.values() if path.startswith("/")}
    return {
        "platform": model.platform,
        "provider": model.provider,
        "content": content,
        "imports": model.imports,
        "packages": list(packages),
        "drain": model.drain,
        "secrets": sorted(secrets),
    }
