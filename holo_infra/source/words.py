"""Values, and the forms that they must have, in words."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from holo_infra.model import names
from holo_infra.model.fleet import Fleet, Host
from nixgen import PackageName, PlainText

_LONGEST = 80  # characters of a text that a message shows
_WIDEST = 128  # bits of an integer that is written out


class Form(NamedTuple):
    """What a text must look like."""

    noun: str
    """What such a text is, with its article."""
    rule: str
    """What makes it one."""


_FORMS: list[tuple[Any, Form]] = [
    (
        names.HostName,
        Form(
            "a name",
            "lower-case letters, digits and hyphens, a letter first, no hyphen last,"
            " at most 63 characters",
        ),
    ),
    (
        names.ForwardName,
        Form(
            "a forward's name",
            "lower-case letters and digits, a letter first, at most 63 characters",
        ),
    ),
    (
        names.UnitName,
        Form(
            "a unit's name",
            "lower-case letters, digits and hyphens, a letter first, no hyphen last,"
            " at most 26 characters, without .service",
        ),
    ),
    (names.IPv4, Form("an IPv4 address", "four numbers of 0 to 255 as in 10.0.85.2")),
    (
        names.IPv4Network,
        Form("an IPv4 network", "an address, a slash and 0 to 32, as in 10.64.0.0/16"),
    ),
    (
        names.Listener,
        Form("a listener", "address and port as in 0.0.0.0:22, and /udp where it is UDP"),
    ),
    (
        names.AbsolutePath,
        Form("an absolute path", "it begins with / and holds no control characters"),
    ),
    (
        names.ModulePath,
        Form(
            "a module of the output folder",
            "a path inside it that ends in .nix, as in machines/alpha.nix",
        ),
    ),
    (
        names.MemorySize,
        Form("a size", "bytes, or a whole number with K, M, G or T, as in 512M"),
    ),
    (
        names.SecretName,
        Form(
            "a secret's name",
            "letters, digits, `_`, `.` and `-`, a letter or `_` first, at most 200 characters",
        ),
    ),
    (
        names.DirectiveName,
        Form("a directive", "letters and digits, an upper-case letter first, as in MemoryMax"),
    ),
    (
        names.VariableName,
        Form("a variable's name", "letters, digits and `_`, no digit first"),
    ),
    (
        names.VariableValue,
        Form("a variable's value", "it holds no control characters but tab and line break"),
    ),
    (names.Probe, Form("a probe", "tcp, none, or http: and a path, as in http:/health")),
    (
        PlainText,
        Form(
            "plain text",
            "one line without backslash and control characters, no space first or last",
        ),
    ),
    (
        PackageName,
        Form("a package's name", "its attribute path in nixpkgs, as in python3Packages.flask"),
    ),
    (
        Host.model_fields["state_version"],
        Form("a release of NixOS", "year and month as in 26.05"),
    ),
    (
        Fleet.model_fields["name"],
        Form("a fleet's name", "lower-case letters, digits and hyphens, a letter first"),
    ),
]


@cache
def forms() -> dict[str, Form]:
    """Forms by the pattern that pydantic checks them with."""
    return {pattern: form for type_, form in _FORMS for pattern in _patterns(type_)}


def _patterns(type_: Any) -> list[str]:
    field = type_ if isinstance(type_, FieldInfo) else FieldInfo.from_annotation(type_)
    texts = (getattr(item, "pattern", None) for item in field.metadata)
    return [text for text in texts if isinstance(text, str)]


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
