"""Values in a definition: text, conditions, lists, attribute sets.

Each function builds a view; its annotations are those of the values, for the type checker.
A function that only sees plain strings and integers folds them, so that a model's property can be
read from a concrete model too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from nixgen import primitives, types
from nixgen.errors import DefinitionError
from nixgen.nodes import (
    Apply,
    Binary,
    Choose,
    If,
    Literal,
    Map,
    Node,
    Not,
    Optionals,
    PackageNamed,
    Program,
    Var,
    holds_definition,
)
from nixgen.pattern import ASCII
from nixgen.views import (
    View,
    apply,
    common,
    lift,
    node,
    text_node,
    text_part,
    type_of,
    variable,
)

T = TypeVar("T")
S = TypeVar("S")

Words = str | Sequence[str]
"""One argument of a command line, or a list of them."""


# Text.


def text(*parts: str | int) -> str:
    """Strings, integers, enumerations and programs joined."""
    made = text_node([text_part(part) for part in parts])
    if isinstance(made, Literal):
        return cast("str", made.value)
    part_types = [type_of(part) for part in parts]
    may_hold = frozenset[str]().union(*map(types.may_hold, part_types))
    if any(isinstance(part, types.RunTimeText) for part in part_types):
        if may_hold - types.BARE:
            odd = "".join(sorted(may_hold - types.BARE))
            message = f"text beside a run-time value is not escaped, and could hold one of {odd!r}"
            raise DefinitionError(message)
        return cast("str", View(made, types.RunTimeText()))
    return cast("str", View(made, types.Str(may_hold=may_hold)))


def true_false(value: bool) -> str:  # noqa: FBT001 - the value is the subject
    """`true` or `false`."""
    view = expect(value, types.Bool, "true_false")
    made = apply(primitives.BOOL_TO_STRING, view)
    return cast("str", View(made, types.Enum(("true", "false"))))


def json_text(value: Any) -> str:
    """A configuration file's content as JSON."""
    made = node(value)
    if holds_definition(made):
        message = f"only_if, default, merge, each make part of a configuration, no data: {value!r}"
        raise DefinitionError(message)
    return cast("str", View(Apply(primitives.TO_JSON, (made,)), types.Str()))


def join(separator: str, items: Sequence[str]) -> str:
    """The strings of a list with `separator` between them."""
    of = expect(items, types.ListOf, "join")._type  # noqa: SLF001
    assert isinstance(of, types.ListOf)  # noqa: S101 - _expect has checked
    if not (types.is_text(of.of) or items == []):
        message = f"join() takes a list of strings, not of {of.of}"
        raise DefinitionError(message)
    expect_text(separator)
    made = apply(primitives.JOIN, separator, items)
    may_hold = types.may_hold(of.of) | types.may_hold(type_of(separator))
    return cast("str", View(made, types.Str(may_hold=may_hold)))


def starts_with(prefix: str, value: str) -> bool:
    """Whether `value` starts with `prefix`."""
    expect_text(prefix, value)
    return cast("bool", View(apply(primitives.HAS_PREFIX, prefix, value), types.Bool()))


def without_prefix(prefix: str, value: str) -> str:
    """`value` without `prefix` where it starts with it."""
    expect_text(prefix, value)
    made = apply(primitives.REMOVE_PREFIX, prefix, value)
    return cast("str", View(made, types.Str(may_hold=types.may_hold(type_of(value)))))


def replace(value: str, instead: Mapping[str, str]) -> str:
    """`value` with every text of `instead` replaced; what is put in is not looked at again."""
    expect_text(value)
    if "" in instead:
        message = "replace() of nothing would be everywhere"
        raise DefinitionError(message)
    made = apply(primitives.REPLACE, list(instead), list(instead.values()), value)
    may_hold = types.may_hold(type_of(value)).union(*instead.values())
    return cast("str", View(made, types.Str(may_hold=may_hold & ASCII)))


# Conditions.


def if_(condition: bool, yes: T, no: T) -> T:  # noqa: FBT001 - the condition is the subject
    """One of two values; the other is not evaluated."""
    view = expect(condition, types.Bool, "if_")
    made = If(node(view), node(yes), node(no))
    return cast("T", View(made, common([type_of(yes), type_of(no)])))


def when(condition: bool, *items: T) -> list[T]:  # noqa: FBT001 - the condition is the subject
    """These items, or the empty list."""
    view = expect(condition, types.Bool, "when")
    listed = lift(list(items))
    return cast("list[T]", View(Optionals(node(view), node(listed)), type_of(listed)))


def if_given(value: T | None, then: Callable[[T], Sequence[S]]) -> list[S]:
    """The items that `then` makes of a value, or the empty list where it is null."""
    inner, given = _unwrap(value, "if_given")
    listed = lift(then(cast("T", inner)))
    if not isinstance(type_of(listed), types.ListOf):
        message = f"if_given's function must make a list, not {listed!r}"
        raise DefinitionError(message)
    return cast("list[S]", View(Optionals(node(given), node(listed)), type_of(listed)))


def given(value: object) -> bool:
    """Whether a value that may be null is not."""
    return cast("bool", _unwrap(value, "given")[1])


def coalesce(value: T | None, otherwise: T) -> T:
    """A value, or another where it is null."""
    inner, given = _unwrap(value, "coalesce")
    return if_(cast("bool", given), cast("T", inner), otherwise)


def choose(value: str, cases: Mapping[str, T]) -> T:
    """The case of an enumeration's value; every value must have its case."""
    view = lift(value)
    type_ = type_of(view)
    if not isinstance(type_, types.Enum) or set(type_.values) != set(cases):
        message = f"choose() needs one case for each value of {type_}, not {sorted(cases)}"
        raise DefinitionError(message)
    made = Choose(node(view), tuple((name, node(case)) for name, case in cases.items()))
    return cast("T", View(made, common([type_of(case) for case in cases.values()])))


def all_(*conditions: bool) -> bool:
    """Whether all hold; later ones are not evaluated when one does not."""
    return _chain("&&", conditions)


def any_(*conditions: bool) -> bool:
    """Whether one holds; later ones are not evaluated when one does."""
    return _chain("||", conditions)


def not_(condition: bool) -> bool:  # noqa: FBT001 - the condition is the subject
    """The opposite."""
    view = expect(condition, types.Bool, "not_")
    return cast("bool", View(Not(node(view)), types.Bool()))


# Programs.


def exe(package: str, name: str) -> str:
    """The path of a program of a package: a name in `pkgs`, or an option of type package."""
    view = lift(package)
    if isinstance(type_of(view), types.Package):
        owner: str | Node = node(view)
    elif isinstance(node(view), Literal):
        owner = package
    else:
        message = f"exe() takes a package, not {package!r}"
        raise DefinitionError(message)
    return cast("str", View(Program(owner, node(name)), types.ProgramPath()))


def package_named(name: str) -> str:
    """The package of a name that only the configuration knows."""
    expect_text(name)
    return cast("str", View(PackageNamed(node(name)), types.Package()))


# Lists and attribute sets.


def concat(*lists: Sequence[T]) -> list[T]:
    """Lists one after the other."""
    views = [expect(part, types.ListOf, "concat") for part in lists or ([],)]
    made = node(views[0])
    for view in views[1:]:
        made = Binary("++", made, node(view))
    members = [type_of(view) for view in views]
    of = common([member.of for member in members if isinstance(member, types.ListOf)])
    return cast("list[T]", View(made, types.ListOf(of)))


def head(items: Sequence[T]) -> T:
    """The first item of a list that has one."""
    type_ = type_of(expect(items, types.ListOf, "head"))
    if not isinstance(type_, types.ListOf) or not type_.non_empty:
        message = f"head() of a list that may be empty: {items!r}"
        raise DefinitionError(message)
    item: types.Type = type_.of
    if type_.first is not None:
        item = types.Str(type_.first, type_.first.may_hold)
    return cast("T", View(apply(primitives.HEAD, items), item))


def tail(items: Sequence[T]) -> list[T]:
    """All but the first item of a list that has one."""
    type_ = type_of(expect(items, types.ListOf, "tail"))
    if not isinstance(type_, types.ListOf) or not type_.non_empty:
        message = f"tail() of a list that may be empty: {items!r}"
        raise DefinitionError(message)
    return cast("list[T]", View(apply(primitives.TAIL, items), types.ListOf(type_.of)))


def map_list(items: Sequence[T], function: Callable[[T], S]) -> list[S]:
    """A list of what `function` makes of each item."""
    of = type_of(expect(items, types.ListOf, "map_list"))
    assert isinstance(of, types.ListOf)  # noqa: S101 - _expect has checked
    made, body = _map("list", items, function, [of.of])
    return cast("list[S]", View(made, types.ListOf(type_of(body))))


def map_items(values: Mapping[str, T], function: Callable[[str, T], S]) -> list[S]:
    """A list of what `function` makes of each name and value, in the byte order of names."""
    made, body = map_attrs("list", values, function)
    return cast("list[S]", View(made, types.ListOf(type_of(body))))


def map_values(values: Mapping[str, T], function: Callable[[str, T], S]) -> dict[str, S]:
    """An attribute set of the same names, with what `function` makes of each name and value."""
    made, body = map_attrs("attrs", values, function)
    return cast("dict[str, S]", View(made, types.AttrsOf(type_of(body))))


def lookup(values: Mapping[str, T], name: str) -> T:
    """The value of a name: an error in Nix, and LookupError in Python, where there is none."""
    of = type_of(expect(values, types.AttrsOf, "lookup"))
    assert isinstance(of, types.AttrsOf)  # noqa: S101 - _expect has checked
    expect_text(name)
    return cast("T", View(apply(primitives.GET_ATTRIBUTE, name, values), of.of))


def flatten(lists: Sequence[Sequence[T]]) -> list[T]:
    """The items of a list of lists."""
    of = type_of(expect(lists, types.ListOf, "flatten"))
    assert isinstance(of, types.ListOf)  # noqa: S101 - _expect has checked
    if not isinstance(of.of, types.ListOf):
        message = f"flatten() takes a list of lists: {lists!r}"
        raise DefinitionError(message)
    return cast("list[T]", View(apply(primitives.CONCAT_LISTS, lists), types.ListOf(of.of.of)))


def recursive_update(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Data with other data over it: sets are joined at every depth, all else is replaced."""
    made = apply(primitives.RECURSIVE_UPDATE, _data(base), _data(over))
    return cast("dict[str, Any]", View(made, types.AttrsOf(types.Unknown())))


def without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    """Data without the attributes that are null; what is below them stays as it is."""
    made = apply(primitives.WITHOUT_NULLS, _data(values))
    return cast("dict[str, Any]", View(made, types.AttrsOf(types.Unknown())))


# Helpers.


def _data(value: Mapping[str, Any]) -> View:
    view = lift(value)
    if not isinstance(type_of(view), types.AttrsOf | types.Unknown):
        message = f"an attribute set is needed here, not {view!r}"
        raise DefinitionError(message)
    if holds_definition(node(view)):
        message = f"parts of a configuration have no place in data: {view!r}"
        raise DefinitionError(message)
    return view


def _chain(operator: str, conditions: Sequence[bool]) -> bool:
    if not conditions:
        message = "all_ and any_ take one condition or more"
        raise DefinitionError(message)
    views = [expect(condition, types.Bool, "all_ and any_") for condition in conditions]
    made = node(views[0])
    for view in views[1:]:
        made = Binary(operator, made, node(view))
    return cast("bool", View(made, types.Bool()))


def expect(value: Any, kind: type[types.Type], who: str) -> View:
    """The value as a view; DefinitionError naming `who` when it is not of the kind of type."""
    view = lift(value)
    if not isinstance(type_of(view), kind):
        message = f"{who} takes a value of type {kind.__name__}, not {view!r}"
        raise DefinitionError(message)
    return view


def expect_text(*values: Any) -> None:
    """DefinitionError for a value that is no text, or may be null."""
    for value in values:
        if not types.is_text(type_of(value)):
            message = f"text is needed here, not {value!r}: see if_given, coalesce, text"
            raise DefinitionError(message)


def _unwrap(value: Any, who: str) -> tuple[View, View]:
    view = lift(value)
    type_ = type_of(view)
    if not isinstance(type_, types.NullOr):
        message = f"{who} takes a value that may be null, not {view!r}"
        raise DefinitionError(message)
    inner = View(node(view), type_.of)
    return inner, View(Binary("!=", node(view), Literal(None)), types.Bool())


def map_attrs(into: str, values: Any, function: Callable[..., Any]) -> tuple[Map, View]:
    """A map over an attribute set into `list` or `attrs`, and what it makes of each."""
    of = type_of(expect(values, types.AttrsOf, "each and map_…"))
    assert isinstance(of, types.AttrsOf)  # noqa: S101 - _expect has checked
    names = types.Str(of.names, of.names.may_hold) if of.names else types.Str()
    return _map(into, values, function, [names, of.of])


def _map(
    into: str,
    over: Any,
    function: Callable[..., Any],
    parameters: Sequence[types.Type],
) -> tuple[Map, View]:
    names = list(inspect.signature(function).parameters)
    variables: list[Var] = []
    views: list[View] = []
    for name, type_ in zip(names, parameters, strict=True):
        made, view = variable(name, type_)
        variables.append(made)
        views.append(view)
    body = lift(function(*views))
    return Map(into, tuple(variables), node(body), node(over)), body
