"""Random values of nixgen's types: hostile text, bounds, names that occur twice. Repeatable."""

from __future__ import annotations

import random
import string
from collections.abc import Collection
from re import _constants as codes  # type: ignore[attr-defined]  # the standard library's own parse
from re import _parser as parser  # type: ignore[attr-defined]  # tree of a pattern has no public name
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nixgen import types
from nixgen.literals import INTEGER_MAX, INTEGER_MIN
from nixgen.pattern import ASCII, Pattern, for_python

HOSTILE = [
    *("${", "}", "${x}", "$${", "''", "''${x}", "$", "$$", "%", "%%", "%n", "%h", "\\", "\\n", '"'),
    *("'", " ", "  ", ";", "#", "=", "\n", "\r", "\t", "\x01", "\x08", "\x1f", "\x7f", "\x85"),
    *("é", "ß", "漢", "🜨", "\u2028", "+", "-", "@", "!", ":", "/", ".", "..", "{", "if", "rec"),
    *("${HOLO_ADDRESS}", "$HOLO_ADDRESS", "$(id)", "`id`", "\\x41", "\\u0041", "&&", "|", "*"),
]
"""Pieces that mean something to Nix, systemd, a shell or a terminal."""

KEYWORDS = ["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with", "null"]
NAMES = ["a", "b", "a-b", "web0", "web1", "admin", "httpgw", "x1"]
NEARLY_OF_NIX = ["type", "_module", "imports", "config", "recurseForDerivations", "name", "meta"]
"""Names that Nix or nixpkgs know, and that are plain data as options' values."""
PACKAGES = ["busybox", "hello", "socat", "curl"]
ZEROS = "/nix/store/00000000000000000000000000000000-"

M = TypeVar("M", bound=BaseModel)


def text(rng: random.Random) -> str:
    """Any text that Nix can hold, most of it chosen to hurt."""
    pieces = rng.choices(HOSTILE, k=rng.randrange(5))
    plain = "".join(rng.choices(string.ascii_letters + string.digits + " ", k=rng.randrange(6)))
    parts = [*pieces, plain]
    rng.shuffle(parts)
    return "".join(parts)


def integer(rng: random.Random, low: int = INTEGER_MIN, high: int = INTEGER_MAX) -> int:
    """An integer, often a bound or small."""
    near = [low, high, max(low, min(high, 1023)), max(low, min(high, 1024))]
    small = rng.randint(max(low, -9), min(high, 9)) if low <= 9 and high >= -9 else low
    return rng.choice([rng.choice(near), small, small, rng.randint(low, high)])


def matching(rng: random.Random, pattern: Pattern) -> str:
    """A string that matches a pattern: a known one, a hostile one, or one made from the pattern."""
    known = [name for name in NAMES if pattern.matches(name)]
    if known and rng.random() < 0.6:
        return rng.choice(known)
    for _ in range(3):
        if pattern.matches(hostile := text(rng)):
            return hostile
    made = _generate(rng, parser.parse(for_python(pattern.text)))
    assert pattern.matches(made), (pattern.text, made)
    return made


def _generate(rng: random.Random, tree: Any) -> str:
    out = []
    for operator, argument in tree:
        if operator is codes.LITERAL:
            out.append(chr(argument))
        elif operator is codes.IN:
            out.append(rng.choice(_members(argument)))
        elif operator is codes.NOT_LITERAL:
            out.append(rng.choice(sorted(ASCII - {chr(argument)})))
        elif operator is codes.SUBPATTERN:
            out.append(_generate(rng, argument[-1]))
        elif operator is codes.BRANCH:
            out.append(_generate(rng, rng.choice(argument[1])))
        elif operator is codes.MAX_REPEAT:
            low, high, inner = argument
            count = rng.randint(low, min(high, low + 4))
            out += [_generate(rng, inner) for _ in range(count)]
        else:
            raise TypeError(operator)
    return "".join(out)


def _members(items: Any) -> list[str]:
    found: set[str] = set()
    negated = False
    for operator, argument in items:
        if operator is codes.NEGATE:
            negated = True
        elif operator is codes.RANGE:
            found |= {chr(code) for code in range(argument[0], argument[1] + 1)}
        else:
            found.add(chr(argument))
    return sorted(({*ASCII, "é", "漢"} - found) if negated else found)


def data(rng: random.Random, depth: int = 2) -> Any:
    """Data as JSON has it, its text of the kind that hurts."""
    simple = [None, True, False, integer(rng), configured(rng), configured(rng)]
    if depth == 0 or rng.random() < 0.4:
        return rng.choice(simple)
    items = [data(rng, depth - 1) for _ in range(rng.randrange(3))]
    known = rng.choice([NAMES, NEARLY_OF_NIX])
    names = [rng.choice([*known, configured(rng)]) for _ in items]
    return rng.choice([items, dict(zip(names, items, strict=True))])


def configured(rng: random.Random) -> str:
    """Text without control characters that Nix and Python write differently."""
    return "".join(c for c in text(rng) if c >= " " or c in "\t\n")


def of_type(rng: random.Random, type_: types.Type) -> Any:  # noqa: C901, PLR0911, PLR0912 - a table
    """A value of an option's type, hostile where the type allows it."""
    match type_:
        case types.Bool():
            return rng.random() < 0.5
        case types.Int(low, high):
            return integer(rng, low, high)
        case types.Str(None):
            return text(rng)
        case types.Str(pattern) if pattern:
            return matching(rng, pattern)
        case types.Enum(values):
            return rng.choice(values)
        case types.Package():
            return rng.choice(PACKAGES)
        case types.StorePath():
            return ZEROS + rng.choice(PACKAGES)
        case types.NullOr(of):
            return None if rng.random() < 0.4 else of_type(rng, of)
        case types.ListOf(of, non_empty, first):
            rest = [of_type(rng, of) for _ in range(rng.randrange(int(non_empty), 4))]
            return [rng.choice(["busybox", "/bin/sh", "/a+b", "hello"]), *rest] if first else rest
        case types.AttrsOf(of, names):
            count = rng.randrange(4)
            pattern = names or Pattern("[a-z]*")
            return {matching(rng, pattern): of_type(rng, of) for _ in range(count)}
        case types.Json():
            return data(rng)
        case types.Submodule(model):
            return of_model(rng, model)
        case _:
            raise TypeError(type_)


def of_model(rng: random.Random, model: type[M], fields: Collection[str] = ()) -> M:
    """A valid instance of a model: each field that has a default is given or left out.

    With `fields` only these are given.
    """
    while True:
        given = {
            name: of_type(rng, types.of_field(field, f"{model.__name__}.{name}"))
            for name, field in model.model_fields.items()
            if (not fields or name in fields) and (field.is_required() or rng.random() < 0.6)
        }
        try:
            return model(**given)
        except ValidationError as error:
            # Only a default that depends on another field may be refused: 10.0.256.1.
            assert all(not set(item["loc"]) & given.keys() for item in error.errors()), error
