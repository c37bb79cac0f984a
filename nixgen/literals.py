"""Python values as Nix source: strings, attribute names, integers. Knows no layout.

The grammar is that of the Nix manual, "Data types" and "String literals".
"""

from __future__ import annotations

import re

from nixgen.errors import RefusedValueError

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1

KEYWORDS = frozenset(
    {"assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"},
)

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "${": "\\${"}
_TO_ESCAPE = re.compile(r'\$\{|[\\"\n\r\t]')


def escape(value: str) -> str:
    """The inside of a `"…"` string: evaluates to exactly `value`, interpolates nothing.

    Raises RefusedValueError for NUL and for lone surrogates, which no Nix string can hold.
    """
    check_text(value)
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], value)


def check_text(value: str) -> str:
    """`value` itself, or RefusedValueError when a Nix string cannot hold it."""
    if "\0" in value:
        message = f"a NUL character cannot be part of a Nix string: {value!r}"
        raise RefusedValueError(message)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            message = f"not valid Unicode text: {value!r} ({error.reason})"
            raise RefusedValueError(message) from None
    return value


def string(value: str) -> str:
    """A `"…"` literal."""
    return f'"{escape(value)}"'


def is_identifier(name: str) -> bool:
    """Whether `name` can stand as an attribute name or variable without quotes."""
    return _IDENTIFIER.fullmatch(name) is not None and name not in KEYWORDS


def attribute(name: str) -> str:
    """An attribute name, quoted where the grammar asks for it."""
    return name if is_identifier(name) else string(name)


def integer(value: int) -> str:
    """An integer literal; RefusedValueError outside 64 bits.

    The smallest integer has no literal of its own: its digits without the sign are out of range.
    """
    check_integer(value)
    if value == INTEGER_MIN:
        return f"({INTEGER_MIN + 1} - 1)"
    return str(value)


def check_integer(value: int) -> int:
    """`value` itself, or RefusedValueError when it does not fit Nix's signed 64 bits."""
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        message = f"{value} does not fit a Nix integer (64 bits, signed)"
        raise RefusedValueError(message)
    return value
