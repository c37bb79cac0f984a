"""What a definition sees in place of values: a node with its type, which refuses to be a value.

A definition is annotated with the model that it reads, so a type checker sees plain values; when
it is built, every value is a `View`. Python has no way to record `if`, `for`, `and` or an f-string
in the tree, so a `View` raises there, with a hint.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from nixgen import literals, primitives, types
from nixgen.errors import DefinitionError
from nixgen.nodes import (
    Apply,
    Attrs,
    Binary,
    Items,
    Literal,
    Named,
    Node,
    Primitive,
    Select,
    Text,
    Var,
    holds_definition,
)
from nixgen.pattern import ASCII

_keys = itertools.count(1)


class View:
    """A node, its type, and the operators that mean the same in Nix and in Python."""

    __slots__ = ("_node", "_type")

    def __init__(self, node: Node, type_: types.Type) -> None:
        self._node = node
        self._type = type_

    def __getattr__(self, name: str) -> Any:
        """An option of a submodule, or a property of its model (which becomes a `let`)."""
        if name.startswith("__"):
            raise AttributeError(name)
        type_ = self._type
        if isinstance(type_, types.NullOr):
            message = f"{name} is read from a value that may be null: use if_given or coalesce"
            raise DefinitionError(message)
        if not isinstance(type_, types.Submodule):
            message = f"{name} is read from a value of type {type_}, which has no options"
            raise DefinitionError(message)
        model = type_.model
        if field := model.model_fields.get(name):
            where = f"{model.__name__}.{name}"
            return View(Select(self._node, field.alias or name), types.of_field(field, where))
        getter = getattr(model, name, None)
        if isinstance(getter, property) and getter.fget:
            made = lift(getter.fget(self))
            return View(Named(name, node(made)), type_of(made))
        message = f"{model.__name__} has no option {name!r}"
        raise DefinitionError(message)

    def __eq__(self, other: object) -> Any:
        return _compare("==", self, other)

    def __ne__(self, other: object) -> Any:
        return _compare("!=", self, other)

    def __lt__(self, other: int) -> Any:
        return _order("<", self, lift(other))

    def __le__(self, other: int) -> Any:
        return _order("<=", self, lift(other))

    def __gt__(self, other: int) -> Any:
        return _order("<", lift(other), self)

    def __ge__(self, other: int) -> Any:
        return _order("<=", lift(other), self)

    def __add__(self, other: int) -> Any:
        return _add(self, lift(other))

    def __radd__(self, other: int) -> Any:
        return _add(lift(other), self)

    __hash__ = object.__hash__  # so that a computed name can be a key of a dict literal

    def __bool__(self) -> NoReturn:
        raise DefinitionError(
            _hint(self, "if, and, or, not", "when, if_, only_if, all_, any_, not_")
        )

    def __iter__(self) -> NoReturn:
        raise DefinitionError(_hint(self, "for or *", "each, map_list, concat"))

    def __len__(self) -> NoReturn:
        raise DefinitionError(_hint(self, "len()", "a comparison with []"))

    def __contains__(self, item: object) -> NoReturn:
        raise DefinitionError(_hint(self, "in", "any_ of =="))

    def __str__(self) -> NoReturn:
        raise DefinitionError(_hint(self, "str()", "text"))

    def __format__(self, spec: str) -> NoReturn:
        raise DefinitionError(_hint(self, "an f-string", "text"))

    def __repr__(self) -> str:
        return f"View({self._node!r}, {self._type!r})"


def _hint(view: View, used: str, instead: str) -> str:
    return f"{used} cannot be recorded in a definition; use {instead} (on {view!r})"


def node(value: Any) -> Node:
    """The node of a view or of a plain value."""
    return lift(value)._node  # noqa: SLF001 - this module owns View


def type_of(value: Any) -> types.Type:
    """The type of a view or of a plain value."""
    return lift(value)._type  # noqa: SLF001 - this module owns View


def apply(primitive: Primitive, *arguments: Any) -> Node:
    """The primitive applied to views or plain values."""
    return Apply(primitive, tuple(node(argument) for argument in arguments))


def variable(hint: str, type_: types.Type) -> tuple[Var, View]:
    """A fresh variable and its view."""
    made = Var(hint, next(_keys))
    return made, View(made, type_)


def lift(value: Any) -> View:
    """A plain Python value as a view; DefinitionError for what has no meaning in Nix."""
    match value:
        case View():
            return value
        case None:
            return View(Literal(None), types.NullOr(types.Unknown()))
        case bool():
            return View(Literal(value), types.Bool())
        case enum.Enum():
            return lift(value.value)
        case int():
            literals.check_integer(value)
            return View(Literal(value), types.Int(value, value))
        case str():
            literals.check_text(value)
            return View(Literal(value), types.Str(may_hold=frozenset(value) & ASCII))
        case Mapping():
            return _lift_mapping(value)
        case list() | tuple():
            return _lift_list(value)
        case _:
            message = f"{value!r} ({type(value).__name__}) has no place in a definition"
            raise DefinitionError(message)


def _lift_list(values: Iterable[Any]) -> View:
    views = [lift(value) for value in values]
    for view in views:
        if holds_definition(node(view)):
            message = f"a part of a configuration cannot stand in a list: {view!r}"
            raise DefinitionError(message)
    of = common([type_of(view) for view in views])
    return View(Items(tuple(node(view) for view in views)), types.ListOf(of))


def _lift_mapping(values: Mapping[Any, Any]) -> View:
    bindings: list[tuple[str | Node, Node]] = []
    of = []
    for name, value in values.items():
        lifted = lift(value)
        of.append(type_of(lifted))
        if isinstance(name, View):
            if not types.is_text(type_of(name)):
                message = f"an attribute name must be text: {name!r}"
                raise DefinitionError(message)
            key = node(name)
            bindings.append((_known(key), node(lifted)))
        else:
            bindings.append((_attribute(name), node(lifted)))
    known = [name for name, _ in bindings if isinstance(name, str)]
    if len(set(known)) < len(known):
        message = f"one attribute twice in a set: {sorted(known)}"
        raise DefinitionError(message)
    return View(Attrs(tuple(bindings)), types.AttrsOf(common(of)))


def _attribute(name: Any) -> str:
    if not isinstance(name, str):
        message = f"an attribute name must be text, not {name!r}"
        raise DefinitionError(message)
    return literals.check_text(name)


def _known(name: Node) -> str | Node:
    """An attribute name that is known when built as a string."""
    return str(name.value) if isinstance(name, Literal) else name


def common(members: list[types.Type]) -> types.Type:
    """One type for several members, as far as text needs it; else Unknown."""
    given = [member for member in members if member != types.NullOr(types.Unknown())]
    if given and len(given) < len(members):
        of = common(given)
        return of if isinstance(of, types.NullOr) else types.NullOr(of)
    if members and all(member == members[0] for member in members):
        return members[0]
    if members and all(isinstance(member, types.ListOf) for member in members):
        inner = [member.of for member in members if isinstance(member, types.ListOf)]
        return types.ListOf(common([of for of in inner if of != types.Unknown()]))
    if members and all(isinstance(member, types.Int) for member in members):
        ints = [member for member in members if isinstance(member, types.Int)]
        return types.Int(min(i.low for i in ints), max(i.high for i in ints))
    if members and all(types.is_text(member) for member in members):
        return types.Str(may_hold=frozenset().union(*map(types.may_hold, members)))
    return types.Unknown()


def text_part(value: Any) -> Node:
    """A string for one part of a text: DefinitionError for booleans, nulls and structures."""
    view = lift(value)
    match type_of(view):
        case types.Int():
            known = node(view)
            if isinstance(known, Literal):
                return Literal(str(known.value))
            return apply(primitives.TO_STRING, view)
        case types.Bool():
            reason = "a boolean prints as 1 or nothing in Nix: use true_false"
        case types.NullOr():
            reason = "it may be null: use if_given or coalesce"
        case type_ if types.is_text(type_) or isinstance(type_, types.RunTimeText):
            return node(view)
        case types.Package():
            reason = "a package is not a path: use exe"
        case type_:
            reason = f"values of type {type_} are not text"
    message = f"text() cannot take {value!r}: {reason}"
    raise DefinitionError(message)


def text_node(parts: list[Node]) -> Node:
    """Parts joined, neighbouring literals folded into one."""
    folded: list[Node] = []
    for part in parts:
        pieces = part.parts if isinstance(part, Text) else (part,)
        for piece in pieces:
            last = folded[-1] if folded else None
            if isinstance(piece, Literal) and isinstance(last, Literal):
                folded[-1] = Literal(f"{last.value}{piece.value}")
            elif piece != Literal(""):
                folded.append(piece)
    if not folded:
        return Literal("")
    if len(folded) == 1 and isinstance(folded[0], Literal):
        return folded[0]
    return Text(tuple(folded))


def _compare(operator: str, left: View, other: object) -> View:
    right = lift(other)
    left_type, right_type, made = _given(type_of(left)), _given(type_of(right)), node(right)
    with_null = isinstance(type_of(left), types.NullOr) and made == Literal(None)
    known = left_type.values if isinstance(left_type, types.Enum) else ()
    if known and isinstance(made, Literal) and not with_null and made.value not in known:
        message = f"{made.value!r} is not one of {', '.join(known)}"
        raise DefinitionError(message)
    if not (with_null or _comparable(left_type, right_type)):
        message = f"{operator} between {left_type} and {right_type} is never true, or not the same"
        raise DefinitionError(message)
    return View(Binary(operator, node(left), made), types.Bool())


def _given(type_: types.Type) -> types.Type:
    return type_.of if isinstance(type_, types.NullOr) else type_


def _comparable(left: types.Type, right: types.Type) -> bool:
    """Paths are left out: to Nix a package is no text, and programs stand elsewhere."""
    if isinstance(left, types.Str | types.Enum) and isinstance(right, types.Str | types.Enum):
        return True
    if isinstance(left, types.ListOf) and isinstance(right, types.ListOf):
        members = (left.of, right.of)
        return types.Unknown() in members or _comparable(_given(left.of), _given(right.of))
    if isinstance(left, types.AttrsOf) and right == types.AttrsOf(types.Unknown()):
        return True  # with {}
    return type(left) is type(right) and isinstance(left, types.Int | types.Bool)


def _order(operator: str, left: View, right: View) -> View:
    if not (isinstance(type_of(left), types.Int) and isinstance(type_of(right), types.Int)):
        message = f"{operator} orders integers only, not {left!r} and {right!r}"
        raise DefinitionError(message)
    return View(Binary(operator, node(left), node(right)), types.Bool())


def _add(left: View, right: View) -> View:
    left_type, right_type = type_of(left), type_of(right)
    if not (isinstance(left_type, types.Int) and isinstance(right_type, types.Int)):
        message = f"+ adds integers only, not {left!r} and {right!r}; join strings by text()"
        raise DefinitionError(message)
    low, high = left_type.low + right_type.low, left_type.high + right_type.high
    if low < literals.INTEGER_MIN or high > literals.INTEGER_MAX:
        message = "+ could pass 64 bits, where Nix wraps around: give the options a range"
        raise DefinitionError(message)
    return View(Binary("+", node(left), node(right)), types.Int(low, high))
