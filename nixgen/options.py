"""A pydantic model as the options of a NixOS module: types, defaults, descriptions, and values.

The base class `Options` makes a model refuse what Nix would refuse: unknown names, and values of
another type (no `"8000"` for a number).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nixgen import literals, types
from nixgen.checks import CheckedNames
from nixgen.errors import DefinitionError
from nixgen.evaluator import evaluate
from nixgen.nodes import (
    Attrs,
    Binary,
    Call,
    Function,
    If,
    Items,
    Lambda,
    Literal,
    Named,
    Node,
    Prose,
    Raw,
    Select,
    children,
)
from nixgen.printer import print_expression
from nixgen.views import View, lift, node, variable


class Options(CheckedNames):
    """Base of models that declare options: frozen, strict, named in camelCase in Nix."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )


class Derived:
    """A default that depends on options of the same model that are declared before it."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, data: dict[str, Any]) -> Any:
        """The default's value, from the values of the options (pydantic calls this)."""
        made = lift(self.function(SimpleNamespace(**data)))
        return evaluate(node(made), {}, _no_programs)

    def expression(self, config: View) -> Node:
        """The default as a Nix expression of the options in `config`."""
        made = node(self.function(config))
        if _holds_named(made):
            message = "a derived default cannot use a model's properties"
            raise DefinitionError(message)
        return made


def derived(function: Callable[[Any], Any]) -> Any:
    """A field whose default is computed from the fields before it, in Python and in Nix."""
    return Field(default_factory=cast("Callable[[], Any]", Derived(function)))


def declarations(
    model: type[BaseModel],
    config: str,
    path: str,
    only: tuple[str, ...] = (),
) -> Attrs:
    """The options of a model as nested sets of `mkOption`.

    `config` is the expression of their values in Nix, `path` what messages call them.
    Raises DefinitionError for a field without option type or description.
    """
    root = View(Raw(config), types.Submodule(model))
    bindings: list[tuple[str | Node, Node]] = []
    for name, field in model.model_fields.items():
        if only and name not in only:
            continue
        where = f"{model.__name__}.{name}"
        type_ = types.of_field(field, where)
        nix_name = field.alias or name
        option = f"{path}.{nix_name}"
        if isinstance(type_, types.Submodule):
            _refuse_own_default(field, type_.model, where)
            values = f"{config}.{literals.attribute(nix_name)}"
            bindings.append((nix_name, declarations(type_.model, values, option)))
        elif not field.description:
            message = f"{where}: every option needs a description (a docstring below the field)"
            raise DefinitionError(message)
        else:
            bindings.append((nix_name, _option(field, type_, root, option)))
    return Attrs(tuple(bindings))


def _refuse_own_default(field: FieldInfo, model: type[BaseModel], where: str) -> None:
    """The options of a part have defaults of their own, which Nix takes; no other is possible."""
    if field.default is not PydanticUndefined and field.default != model():
        message = f"{where}: a part's default can only be that of its options"
        raise DefinitionError(message)


def _option(field: FieldInfo, type_: types.Type, root: View, path: str) -> Node:
    parts: list[tuple[str | Node, Node]] = [("type", type_node(type_, path))]
    if isinstance(field.default_factory, Derived):
        default = field.default_factory.expression(root)
        printed = Literal(print_expression(default))
        parts.append(("default", default))
        parts.append(("defaultText", Call(Raw("lib.literalExpression"), (printed,))))
    elif field.default_factory is not None:
        default = value_node(cast("Callable[[], Any]", field.default_factory)(), type_)
        parts.append(("default", default))
    elif field.default is not PydanticUndefined:
        default = value_node(field.default, type_)
        parts.append(("default", default))
        if isinstance(default, Raw):  # a package, which may not be there when a manual is made
            parts.append(
                ("defaultText", Call(Raw("lib.literalExpression"), (Literal(default.path),)))
            )
    if field.examples:
        parts.append(("example", value_node(field.examples[0], type_)))
    parts.append(("description", Prose(field.description or "")))
    value_var, value = variable("value", types.Unknown())
    checked = _checked(type_, node(value), path)
    if isinstance(checked, Call):
        parts.append(("apply", Call(checked.function, checked.arguments[:-1])))
    elif checked is not None:
        parts.append(("apply", Lambda((value_var,), checked)))
    return Call(Raw("lib.mkOption"), (Attrs(tuple(parts)),))


def _checked(type_: types.Type, value: Node, path: str) -> Node | None:
    """The value with its attribute names checked; None where no name needs a check.

    addCheck on attrsOf submodule is lost in the module system, so names are checked in `apply`.
    """
    match type_:
        case types.NullOr(of) if inner := _checked(of, value, path):
            return If(Binary("==", value, Literal(None)), Literal(None), inner)
        case types.ListOf(of):
            item_var, item = variable("item", types.Unknown())
            inner = _checked(of, node(item), f"{path}.*")
            return inner and Call(Raw("map"), (Lambda((item_var,), inner), value))
        case types.AttrsOf(of, names):
            name_var, name = variable("name", types.Str())
            item_var, item = variable("value", types.Unknown())
            inner = _checked(of, node(item), f"{path}.<name>")
            if names is not None:
                match_ = Call(Raw("builtins.match"), (Literal(names.text), node(name)))
                refused = Literal(f"{path}: the name does not match {names.text}: ")
                arguments = (Binary("==", match_, Literal(None)), Binary("+", refused, node(name)))
                inner = Call(Raw("lib.throwIf"), (*arguments, inner or node(item)))
            return inner and Call(Raw("lib.mapAttrs"), (Lambda((name_var, item_var), inner), value))
        case _:
            return None


def type_node(type_: types.Type, path: str) -> Node:
    """The type of the option at `path` as an expression of `lib.types`."""
    match type_:
        case types.Bool():
            return Raw("lib.types.bool")
        case types.Int(0, 65535):
            return Raw("lib.types.port")
        case types.Int(literals.INTEGER_MIN, literals.INTEGER_MAX):
            return Raw("lib.types.int")
        case types.Int(low, high):
            return Call(Raw("lib.types.ints.between"), (Literal(low), Literal(high)))
        case types.Str(None):
            return Raw("lib.types.str")
        case types.Str(pattern, _, name) if pattern:
            matching = Call(Raw("lib.types.strMatching"), (Literal(pattern.text),))
            return Named(name, matching) if name else matching
        case types.Enum(values):
            return Call(Raw("lib.types.enum"), (Items(tuple(map(Literal, values))),))
        case types.Package() | types.StorePath():
            return Raw("lib.types.package")
        case types.Json():
            return Select(Call(Raw("pkgs.formats.json"), (Attrs(()),)), "type")
        case types.NullOr(of):
            return Call(Raw("lib.types.nullOr"), (type_node(of, path),))
        case types.ListOf(of, non_empty, first):
            listed = Call(_list_type(non_empty=non_empty), (type_node(of, f"{path}.*"),))
            return listed if first is None else _first_matches(listed, first.text)
        case types.AttrsOf(of):
            return Call(Raw("lib.types.attrsOf"), (type_node(of, f"{path}.<name>"),))
        case types.Submodule(model):
            return Call(Raw("lib.types.submodule"), (_submodule(model, path),))
        case _:
            message = f"{type_} is not the type of an option"
            raise DefinitionError(message)


def _list_type(*, non_empty: bool) -> Node:
    return Raw("lib.types.nonEmptyListOf" if non_empty else "lib.types.listOf")


def _first_matches(listed: Node, pattern: str) -> Node:
    items_var, items = variable("items", types.Unknown())
    first = Call(Raw("lib.head"), (node(items),))
    match = Call(Raw("builtins.match"), (Literal(pattern), first))
    check = Lambda((items_var,), Binary("!=", match, Literal(None)))
    return Call(Raw("lib.types.addCheck"), (listed, check))


def _submodule(model: type[BaseModel], path: str) -> Node:
    options = Attrs((("options", declarations(model, "config", path)),))
    fields = model.model_fields.values()
    if any(isinstance(field.default_factory, Derived) for field in fields):
        return Function(("config", "..."), options)
    return options


def value_node(value: Any, type_: types.Type) -> Node:
    """A value of a model's field as Nix; of submodules only what differs from the default.

    A `Node` in place of a value is kept: a file of values can refer to what Nix computes.
    """
    if isinstance(value, Node):
        return value
    match type_:
        case types.NullOr(of):
            return Literal(None) if value is None else value_node(value, of)
        case types.Package():
            return Raw(".".join(["pkgs", *map(literals.attribute, value.split("."))]))
        case types.Submodule():
            return set_values(value)
        case types.ListOf(of):
            return Items(tuple(value_node(item, of) for item in value))
        case types.AttrsOf(of):
            names = sorted(value, key=str.encode)
            return Attrs(tuple((name, value_node(value[name], of)) for name in names))
        case _:
            return node(value)


def set_values(model: BaseModel, expressions: Mapping[str, Node] | None = None) -> Attrs:
    """The fields of a model that were set to other than their default, as an attribute set.

    `expressions` gives Nix expressions in place of some fields' values, by field name.
    """
    given = expressions or {}
    bindings: list[tuple[str | Node, Node]] = []
    for name, field in type(model).model_fields.items():
        value = given.get(name, getattr(model, name))
        if _is_default(field, value, model):
            continue
        type_ = types.of_field(field, f"{type(model).__name__}.{name}")
        bindings.append((field.alias or name, value_node(value, type_)))
    return Attrs(tuple(bindings))


def _is_default(field: FieldInfo, value: Any, model: BaseModel) -> bool:
    if isinstance(field.default_factory, Derived):
        return bool(value == field.default_factory(dict(model)))
    if field.default_factory is not None:
        return bool(value == cast("Callable[[], Any]", field.default_factory)())
    return bool(value == field.default)


def _holds_named(made: Node) -> bool:
    return isinstance(made, Named) or any(_holds_named(child) for child in children(made))


def _no_programs(package: str, name: str) -> str:
    message = f"a default cannot name the program {name} of {package}"
    raise DefinitionError(message)
