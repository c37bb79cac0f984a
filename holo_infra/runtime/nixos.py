"""NixOS on a machine, and the configuration of it that a flake has."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from holo_infra.runtime.failure import Failure
from holo_infra.runtime.machine import Machine, succeed

SYSTEM = "/run/current-system"
_INSTALLER = '^VARIANT_ID="?installer'
"""In the os-release of the NixOS that nixos-anywhere runs from memory while it installs."""


def configuration_of(flake: Path, host: str) -> str:
    """A host's configuration, for Nix. Raises Failure where what it is made of is not fixed."""
    # Of a path that is no URL, Nix would see only what Git knows.
    url = f"path:{quote(str(flake.resolve()))}"
    lock = flake / "flake.lock"
    if not lock.is_file():
        raise Failure(f"{lock}: not there", f"fix the flake's inputs: nix flake lock {url}")
    return f"{url}#{host}"


def running_system(machine: Machine) -> str | None:
    """The system that runs, None where there is no NixOS, or one that runs from memory."""
    if machine.run(["test", "-e", "/etc/NIXOS"]).returncode != 0:
        return None
    installer = ["grep", "-E", "--quiet", _INSTALLER, "/etc/os-release"]
    if machine.run(installer).returncode == 0:
        return None
    return succeed(machine, ["readlink", "--canonicalize", SYSTEM]).strip()
