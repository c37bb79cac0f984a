"""Random expressions over a zoo of options: every combinator, in every place that takes it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from nixgen import (
    JsonObject,
    Options,
    Port,
    Text,
    all_,
    any_,
    choose,
    coalesce,
    concat,
    exe,
    flatten,
    head,
    if_,
    if_given,
    join,
    json_text,
    lookup,
    map_items,
    map_list,
    map_values,
    matching,
    named,
    not_,
    recursive_update,
    replace,
    starts_with,
    tail,
    text,
    true_false,
    when,
    without_nulls,
    without_prefix,
)
from nixgen.systemd import exec_line, mount_path
from tests.support.values import text as hostile

Name = Annotated[str, matching("[a-z][a-z0-9-]*")]


class Animal(Options):
    """A part of the zoo."""

    name: Text
    """Text."""
    legs: Annotated[int, Field(ge=-100, le=100)] = 4
    """A number."""
    tame: bool = False
    """A condition."""

    @property
    def title(self) -> str:
        """A property, which becomes a `let`."""
        return text("the ", self.name, " on ", self.legs)


class Zoo(Options):
    """What random expressions read."""

    motto: Text
    """Text."""
    guest: Text | None
    """Text or null."""
    size: Literal["small", "large"]
    """An enumeration."""
    gate: Port
    """A port."""
    visitors: Annotated[int, Field(ge=-1000, le=1000)]
    """A number."""
    open: bool
    """A condition."""
    sounds: list[Text]
    """A list that may be empty."""
    food: Annotated[list[Text], Field(min_length=1)]
    """A list that may not."""
    animals: dict[Name, Animal]
    """Submodules."""
    labels: dict[Name, Text]
    """An attribute set of text."""
    notes: JsonObject
    """Data of any form."""
    keeper: Animal
    """Options of a part."""


class Scope:
    """The views that an expression may use, by kind."""

    def __init__(self, rng: random.Random, zoo: Zoo) -> None:
        self.rng = rng
        self.zoo = zoo
        self.texts: list[Any] = [zoo.motto, zoo.size, zoo.keeper.name, zoo.keeper.title]
        self.numbers: list[Any] = [zoo.gate, zoo.visitors, zoo.keeper.legs]
        self.conditions: list[Any] = [zoo.open, zoo.keeper.tame]

    def with_(self, *, texts: list[Any], numbers: list[Any] | None = None) -> Scope:
        """A scope inside a function."""
        inner = Scope(self.rng, self.zoo)
        inner.texts = [*self.texts, *texts, *texts]
        inner.numbers = [*self.numbers, *(numbers or [])]
        inner.conditions = list(self.conditions)
        return inner


def any_expression(scope: Scope, depth: int = 3) -> Any:
    """An expression of any kind."""
    kinds = [string, strings, number, condition, attributes, structure]
    return scope.rng.choice(kinds)(scope, depth)


def _choose(scope: Scope, depth: int, simple: Callable[[], Any], *more: Callable[[], Any]) -> Any:
    return simple() if depth <= 0 else scope.rng.choice(more)()


def string(scope: Scope, depth: int) -> Any:
    """An expression of text."""
    rng, zoo, d = scope.rng, scope.zoo, depth - 1
    simple = lambda: rng.choice([*scope.texts, hostile(rng)])  # noqa: E731 - used as a case below
    return _choose(
        scope,
        depth,
        simple,
        simple,
        lambda: text(*(rng.choice([string, number])(scope, d) for _ in range(rng.randrange(4)))),
        lambda: text("$", string(scope, d), "$"),
        lambda: if_(condition(scope, d), string(scope, d), string(scope, d)),
        lambda: coalesce(zoo.guest, string(scope, d)),
        lambda: choose(zoo.size, {"small": string(scope, d), "large": string(scope, d)}),
        lambda: true_false(condition(scope, d)),
        lambda: json_text(any_expression(scope, d)),
        lambda: head(zoo.food),
        lambda: lookup({"small": string(scope, d), "large": string(scope, d)}, zoo.size),
        lambda: join(rng.choice([",", " ", "${"]), strings(scope, d)),
        lambda: without_prefix(rng.choice(["a", "$", ""]), string(scope, d)),
        lambda: named(rng.choice(["x", "name", "lib", "in"]), string(scope, d)),
        lambda: exe(rng.choice(["socat", "curl"]), rng.choice(["x", "a-b"])),
        lambda: mount_path(string(scope, d)),
        lambda: replace(string(scope, d), rng.choice(REPLACED)),
        lambda: json_text(recursive_update(data(scope, d), zoo.notes)),
    )


REPLACED = [{"$": "$$", "$$": "%"}, {"a": "", "b": "${"}, {'"a': "[", 'a"': "]"}]


def data(scope: Scope, depth: int) -> Any:
    """An expression of an attribute set as JSON has it."""
    rng, zoo, d = scope.rng, scope.zoo, depth - 1
    return _choose(
        scope,
        depth,
        lambda: {"a": 1, "b": {"c": True, "a": None}},
        lambda: {"a": any_expression(scope, d), "b": {"a": string(scope, d), "b": zoo.sounds}},
        lambda: if_(condition(scope, d), {"a": {"b": 2}}, {}),
        lambda: recursive_update(data(scope, d), zoo.notes),
        lambda: recursive_update(data(scope, d), data(scope, d)),
        lambda: rng.choice([zoo.notes, zoo.labels]),
        lambda: without_nulls({"a": zoo.guest, "b": None, "c": data(scope, d)}),
    )


def number(scope: Scope, depth: int) -> Any:
    """An expression of a small integer."""
    rng = scope.rng
    return _choose(
        scope,
        depth,
        lambda: rng.choice([*scope.numbers, rng.randint(-5, 5)]),
        lambda: rng.choice(scope.numbers),
        lambda: rng.choice(scope.numbers) + rng.randint(-5, 5),
        lambda: if_(condition(scope, depth - 1), number(scope, 0), number(scope, 0)),
    )


def condition(scope: Scope, depth: int) -> Any:
    """An expression of a boolean."""
    rng, zoo, d = scope.rng, scope.zoo, depth - 1
    return _choose(
        scope,
        depth,
        lambda: rng.choice(scope.conditions),
        lambda: not_(condition(scope, d)),
        lambda: all_(condition(scope, d), condition(scope, d), condition(scope, d)),
        lambda: any_(condition(scope, d), condition(scope, d)),
        lambda: zoo.size == rng.choice(["small", "large"]),
        lambda: zoo.guest != None,  # noqa: E711 - recorded as a comparison
        lambda: zoo.sounds == strings(scope, d),
        lambda: text(string(scope, d), "") == text(string(scope, d), ""),
        lambda: zoo.gate < number(scope, d),
        lambda: zoo.visitors >= number(scope, d),
        lambda: starts_with(rng.choice(["", "$", "a"]), string(scope, d)),
    )


def strings(scope: Scope, depth: int) -> Any:
    """An expression of a list of text."""
    rng, zoo, d = scope.rng, scope.zoo, depth - 1

    def of_item(item: str) -> Any:
        return text(string(scope.with_(texts=[item]), d), "")

    def of_animal(name: str, animal: Animal) -> Any:
        inner = scope.with_(texts=[name, animal.name, animal.title], numbers=[animal.legs])
        return text(string(inner, d), "")

    def of_lists(name: str, animal: Animal) -> Any:
        return concat([name], when(animal.tame, animal.name, animal.title))

    return _choose(
        scope,
        depth,
        lambda: rng.choice([zoo.sounds, zoo.food]),
        lambda: concat(strings(scope, d), strings(scope, d)),
        lambda: concat([text(string(scope, d), "")], zoo.sounds),
        lambda: when(condition(scope, d), text(string(scope, d), ""), zoo.motto),
        lambda: if_given(zoo.guest, lambda guest: [text("<", guest, ">")]),
        lambda: map_list(strings(scope, d), of_item),
        lambda: map_items(zoo.animals, of_animal),
        lambda: flatten(map_items(zoo.animals, of_lists)),
        lambda: tail(zoo.food),
        lambda: if_(condition(scope, d), zoo.sounds, zoo.food),
    )


def attributes(scope: Scope, depth: int) -> Any:
    """An expression of an attribute set."""
    rng, zoo, d = scope.rng, scope.zoo, depth - 1

    def of_label(name: str, label: str) -> Any:
        return string(scope.with_(texts=[name, label]), d)

    def of_animal(name: str, animal: Animal) -> Any:
        inner = scope.with_(texts=[name, animal.title], numbers=[animal.legs])
        return any_expression(inner, d)

    return _choose(
        scope,
        depth,
        lambda: zoo.labels,
        lambda: map_values(zoo.labels, of_label),
        lambda: map_values(zoo.animals, of_animal),
        lambda: {hostile(rng): any_expression(scope, d) for _ in range(3)},
        lambda: {text("k", zoo.motto): string(scope, d), "a": number(scope, d)},
    )


def structure(scope: Scope, depth: int) -> Any:
    """A list or set of several kinds."""
    if scope.rng.random() < 0.3:
        return exec_line(exe("socat", "socat"), string(scope, depth - 1), strings(scope, depth - 1))
    members = [any_expression(scope, depth - 1) for _ in range(scope.rng.randrange(3))]
    return scope.rng.choice([members, {"a": members, "b": None, "c": [None, True, -1]}])
