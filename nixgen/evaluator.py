"""Evaluates a tree in Python, as Nix would: strict where Nix forces, lazy where it does not.

A tree is compiled once to closures; what configuration nodes give is merged by `merging`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

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


class Scope(NamedTuple):
    """The values of the variables, and where programs are."""

    values: dict[int, Any]
    programs: Programs


Closure = Callable[[Scope], Any]


def evaluate(node: Node, values: Mapping[int, Any], programs: Programs) -> Any:
    """The node's value; `values` gives its free variables by their keys."""
    return compile_node(node)(Scope(dict(values), programs))


def compile_node(node: Node) -> Closure:
    """The node as a function of the scope."""
    closure = _compile(node)
    if isinstance(node, Literal) or not _is_constant(node):
        return closure
    value = closure(Scope({}, lambda _package, _name: ""))
    return lambda _: value


def _is_constant(node: Node) -> bool:
    """Whether this is data that is written out, as most directives are: it is evaluated once."""
    match node:
        case Literal():
            return True
        case Items(items):
            return all(map(_is_constant, items))
        case Attrs(bindings):
            are_plain = all(isinstance(name, str) and _is_constant(v) for name, v in bindings)
            return are_plain and len({name for name, _ in bindings}) == len(bindings)
        case Named(_, value) | MkDefault(value):
            return _is_constant(value)
        case _:
            return False


def _compile(node: Node) -> Closure:
    match node:
        case Literal(value):
            return lambda _: value
        case Var(_, key):
            return _var(key)
        case Named(_, value):
            return compile_node(value)
        case Select(base, attribute):
            return _select(base, attribute)
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


def _select(base: Node, attribute: str) -> Closure:
    if isinstance(base, Var):  # most are of one, which is worth a call
        key = base.key
        return lambda scope: scope.values[key][attribute]
    inner = compile_node(base)
    return lambda scope: inner(scope)[attribute]


def _choose(key: Closure, cases: dict[str, Closure]) -> Closure:
    return lambda scope: cases[key(scope)](scope)


def _apply(function: Callable[..., Any], arguments: list[Closure]) -> Closure:
    if len(arguments) == 1:
        (only,) = arguments
        return lambda scope: function(only(scope))
    return lambda scope: function(*[argument(scope) for argument in arguments])


def _if(condition: Closure, yes: Closure, no: Closure) -> Closure:
    return lambda scope: yes(scope) if condition(scope) else no(scope)


def _attrs(bindings: tuple[tuple[str | Node, Node], ...]) -> Closure:
    compiled = [
        (compile_node(name) if isinstance(name, Node) else name, compile_node(value))
        for name, value in bindings
    ]

    names = [name for name, _ in compiled if isinstance(name, str)]
    if len(set(names)) == len(compiled):  # none is computed, none is there twice
        known = dict(zip(names, (value for _, value in compiled), strict=True))
        return lambda scope: {name: value(scope) for name, value in known.items()}

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

    # One scope serves all items: the body is evaluated at once, and keeps none.

    def over_list(scope: Scope) -> list[Any]:
        inner = Scope(dict(scope.values), scope.programs)
        made = []
        for item in over(scope):
            inner.values[keys[0]] = item
            made.append(body(inner))
        return made

    def over_attrs(scope: Scope) -> list[tuple[str, Any]]:
        inner = Scope(dict(scope.values), scope.programs)
        values = over(scope)
        made = []
        for name in sorted(values):  # as Nix: the bytes of UTF-8 are in the order of code points
            inner.values[keys[0]], inner.values[keys[1]] = name, values[name]
            made.append((name, body(inner)))
        return made

    if len(keys) == 1:
        return over_list
    if node.into == "list":
        return lambda scope: [value for _, value in over_attrs(scope)]
    return lambda scope: dict(over_attrs(scope))
