"""Files that services read: their configuration, and secrets."""

from __future__ import annotations

from typing import Any

FOLDER = "holo/services"
"""Below /etc: configuration files of services, on a host as in a container."""


def config_file(name: str, content: str) -> dict[str, Any]:
    """A configuration file as NixOS's `environment.etc` takes it."""
    return {f"{FOLDER}/{name}": {"text": content}}


def file_path(name: str) -> str:
    """Where a service finds its configuration file."""
    return f"/etc/{FOLDER}/{name}"


def credential(unit: str, name: str) -> str:
    """Where a unit finds a secret that it was given by `LoadCredential=` (systemd.exec(5))."""
    return f"/run/credentials/{unit}.service/{name}"
