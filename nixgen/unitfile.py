"""Unit files: text of what NixOS's options for services and sockets take, and its meaning.

The form is that of nixpkgs (`nixos/lib/systemd-lib.nix`): lists repeat a key, booleans are words.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

_UNIT_KEYS = {
    "requires": "Requires",
    "requisite": "Requisite",
    "wants": "Wants",
    "after": "After",
    "before": "Before",
    "bindsTo": "BindsTo",
    "partOf": "PartOf",
    "conflicts": "Conflicts",
}

_QUOTED = json.JSONEncoder(ensure_ascii=False).encode

Sections = dict[str, dict[str, list[str]]]
"""What a unit says: section -> key -> values."""


def render(unit: Mapping[str, Any]) -> str:
    """A service or socket unit as text, with its `[Install]`."""
    unit_section: dict[str, Any] = {}
    if "description" in unit:
        unit_section["Description"] = unit["description"]
    for option, key in _UNIT_KEYS.items():
        if unit.get(option):
            unit_section[key] = " ".join(unit[option])
    unit_section |= unit.get("unitConfig", {})
    if triggers := unit.get("restartTriggers"):
        unit_section["X-Restart-Triggers"] = hashlib.sha256("".join(triggers).encode()).hexdigest()
    environment = unit.get("environment", {})
    assignments = [_QUOTED(f"{name}={environment[name]}") for name in environment]
    service = ({"Environment": assignments} if assignments else {}) | unit.get("serviceConfig", {})
    if unit.get("reloadIfChanged"):
        service["X-ReloadIfChanged"] = True
    streams = unit.get("listenStreams")
    socket = unit.get("socketConfig", {}) | ({"ListenStream": streams} if streams else {})
    sections = {"Unit": unit_section, "Service": service, "Socket": socket}
    if unit.get("wantedBy"):
        sections["Install"] = {"WantedBy": " ".join(unit["wantedBy"])}
    parts = [f"[{name}]\n{_section(values)}" for name, values in sections.items() if values]
    return "\n".join(parts)


def _section(values: Mapping[str, Any]) -> str:
    lines = []
    for key in sorted(values):
        value = values[key]
        if isinstance(value, list):
            lines += [f"{key}={_word(item)}\n" for item in value]
        else:
            lines.append(f"{key}={_word(value)}\n")
    return "".join(lines)


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


NIXOS_ADDITIONS = frozenset({"PATH", "LOCALE_ARCHIVE", "TZDIR"})
"""Variables that NixOS adds to every service. It also adds keys that begin with `X-`."""

_EXEC = re.compile(r"Exec(Start|StartPre|StartPost|Stop|StopPost|Reload|Condition)")
_LISTS = frozenset({*_UNIT_KEYS.values(), "WantedBy", "RequiredBy"})
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))",
    re.DOTALL,
)
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "s": " ", "t": "\t", "v": "\v"}


def parse(text: str) -> Sections:
    """What a unit file says, read as systemd reads it, without what NixOS adds on its own.

    Command lines come as JSON lists of words, environments as sorted assignments, dependencies as
    names. Raises ValueError with the line where the text is no unit file.
    """
    sections: Sections = {}
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith(("#", ";")):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        key, separator, value = line.partition("=")
        if not separator or not section or line.endswith("\\"):
            message = f"line {number} is no assignment in a section: {line!r}"
            raise ValueError(message)
        if not key.startswith("X-"):
            values = sections.setdefault(section, {}).setdefault(key, [])
            values += _values(key, value.strip())
    environment = sections.get("Service", {}).pop("Environment", [])
    if kept := sorted(a for a in environment if a.split("=")[0] not in NIXOS_ADDITIONS):
        sections["Service"]["Environment"] = kept
    return sections


def _values(key: str, value: str) -> list[str]:
    if _EXEC.fullmatch(key):
        return [json.dumps(words(value), ensure_ascii=False)]
    if key == "Environment":
        return words(value)
    return value.split() if key in _LISTS else [value]


def words(line: str) -> list[str]:
    """The words of a command line or list of assignments: systemd.syntax(7), "Quoting".

    Specifiers and variables are left as they are. Raises ValueError for an open quotation.
    """
    found: list[str] = []
    word: list[str] = []
    started = False  # a word may be empty, between quotes
    quote = ""
    position = 0
    while position < len(line):
        character = line[position]
        match = _ESCAPE.match(line, position) if character == "\\" else None
        position = match.end() if match else position + 1
        if not quote and not match and character in " \t":
            if started:
                found.append("".join(word))
            word, started = [], False
            continue
        started = True
        if match:
            word.append(_unescape(match))
        elif character == quote:
            quote = ""
        elif not quote and character in "\"'":
            quote = character
        else:
            word.append(character)
    if quote:
        message = f"a quotation is not closed: {line!r}"
        raise ValueError(message)
    return [*found, "".join(word)] if started else found


def _unescape(match: re.Match[str]) -> str:
    for group, base in ((1, 16), (2, 16), (3, 16), (4, 8)):
        if match[group]:
            return chr(int(match[group], base))
    return _SIMPLE.get(match[5], match[5])
