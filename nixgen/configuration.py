"""Parts of a configuration in a definition: merged, conditional, defaults, names.

They stand where NixOS takes definitions: as values of attributes, never inside plain data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from nixgen import types
from nixgen.combinators import expect, map_attrs
from nixgen.errors import DefinitionError
from nixgen.nodes import Items, MkDefault, MkIf, MkMerge, Named, holds_definition
from nixgen.views import View, lift, node, type_of

T = TypeVar("T")
S = TypeVar("S")


def only_if(condition: bool, value: T) -> T:  # noqa: FBT001 - the condition is the subject
    """An attribute's value, or no attribute (`mkIf`)."""
    view = expect(condition, types.Bool, "only_if")
    return cast("T", View(MkIf(node(view), node(value)), types.Definition(type_of(value))))


def each(values: Mapping[str, T], function: Callable[[str, T], Mapping[str, S]]) -> dict[str, S]:
    """The configurations that `function` makes of each name and value, merged."""
    made, _ = map_attrs("list", values, function)
    return cast("dict[str, S]", View(MkMerge(made), types.Definition()))


def merge(*parts: Mapping[str, T]) -> dict[str, T]:
    """Configurations joined; two values under one name are an error unless they are equal."""
    return cast("dict[str, T]", View(MkMerge(Items(tuple(map(node, parts)))), types.Definition()))


def default(value: T) -> T:
    """A value that gives way to one that a user sets."""
    inner = node(value)
    if holds_definition(inner):
        message = "default() must stand inside only_if() or merge(), not around it"
        raise DefinitionError(message)
    if isinstance(type_of(value), types.AttrsOf | types.Submodule):
        # NixOS drops such a set as a whole or by parts, as the option above it has it.
        message = "default() takes a single value, not an attribute set"
        raise DefinitionError(message)
    return cast("T", View(MkDefault(inner), types.Definition(type_of(value))))


def named(name: str, value: T) -> T:
    """A value that gets a name of its own in the printed module."""
    view = lift(value)
    return cast("T", View(Named(name, node(view)), type_of(view)))
