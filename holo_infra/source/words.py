"""Values in words, as messages show them."""

from __future__ import annotations

from pydantic import BaseModel

_LONGEST = 80  # characters of a text that a message shows
_WIDEST = 128  # bits of an integer that is written out


def shown(value: object) -> str:  # noqa: PLR0911 - a table
    """A value as a message shows it: short, on one line, never by code of the value's own."""
    match value:
        case None:
            return "nothing"
        case bool():
            return literal(value)
        case int() | float():
            return f"the number {literal(value)}"
        case str():
            return f"the text {quoted(value)}"
        case list() | tuple() | set() | frozenset():
            return "a list"
        case dict():
            return "a mapping"
        case BaseModel():
            return f"a {class_name(value)}"
    return f"an object of type {class_name(value)}"


def literal(value: float) -> str:
    """A boolean or number as it would be written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        bits = int.bit_length(value)
        return int.__repr__(value) if bits <= _WIDEST else f"of {bits} bits"
    return float.__repr__(value)


def quoted(text: str) -> str:
    """A text in quotes, cut and escaped."""
    plain = str.__str__(text)  # of a subclass too, and not by its own method
    return repr(plain) if len(plain) <= _LONGEST else f"{plain[:_LONGEST]!r}…"


def class_name(value: object) -> str:
    """The name of a value's class, whatever that class says of itself."""
    name = type.__dict__["__name__"].__get__(type(value))
    return str.__str__(name)


def one_line(text: str, longest: int = 300) -> str:
    """A message of other software, cut, and escaped where it is not printable."""
    plain = str.__str__(text)
    cut = plain if len(plain) <= longest else f"{plain[:longest]}…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut)
