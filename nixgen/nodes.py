"""The tree of a definition: what `printer` prints and `evaluator` evaluates.

Nodes are plain frozen data without types or checks; `views` and `combinators` build them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all nodes."""


@dataclass(frozen=True, slots=True)
class Literal(Node):
    """A string, integer, boolean or null."""

    value: str | int | bool | None


@dataclass(frozen=True, slots=True)
class Items(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Attrs(Node):
    """An attribute set; a name is known when built or computed."""

    bindings: tuple[tuple[str | Node, Node], ...]


@dataclass(frozen=True, slots=True)
class Var(Node):
    """A variable: the configuration, or a parameter of a `Map`. `key` tells them apart."""

    hint: str
    key: int


@dataclass(frozen=True, slots=True)
class Select(Node):
    """`base.attribute`."""

    base: Node
    attribute: str


@dataclass(frozen=True, slots=True)
class Choose(Node):
    """`{ a = …; b = …; }.${key}`."""

    key: Node
    cases: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Text(Node):
    """Strings joined; every part evaluates to a string."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Primitive:
    """A function with one meaning on both sides."""

    nix: str
    """The function in Nix, applied to the arguments."""
    python: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Apply(Node):
    """A primitive applied."""

    primitive: Primitive
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class If(Node):
    """`if condition then yes else no`; only the branch taken is evaluated."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """An operator of both languages: `==`, `!=`, `<`, `<=`, `&&`, `||`, `+`, `++`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Not(Node):
    """`!operand`."""

    operand: Node


@dataclass(frozen=True, slots=True)
class Optionals(Node):
    """A list that is empty unless the condition holds."""

    condition: Node
    items: Node


@dataclass(frozen=True, slots=True)
class Map(Node):
    """A function over a list (one parameter) or an attribute set (name and value).

    `into` is `list` or `attrs`; attribute sets are walked in the byte order of their names.
    """

    into: str
    parameters: tuple[Var, ...]
    body: Node
    over: Node


@dataclass(frozen=True, slots=True)
class Named(Node):
    """A value with a name of its own: a `let` in Nix, in the scope that its variables ask for."""

    hint: str
    value: Node


@dataclass(frozen=True, slots=True)
class Program(Node):
    """A program's path: of a package, or as given when it is absolute.

    `package` is a package name known when built, or a node that gives a package.
    """

    package: str | Node
    name: Node


@dataclass(frozen=True, slots=True)
class PackageNamed(Node):
    """The package of a name that is known only when evaluated: `pkgs.${name}`."""

    name: Node


@dataclass(frozen=True, slots=True)
class RunTime(Node):
    """A variable that systemd expands when it starts a process; `exec_line` makes text of it."""

    name: str


@dataclass(frozen=True, slots=True)
class MkMerge(Node):
    """Configurations joined; a conflict is an error."""

    parts: Node


@dataclass(frozen=True, slots=True)
class MkIf(Node):
    """A definition that is absent unless the condition holds."""

    condition: Node
    value: Node


@dataclass(frozen=True, slots=True)
class MkDefault(Node):
    """A definition that gives way to any other."""

    value: Node


# Only printed, never evaluated in Python: option declarations and files of values.


@dataclass(frozen=True, slots=True)
class Raw(Node):
    """A path of names that is printed as it is, e.g. `lib.types.str`."""

    path: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """A Nix function applied."""

    function: Node
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Function(Node):
    """A function of named arguments: `{ a, b, ... }: body`."""

    arguments: tuple[str, ...]
    body: Node


@dataclass(frozen=True, slots=True)
class Let(Node):
    """`let name = value; … in body`, its names to be used by `Raw`."""

    bindings: tuple[tuple[str, Node], ...]
    body: Node


@dataclass(frozen=True, slots=True)
class Lambda(Node):
    """A function of one argument after the other: `a: b: body`."""

    parameters: tuple[Var, ...]
    body: Node


@dataclass(frozen=True, slots=True)
class Prose(Node):
    """Text for people: printed over several lines where it has several."""

    text: str


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in reading order."""
    match node:
        case Items(items):
            return items
        case Attrs(bindings):
            return tuple(
                part for name, value in bindings for part in (name, value) if isinstance(part, Node)
            )
        case Select(base, _):
            return (base,)
        case Choose(key, cases):
            return (key, *(value for _, value in cases))
        case Text(parts):
            return parts
        case Apply(_, arguments):
            return arguments
        case If(condition, yes, no):
            return (condition, yes, no)
        case Binary(_, left, right):
            return (left, right)
        case Not(inner) | Named(_, inner) | PackageNamed(inner) | MkMerge(inner) | MkDefault(inner):
            return (inner,)
        case Optionals(condition, value) | MkIf(condition, value):
            return (condition, value)
        case Map(_, _, body, over):
            return (over, body)
        case Program(package, name):
            return (package, name) if isinstance(package, Node) else (name,)
        case Call(function, arguments):
            return (function, *arguments)
        case Let(bindings, body):
            return (*(value for _, value in bindings), body)
        case Function(_, body) | Lambda(_, body):
            return (body,)
        case _:
            return ()


def holds_definition(node: Node) -> bool:
    """Whether a part of a configuration (`only_if`, `default`, `merge`, `each`) is in the tree."""
    if isinstance(node, MkIf | MkDefault | MkMerge):
        return True
    return any(holds_definition(child) for child in children(node))
