"""Evaluates a tree in Python, as Nix would: strict where Nix forces, lazy where it does not.

A tree is compiled once to closures; what configuration nodes give is merged by `merging`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nixgen import literals
from nixgen.errors import DefinitionError, MergeConflictError
from nixgen.merging import ABSENT, Default, Merged, same
from nixgen.nodes import (
    Apply,
    Attrs,
    Binary,
    Choose,
    If,
    Items,
    Literal,
    Map,
    MkDefault,
    MkIf,
    MkMerge,
    Named,
    Node,
    Not,
    Optionals,
    PackageNamed,
    Program,
    Select,
    Text,
    Var,
)

Programs = Callable[[str, str], str]
"""The path of a program: package's attribute path, program's name -> absolute path."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The values of the variables, and where programs are."""

    values: dict[int, Any]
    programs: Programs


Closure = Callable[[Scope], Any]


def evaluate(node: Node, values: Mapping[int, Any], programs: Programs) -> Any:
    """The node's value; `values` gives its free variables by their keys."""
    return compile_node(node)(Scope(dict(values), programs))


def byte_order(name: str) -> bytes:
    """The sort key of attribute names: Nix compares bytes."""
    return name.encode()


def compile_node(node: Node) -> Closure:
    """The node as a function of the scope."""
    match node:
        case Literal(value):
            return lambda _: value
        case Var(_, key):
            return _var(key)
        case Named(_, value):
            return compile_node(value)
        case Select(base, attribute):
            return _select(compile_node(base), attribute)
        case Text(parts):
            closures = [compile_node(part) for part in parts]
            return lambda scope: "".join([closure(scope) for closure in closures])
        case Items(items):
            closures = [compile_node(item) for item in items]
            return lambda scope: [closure(scope) for closure in closures]
        case Attrs(bindings):
            return _attrs(bindings)
        case Choose(key, cases):
            return _choose(compile_node(key), {name: compile_node(case) for name, case in cases})
        case Apply(primitive, arguments):
            return _apply(primitive.python, [compile_node(argument) for argument in arguments])
        case If(condition, yes, no):
            return _if(compile_node(condition), compile_node(yes), compile_node(no))
        case Optionals(condition, items):
            return _if(compile_node(condition), compile_node(items), lambda _: [])
        case MkIf(condition, value):
            return _if(compile_node(condition), compile_node(value), lambda _: ABSENT)
        case MkDefault(value):
            inner = compile_node(value)
            return lambda scope: Default(inner(scope))
        case MkMerge(parts):
            merged = compile_node(parts)
            return lambda scope: Merged(merged(scope))
        case Not(operand):
            negated = compile_node(operand)
            return lambda scope: not negated(scope)
        case Binary():
            return _binary(node)
        case Map():
            return _map(node)
        case Program(package, name):
            owner: Closure = (
                compile_node(package) if isinstance(package, Node) else lambda _: package
            )
            program = compile_node(name)
            return lambda scope: scope.programs(owner(scope), program(scope))
        case PackageNamed(name):
            return compile_node(name)
        case _:
            message = f"cannot be evaluated: {node!r}"
            raise DefinitionError(message)


def _var(key: int) -> Closure:
    return lambda scope: scope.values[key]


def _select(base: Closure, attribute: str) -> Closure:
    return lambda scope: base(scope)[attribute]


def _choose(key: Closure, cases: dict[str, Closure]) -> Closure:
    return lambda scope: cases[key(scope)](scope)


def _apply(function: Callable[..., Any], arguments: list[Closure]) -> Closure:
    return lambda scope: function(*[argument(scope) for argument in arguments])


def _if(condition: Closure, yes: Closure, no: Closure) -> Closure:
    return lambda scope: yes(scope) if condition(scope) else no(scope)


def _attrs(bindings: tuple[tuple[str | Node, Node], ...]) -> Closure:
    compiled = [
        (compile_node(name) if isinstance(name, Node) else name, compile_node(value))
        for name, value in bindings
    ]

    def build(scope: Scope) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in compiled:
            key = name if isinstance(name, str) else name(scope)
            if key in made:
                raise MergeConflictError((key,), "the attribute is defined twice in one set")
            made[key] = value(scope)
        return made

    return build


def _binary(node: Binary) -> Closure:
    left, right = compile_node(node.left), compile_node(node.right)
    match node.operator:
        case "==":
            return lambda scope: same(left(scope), right(scope))
        case "!=":
            return lambda scope: not same(left(scope), right(scope))
        case "<":
            return lambda scope: left(scope) < right(scope)
        case "<=":
            return lambda scope: left(scope) <= right(scope)
        case "&&":
            return lambda scope: left(scope) and right(scope)
        case "||":
            return lambda scope: left(scope) or right(scope)
        case "+":
            return lambda scope: literals.check_integer(left(scope) + right(scope))
        case "++":
            return lambda scope: [*left(scope), *right(scope)]
        case operator:
            message = f"no operator {operator}"
            raise DefinitionError(message)


def _map(node: Map) -> Closure:
    over, body = compile_node(node.over), compile_node(node.body)
    keys = [variable.key for variable in node.parameters]

    def call(scope: Scope, *arguments: Any) -> Any:
        bound = dict(zip(keys, arguments, strict=True))
        return body(Scope({**scope.values, **bound}, scope.programs))

    def over_list(scope: Scope) -> list[Any]:
        return [call(scope, item) for item in over(scope)]

    def over_attrs(scope: Scope) -> list[tuple[str, Any]]:
        values = over(scope)
        return [(name, call(scope, name, values[name])) for name in sorted(values, key=byte_order)]

    if len(keys) == 1:
        return over_list
    if node.into == "list":
        return lambda scope: [value for _, value in over_attrs(scope)]
    return lambda scope: dict(over_attrs(scope))
