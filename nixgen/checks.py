"""Checks of values beside their types: what Nix, systemd or JSON from both sides cannot hold."""

from __future__ import annotations

from typing import Any

from nixgen import literals
from nixgen.errors import RefusedValueError

MAX_TEXT = 65536
"""Bytes of one value: below what the kernel takes as one argument, and systemd as one line."""


def check_text(value: str) -> str:
    """Refuses what Nix or systemd cannot hold: NUL, noncharacters, more than MAX_TEXT bytes."""
    try:
        literals.check_text(value)
    except RefusedValueError as error:
        raise ValueError(str(error)) from None
    if len(value) * 4 > MAX_TEXT and len(value.encode()) > MAX_TEXT:
        message = f"longer than {MAX_TEXT} bytes"
        raise ValueError(message)
    if not value.isascii() and (odd := next(filter(_is_noncharacter, value), None)):
        message = f"systemd refuses the noncharacter U+{ord(odd):04X}"
        raise ValueError(message)
    return value


def _is_noncharacter(character: str) -> bool:
    code = ord(character)
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE  # noqa: PLR2004 - Unicode's own


def check_data(value: Any) -> Any:
    """Refuses what JSON from Nix and from Python would not say alike."""
    match value:
        case None | bool():
            return value
        case int():
            return _check_integer(value)
        case str():
            if odd := next((c for c in value if c < " " and c not in "\t\n"), None):
                message = f"the control character U+{ord(odd):04X} has no place in a configuration"
                raise ValueError(message)
            return check_text(value)
        case list():
            return [check_data(item) for item in value]
        case dict():
            return {check_data(_key(name)): check_data(item) for name, item in value.items()}
        case float():
            message = "Nix and Python write fractions differently: use a whole number, or text"
        case _:
            message = f"{type(value).__name__} is nothing that JSON knows"
    raise ValueError(message)


def _key(name: Any) -> str:
    if not isinstance(name, str):
        message = f"names are text, not {name!r}: put them in quotes"
        raise ValueError(message)  # noqa: TRY004 - pydantic tells ValueError to the user
    return name


def _check_integer(value: int) -> int:
    try:
        return literals.check_integer(value)
    except RefusedValueError as error:
        raise ValueError(str(error)) from None
