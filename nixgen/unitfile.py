"""Unit files: text of what NixOS's `systemd.services.<name>` takes, and its meaning read back.

The form is that of nixpkgs (`nixos/lib/systemd-lib.nix`): lists repeat a key, booleans are words.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

_UNIT_KEYS = {
    "requires": "Requires",
    "wants": "Wants",
    "after": "After",
    "before": "Before",
    "bindsTo": "BindsTo",
    "partOf": "PartOf",
}

Sections = dict[str, dict[str, list[str]]]
"""What a unit says: section -> key -> values."""


def render(unit: Mapping[str, Any]) -> str:
    """A service unit as text, with its `[Install]`."""
    unit_section: dict[str, Any] = {}
    if "description" in unit:
        unit_section["Description"] = unit["description"]
    for option, key in _UNIT_KEYS.items():
        if unit.get(option):
            unit_section[key] = " ".join(unit[option])
    unit_section |= unit.get("unitConfig", {})
    environment = unit.get("environment", {})
    assignments = [
        json.dumps(f"{name}={environment[name]}", ensure_ascii=False) for name in environment
    ]
    service = ({"Environment": assignments} if assignments else {}) | unit.get("serviceConfig", {})
    sections = {"Unit": unit_section, "Service": service}
    if unit.get("wantedBy"):
        sections["Install"] = {"WantedBy": " ".join(unit["wantedBy"])}
    parts = [f"[{name}]\n{_section(values)}" for name, values in sections.items() if values]
    return "\n".join(parts)


def _section(values: Mapping[str, Any]) -> str:
    lines = []
    for key in sorted(values):
        value = values[key]
        lines += [
            f"{key}={_word(item)}\n" for item in (value if isinstance(value, list) else [value])
        ]
    return "".join(lines)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
