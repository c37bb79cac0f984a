"""Documents that break their lines where they must: groups, nesting, lines (after Wadler).

Knows no Nix. A group is set on one line when it fits, else each of its lines breaks.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A place to break: `flat` when the group fits on a line."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class HardLine:
    """Always breaks, and every group around it."""


@dataclass(frozen=True, slots=True)
class Nest:
    """Lines inside start two columns further right."""

    inner: Doc


@dataclass(frozen=True, slots=True)
class Group:
    """Set on one line, or broken, as a whole."""

    inner: Doc


Doc = str | Line | HardLine | Nest | Group | tuple["Doc", ...]

SOFT = Line("")
LINE = Line()
HARD = HardLine()
INDENT = 2


def layout(doc: Doc, width: int = 100) -> str:
    """The document as text, lines at most `width` columns where it can be had."""
    out: list[str] = []
    column = 0
    stack: list[tuple[int, bool, Doc]] = [(0, False, doc)]
    while stack:
        indent, flat, item = stack.pop()
        match item:
            case str():
                out.append(item)
                column += len(item)
            case tuple():
                stack.extend((indent, flat, part) for part in reversed(item))
            case Nest(inner):
                stack.append((indent + INDENT, flat, inner))
            case Group(inner):
                fits = flat or _fits(width - column, inner, stack)
                stack.append((indent, fits, inner))
            case Line(text) if flat:
                out.append(text)
                column += len(text)
            case _:
                out.append("\n" + " " * indent)
                column = indent
    lines = "".join(out).split("\n")
    return "\n".join(line.rstrip() for line in lines)


def _fits(room: int, item: Doc, rest: list[tuple[int, bool, Doc]]) -> bool:
    """Whether the item, flat, and what follows up to the next break fit; a hard line never does."""
    stack: list[tuple[bool, Doc]] = [(True, item)]
    following = len(rest)
    while room >= 0:
        if not stack:
            if following == 0:
                return True
            following -= 1
            stack.append(rest[following][1:])
        flat, part = stack.pop()
        match part:
            case str():
                room -= len(part)
            case tuple():
                stack.extend((flat, inner) for inner in reversed(part))
            case Nest(inner) | Group(inner):
                stack.append((flat, inner))
            case Line(text) if flat:
                room -= len(text)
            case _:
                return not flat
    return False
