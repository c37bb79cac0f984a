"""Checks of values beside their types: what Nix, systemd or JSON from both sides cannot hold."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from nixgen import literals
from nixgen.errors import RefusedValueError

MAX_TEXT = 65536
"""Bytes of one value: below what the kernel takes as one argument, and systemd as one line."""

MAX_DEPTH = 100
"""How deep data may be nested."""

NAMES_OF_NIX = frozenset({"_type", "outPath", "__toString", "__functor"})
"""Names of attributes by which Nix takes a set for a condition, a text or a function.

Python refuses them wherever a user gives the names. Modules leave them alone: in Nix by hand they
may be meant, and `lib.mkIf` has done its work before a module could see its `_type`.
"""


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


def check_name(name: str) -> str:
    """Refuses the names of NAMES_OF_NIX."""
    if name in NAMES_OF_NIX:
        message = f"Nix gives the name {name!r} a meaning of its own"
        raise ValueError(message)
    return name


def _check_keys(schema: Any) -> None:
    """Puts the check at the keys of each mapping; at parts that are models it stands already."""
    match schema:
        case {"type": "dict", "keys_schema": keys}:
            if keys.get("function", {}).get("function") is not check_name:
                schema["keys_schema"] = core_schema.no_info_after_validator_function(
                    check_name, keys
                )
            _check_keys(schema.get("values_schema"))
        case dict():
            for part in schema.values():
                _check_keys(part)
        case list() | tuple():
            for part in schema:
                _check_keys(part)


class CheckedNames(BaseModel):
    """Base of models whose mappings become attribute sets: their keys pass `check_name`."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        """The model's schema, with the check at the keys of each mapping."""
        schema = handler(source)
        _check_keys(schema)
        return schema


def check_data(value: Any) -> Any:
    """Refuses what JSON from Nix and from Python would not say alike, and what is too deep.

    What says that it is a number, a text, a list or a mapping, and has methods of its own, becomes
    the plain one.
    """
    return _data(value, MAX_DEPTH)


def _data(value: Any, depth: int) -> Any:
    if depth == 0:
        message = f"data in more than {MAX_DEPTH} sets and lists"
        raise ValueError(message)
    match value:
        case None | bool():
            return value
        case int():
            return _check_integer(int.__int__(value))
        case str():
            value = str.__str__(value)
            if odd := next((c for c in value if c < " " and c not in "\t\n"), None):
                message = f"the control character U+{ord(odd):04X} has no place in a configuration"
                raise ValueError(message)
            return check_text(value)
        case list():
            return [_data(item, depth - 1) for item in list.__iter__(value)]
        case dict():
            return {
                _data(_key(name), depth): _data(item, depth - 1) for name, item in dict.items(value)
            }
        case float():
            message = "Nix and Python write fractions differently: use a whole number, or text"
        case _:
            message = f"{type(value).__name__} is nothing that JSON knows"
    raise ValueError(message)


def _key(name: Any) -> str:
    if not isinstance(name, str):
        message = f"names are text, not {name!r}: put them in quotes"
        raise ValueError(message)  # noqa: TRY004 - pydantic tells ValueError to the user
    return check_name(str.__str__(name))


def _check_integer(value: int) -> int:
    try:
        return literals.check_integer(value)
    except RefusedValueError as error:
        raise ValueError(str(error)) from None
