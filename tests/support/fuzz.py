"""Fleets that are more or less broken, as YAML and as programs; repeatable, harmless to read."""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter

from holo_infra.model.fleet import BindMount, Container, Fleet, Forward, Host, Limits, Network
from holo_infra.model.services import HcHttpGw, NatsServer, Services
from holo_infra.model.unit import Unit
from holo_infra.source.fields import model_at, models
from nixgen import types
from tests.support import fleets
from tests.support.pieces import (
    EXPRESSIONS,
    FITTING,
    GOOD,
    PIECES,
    PROGRAM,
    STATEMENTS,
    VALUES,
    WEIRD,
)
from tests.support.values import HOSTILE, of_model, of_type

MODELS: list[type[BaseModel]] = [
    *(Fleet, Network, Host, Container, Forward, Unit, Limits, BindMount),
    *(Services, NatsServer, HcHttpGw),
]
_PLAIN: TypeAdapter[Any] = TypeAdapter(Any)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is there
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def yaml_texts(rng: random.Random, n: int) -> list[bytes]:
    """Files that begin as good fleets; about one in eight stays as it was."""
    bases = [_dumped(rng) for _ in range(12)]
    changes: list[Callable[[random.Random, str], str]] = [_fitting, _value, _piece, _lines, _limit]
    made = []
    for _ in range(n):
        text = rng.choice(bases) if rng.random() < 0.3 else GOOD
        if rng.random() < 0.875:
            # Values are changed first, while the text can still be parsed in good time.
            kinds = rng.choices(range(5), [8, 4, 2, 1, 1], k=rng.choice([1, 1, 1, 2, 3]))
            for kind in sorted(kinds):
                text = changes[kind](rng, text)
        content = text.encode("utf-8", "surrogatepass")
        made.append(_flipped(rng, content) if rng.random() < 0.1 else content)
    return made


def python_programs(rng: random.Random, n: int) -> list[str]:
    """Programs that begin as good fleets; about one in eight stays as it was."""
    bases = [_program(rng) for _ in range(12)]
    kinds = ["same", "field", "argument", "statement", "both", "lines"]
    made = []
    for _ in range(n):
        text = rng.choice(bases) if rng.random() < 0.3 else PROGRAM
        kind = rng.choices(kinds, [2, 8, 4, 4, 2, 1])[0]
        head, rest = text.split("\n", 1)
        if kind == "field":
            rest = _field(rng, rest)
        if kind in {"argument", "both"}:
            for _ in range(rng.choice([1, 1, 2])):
                rest = _argument(rng, rest)
        if kind in {"statement", "both"}:
            rest = f"{rest}{rng.choice(STATEMENTS)}\n"
            if rng.random() < 0.2:
                rest = f"{rest}{rng.choice(STATEMENTS)}\n"
        if kind == "lines":
            rest = _lines(rng, rest)
        used = "".join(text for name, text in WEIRD.items() if re.search(rf"\b{name}\b", rest))
        made.append(f"{head}\n{used}{rest}")
    return made


def _fleet(rng: random.Random) -> Fleet:
    """A fleet in which nothing is wrong, or of parts that know nothing of each other."""
    if rng.random() < 0.8:
        return fleets.fleet(rng, rng.choice([1, 2]))
    hosts = {f"host{number}": of_model(rng, Host) for number in range(rng.randrange(3))}
    return Fleet(name="random", hosts=hosts)


def _dump(data: Any, **options: Any) -> str:
    made: str = yaml.dump(data, Dumper=_DUMPER, sort_keys=False, **options)
    return made


def _dumped(rng: random.Random) -> str:
    data = _fleet(rng).model_dump(exclude_defaults=rng.random() < 0.5)
    flow = rng.choice([None, False, True])
    return _dump(data, default_flow_style=flow, allow_unicode=rng.random() < 0.3)


def _program(rng: random.Random) -> str:
    """A program that builds a random fleet, with the names that statements change."""
    _, rest = PROGRAM.split("\n", 1)
    start, _ = rest.split("fleet = ")
    return f"{_imports()}\n{start}fleet = {_code(_fleet(rng))}\n"


@cache
def _imports() -> str:
    """A line by which a program has all classes of which a fleet is made."""
    found = sorted((of.__module__, name) for name, of in models().items())
    return "; ".join(f"from {module} import {name}" for module, name in found)


def _code(value: Any) -> str:
    if isinstance(value, BaseModel):
        given = ((name, getattr(value, name)) for name in sorted(value.model_fields_set))
        arguments = ", ".join(f"{name}={_code(item)}" for name, item in given)
        return f"{type(value).__name__}({arguments})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_code(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _value(rng: random.Random, text: str) -> str:
    """One value anywhere replaced by one of any type; or a key by another."""

    def change(owner: Any, key: Any, _path: tuple[Any, ...]) -> None:
        if isinstance(owner, dict) and rng.random() < 0.3:
            others = [*HOSTILE, "naem", "x-y", "Web", "port", 8000, None]
            owner[rng.choice(others)] = owner.pop(key)
        else:
            owner[key] = copy.deepcopy(rng.choice(VALUES))

    return _changed(rng, text, change)


def _fitting(rng: random.Random, text: str) -> str:
    """One value replaced by one that fits elsewhere, or a field given that may be there."""

    def change(owner: Any, key: Any, path: tuple[Any, ...]) -> None:
        model = model_at(Fleet, path[:-1])
        if model and rng.random() < 0.6:
            field = rng.choice(sorted(model.model_fields))
            owner[field] = _PLAIN.dump_python(_given(rng, model, field), exclude_unset=True)
        else:
            alike = [value for value in FITTING if type(value) is type(owner[key])]
            owner[key] = copy.deepcopy(rng.choice(alike or FITTING))

    return _changed(rng, text, change)


def _given(rng: random.Random, model: type[BaseModel], field: str) -> Any:
    """A value for a field: of its type, or any that fits somewhere."""
    if rng.random() < 0.2:
        return rng.choice(FITTING)
    return of_type(rng, types.of_field(model.model_fields[field], f"{model.__name__}.{field}"))


def _changed(
    rng: random.Random, text: str, change: Callable[[Any, Any, tuple[Any, ...]], None]
) -> str:
    try:
        data = yaml.load(text, _LOADER)  # noqa: S506 - a safe one
    except (yaml.YAMLError, ValueError):
        return text
    places = list(_places(data, ()))
    if not places:
        return text
    change(*rng.choice(places))
    flow = rng.choice([None, False, True])
    try:
        return _dump(data, default_flow_style=flow, allow_unicode=True)
    except UnicodeEncodeError:
        return text


def _places(data: Any, path: tuple[Any, ...]) -> list[tuple[Any, Any, tuple[Any, ...]]]:
    keys = data.keys() if isinstance(data, dict) else range(len(data) if _is_list(data) else 0)
    own = [(data, key, (*path, key)) for key in keys]
    return own + [place for _, key, inner in own for place in _places(data[key], inner)]


def _is_list(data: Any) -> bool:
    return isinstance(data, list)


def _piece(rng: random.Random, text: str) -> str:
    """A piece put in, or in the place of a word."""
    words = text.split(" ")
    at = rng.randrange(len(words))
    piece = rng.choice(PIECES)
    words[at] = rng.choice([piece, words[at] + piece, piece + words[at], f"{words[at]} {piece}"])
    return " ".join(words)


def _lines(rng: random.Random, text: str) -> str:
    """A line dropped, doubled, moved or indented otherwise."""
    lines = text.splitlines(keepends=True) or [""]
    at = rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            lines.insert(rng.randrange(len(lines)), lines.pop(at))
        case 3:
            lines[at] = " " * rng.randrange(1, 5) + lines[at]
        case 4:
            lines[at] = lines[at].lstrip(" ")
    return "".join(lines)


def _limit(rng: random.Random, text: str) -> str:
    """Structures that are deep, long, or large by their aliases."""
    depth = rng.choice([20, 99, 101, 3000])
    bomb = "\n".join(f"x{i + 1}: &x{i + 1} [{', '.join([f'*x{i}'] * 9)}]" for i in range(9))
    merges = "\n".join(f"x{i + 1}: &x{i + 1} {{<<: *x{i}, k{i}: 1}}" for i in range(40))
    more = [
        f"x: {'[' * depth}{']' * depth}",
        f"x: {'{a: ' * depth}1{'}' * depth}",
        "\n".join(f"{' ' * i}a:" for i in range(min(depth, 300))),
        "x: " + "- " * depth,
        f"x0: &x0 [a]\n{bomb}",
        f"x0: &x0 {{a: 1}}\n{merges}",
        f"hub: {'a' * rng.choice([64, 70_000])}",
        "---\nname: another",
        "x: &x [*x]",
        "x: &x {<<: *x}",
    ]
    return f"{text}{rng.choice(more)}\n"


def _flipped(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 3])):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _argument(rng: random.Random, text: str) -> str:
    """One argument, item or key of a program replaced by an expression; or a name by another."""
    marks = [i for i, c in enumerate(text) if c in "=:[" and text[i + 1 : i + 2] not in {"", "\n"}]
    at = rng.choice(marks) + 1
    depth, end = 0, at
    while end < len(text) and (depth or text[end] not in ",)]}\n"):
        depth += (text[end] in "([{") - (text[end] in ")]}")
        end += 1
    if rng.random() < 0.15:
        names = ["port", "units", "forwards", "hosts", "containers", "Host", "Forward", "name"]
        return text.replace(rng.choice(names), rng.choice(["nmae", "Container", "port_"]), 1)
    return f"{text[:at]} {rng.choice(EXPRESSIONS)}{text[end:]}"


def _field(rng: random.Random, text: str) -> str:
    """A field given to one of the objects of a program, where it may stand already."""
    model = rng.choice([model for model in MODELS if f"{model.__name__}(" in text])
    before, call, after = text.partition(f"{model.__name__}(")
    field = rng.choice(sorted(model.model_fields))
    value = _code(_given(rng, model, field)) if rng.random() < 0.9 else rng.choice(EXPRESSIONS)
    return f"{before}{call}{field}={value}, {after}"
