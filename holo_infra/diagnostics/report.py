"""Prints diagnostics: for people, as JSON, and as the annotations that GitHub shows in a diff."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from holo_infra.diagnostics import Diagnostic, Place, dotted
from holo_infra.diagnostics.catalogue import CATALOGUE

Format = Literal["text", "json", "github"]

_RED, _YELLOW, _BOLD, _DIM, _OFF = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


def report(
    diagnostics: Iterable[Diagnostic],
    format: Format = "text",  # noqa: A002 - as the command's option is called
    *,
    color: bool = False,
) -> str:
    """All diagnostics, by file, line, column and field; ends in a line break where it is not empty.

    What users wrote reaches a terminal without control characters. `color` is for `text` only.
    """
    ordered = sorted(diagnostics, key=_order)
    if format == "json":
        return json.dumps([_fields(one) for one in ordered], indent=2) + "\n"
    line = _annotation if format == "github" else _coloured if color else str
    return "".join(f"{line(_printable(one))}\n" for one in ordered)


def _order(diagnostic: Diagnostic) -> tuple[str, int, int, list[str], str, str]:
    place = diagnostic.place or Place("")
    path = [str(part) for part in diagnostic.path]
    code, message = diagnostic.code, diagnostic.message
    return place.file, place.line, place.column, path, code, message


def _printable(diagnostic: Diagnostic) -> Diagnostic:
    place = diagnostic.place
    return replace(
        diagnostic,
        path=tuple(part if isinstance(part, int) else _escaped(part) for part in diagnostic.path),
        message=_escaped(diagnostic.message),
        hint=_escaped(diagnostic.hint),
        place=place and replace(place, file=_escaped(place.file)),
    )


def _escaped(text: str) -> str:
    """Text whose control characters, terminal escapes and line breaks are written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _coloured(diagnostic: Diagnostic) -> str:
    """As `str` writes it; severity and code stand out, and the hint stands back."""
    kind = f"{CATALOGUE[diagnostic.code].severity}[{diagnostic.code}]"
    colour = _RED if diagnostic.is_error else _YELLOW
    where = f"{_BOLD}{diagnostic.place}:{_OFF} " if diagnostic.place else ""
    subject = f"{_BOLD}{dotted(diagnostic.path)}{_OFF}: " if diagnostic.path else ""
    hint = f"\n{_DIM}  hint: {diagnostic.hint}{_OFF}" if diagnostic.hint else ""
    return f"{where}{_BOLD}{colour}{kind}{_OFF} {subject}{diagnostic.message}{hint}"


def _fields(diagnostic: Diagnostic) -> dict[str, object]:
    place = diagnostic.place
    return {
        "code": diagnostic.code,
        "severity": CATALOGUE[diagnostic.code].severity,
        "path": list(diagnostic.path),
        "field": dotted(diagnostic.path),
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        "file": place.file if place else None,
        "line": (place.line or None) if place else None,
        "column": (place.column or None) if place else None,
    }


def _annotation(diagnostic: Diagnostic) -> str:
    """A workflow command of GitHub Actions."""
    place = diagnostic.place or Place("")
    given = [("file", place.file), ("line", place.line), ("col", place.column)]
    properties = [(name, value) for name, value in given if value]
    properties.append(("title", diagnostic.code))
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties)
    subject = f"{dotted(diagnostic.path)}: " if diagnostic.path else ""
    hint = f"\n{diagnostic.hint}" if diagnostic.hint else ""
    message = _data(f"{subject}{diagnostic.message}{hint}")
    return f"::{CATALOGUE[diagnostic.code].severity} {told}::{message}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
