"""A tree as Nix source, laid out in the spirit of RFC 166 (nixfmt). Stable to the byte."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from nixgen import literals
from nixgen.errors import DefinitionError
from nixgen.layout import HARD, LINE, SOFT, Doc, Group, Nest, layout
from nixgen.nodes import (
    Apply,
    Attrs,
    Binary,
    Call,
    Choose,
    Function,
    If,
    Items,
    Lambda,
    Let,
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
    Prose,
    Raw,
    Select,
    Text,
    Var,
    children,
)

# How tightly an expression binds, from the operator table of the Nix manual; smaller is tighter.
ATOM, APPLICATION, LOOSEST = 0, 1, 20
_OPERATORS = {"++": 5, "+": 7, "!": 8, "<": 10, "<=": 10, "==": 11, "!=": 11, "&&": 12, "||": 13}
_ASSOCIATIVE = frozenset({"++", "&&", "||"})

_RESERVED = literals.KEYWORDS | {"builtins", "cfg", "config", "false", "lib", "map", "null"}
_RESERVED = _RESERVED | {"options", "pkgs", "toString", "true", "utils"}
_GLOBAL = re.compile(r"\b(config|lib|pkgs|utils)\.")

_PACKAGES = {"systemd": "config.systemd.package"}

SYSTEMD_LIB = frozenset({"systemd-socket-proxyd"})
"""Programs of systemd that stand in lib/systemd and not in bin."""


def print_expression(node: Node) -> str:
    """An expression without free variables as source."""
    return layout(Printer({}).scope(node, frozenset()))


class Printer:
    """Prints nodes; holds the names of the variables and `let`s in scope."""

    def __init__(self, names: dict[int, str]) -> None:
        self._names = dict(names)
        self._lets: dict[Named, str] = {}
        self._free: dict[int, frozenset[int]] = {}
        self.uses: set[str] = set()
        """What the printed source asks of its module's arguments: `lib`, `pkgs`, `utils`, …"""

    def scope(self, body: Node, bound: frozenset[int]) -> Doc:
        """A function's body with the `let`s that belong here: those that use what it binds."""
        lets = self.lets(body, bound)
        return _let(lets, self.doc(body)) if lets else self.doc(body)

    def lets(self, body: Node, bound: frozenset[int]) -> list[Doc]:
        """The bindings of the named values in `body` that depend on `bound` and nothing further in.

        Without `bound`, those that depend on no function's parameter.
        """
        docs: list[Doc] = []
        known = set(self._names)
        for named in _named(body):
            free = self._free_variables(named)
            if named in self._lets or not free <= known or (bound and not free & bound):
                continue
            docs.append((self.let_name(named), " =", self._value(named.value), ";"))
        return docs

    def let_name(self, named: Named) -> str:
        """The name given to a `let`; new when it is first asked for."""
        if named not in self._lets:
            self._lets[named] = self._fresh(named.hint)
        return self._lets[named]

    def doc(self, node: Node, limit: int = LOOSEST) -> Doc:
        """The node, in parentheses when it binds more loosely than `limit`."""
        level, doc = self._expression(node)
        if level <= limit:
            return doc
        if _hugs(node):
            return ("(", doc, ")")
        return Group(("(", Nest((SOFT, doc)), SOFT, ")"))

    def _expression(self, node: Node) -> tuple[int, Doc]:
        match node:
            case Literal(value):
                return self._literal(value)
            case Prose(text):
                return ATOM, _prose(text)
            case Raw(path):
                return ATOM, self._global(path)
            case Var(_, key):
                return ATOM, self._names[key]
            case Named():
                return ATOM, self.let_name(node)
            case Text(parts):
                return ATOM, self._text(parts)
            case Items(items):
                return ATOM, self._list(items)
            case Attrs(bindings):
                return ATOM, self._attrs(bindings)
            case Select(base, attribute):
                return ATOM, (self.doc(base, ATOM), ".", literals.attribute(attribute))
            case Choose(key, cases):
                inline = tuple((literals.attribute(n), " = ", self.doc(v), "; ") for n, v in cases)
                return ATOM, ("{ ", *inline, "}.${", self.doc(key), "}")
            case If(condition, yes, no):
                return LOOSEST, self._if(condition, yes, no)
            case Not(operand):
                return _OPERATORS["!"], ("!", self.doc(operand, APPLICATION))
            case Binary(operator, _, _):
                return _OPERATORS[operator], self._binary(node)
            case Function(arguments, body):
                return LOOSEST, (_pattern(arguments), HARD, self.doc(body))
            case Let(bindings, body):
                lets = [self.binding(name, value) for name, value in bindings]
                return LOOSEST, _let(lets, self.doc(body))
            case Lambda(parameters, inner):
                return LOOSEST, self._lambda(parameters, inner)
            case Map():
                return APPLICATION, self._map(node)
            case _:
                return APPLICATION, self._application(node)

    def _application(self, node: Node) -> Doc:
        match node:
            case Apply(primitive, arguments):
                return self._call(primitive.nix, *arguments)
            case Call(function, arguments):
                return self._call(self.doc(function, APPLICATION), *arguments)
            case Optionals(condition, Items((item,))):
                return self._call("lib.optional", condition, item)
            case Optionals(condition, items):
                return self._call("lib.optionals", condition, items)
            case MkMerge(parts):
                return self._call("lib.mkMerge", parts)
            case MkIf(condition, value):
                return self._call("lib.mkIf", condition, value)
            case MkDefault(value):
                return self._call("lib.mkDefault", value)
            case PackageNamed(name):
                return (self._global("pkgs."), "${", self.doc(name), "}")
            case Program(package, name):
                return self._program(package, name)
            case _:
                message = f"cannot be printed: {node!r}"
                raise TypeError(message)

    def _literal(self, value: str | int | bool | None) -> tuple[int, Doc]:  # noqa: FBT001
        match value:
            case None:
                return ATOM, "null"
            case bool():
                return ATOM, "true" if value else "false"
            case int():
                printed = literals.integer(value)
                return (ATOM if printed[0] != "-" else _OPERATORS["!"]), printed
            case str():
                return ATOM, literals.string(value)

    def _text(self, parts: tuple[Node, ...]) -> Doc:
        docs: list[Doc] = ['"']
        for part, following in zip(parts, (*parts[1:], None), strict=True):
            if not isinstance(part, Literal):
                docs.append(("${", self._flat(part), "}"))
                continue
            escaped = literals.escape(str(part.value))
            if escaped.endswith("$") and following is not None:
                escaped = f"{escaped[:-1]}\\$"  # `$${` would not interpolate
            docs.append(escaped)
        return (*docs, '"')

    def _flat(self, node: Node) -> str:
        """On one line however long: a line break has no place inside a string."""
        return layout(Group(self.doc(node)), width=1_000_000)

    def _list(self, items: tuple[Node, ...]) -> Doc:
        if not items:
            return "[ ]"
        docs = [self.doc(item, ATOM) for item in items]
        return Group(("[", Nest(tuple((LINE, doc) for doc in docs)), LINE, "]"))

    def _attrs(self, bindings: tuple[tuple[str | Node, Node], ...]) -> Doc:
        if not bindings:
            return "{ }"
        docs = [self.binding(name, value) for name, value in bindings]
        return ("{", Nest((HARD, _lines(docs))), HARD, "}")

    def binding(self, name: str | Node, value: Node) -> Doc:
        """`name = value;`, sets of one attribute written as a path."""
        if isinstance(name, str) and value == Raw(name):
            return ("inherit ", name, ";")
        path = [self._name(name)]
        while isinstance(value, Attrs) and len(value.bindings) == 1:
            ((inner, value),) = value.bindings  # a.b.c = …
            path.append(self._name(inner))
        return (".".join(path), " =", self._value(value), ";")

    def _name(self, name: str | Node) -> str:
        if isinstance(name, str):
            return literals.attribute(name)
        printed = self._flat(name)
        return printed if isinstance(name, Text | Literal) else f"${{{printed}}}"

    def _value(self, value: Node) -> Doc:
        """What comes after `=`: on the same line where it opens something, else as it fits."""
        doc = self.doc(value)
        if isinstance(value, Function):
            return Nest((HARD, doc))
        if _opens(value):
            return (" ", doc)
        return Group(Nest((LINE, doc)))

    def _if(self, condition: Node, yes: Node, no: Node) -> Doc:
        return Group(
            (
                *("if ", self.doc(condition), " then", Nest((LINE, self.doc(yes)))),
                *(LINE, "else", Nest((LINE, self.doc(no)))),
            ),
        )

    def _binary(self, node: Binary) -> Doc:
        level = _OPERATORS[node.operator]
        operands = [node.left, node.right]
        while node.operator in _ASSOCIATIVE and isinstance(operands[0], Binary):
            first = operands[0]
            if first.operator != node.operator:
                break
            operands[:1] = [first.left, first.right]
        docs = [self.doc(operand, level - 1) for operand in operands]
        rest = tuple((LINE, f"{node.operator} ", doc) for doc in docs[1:])
        return Group((docs[0], rest))

    def _call(self, function: Doc, *arguments: Node) -> Doc:
        if isinstance(function, str):
            self._global(function)
        return (function, *((" ", self.doc(argument, ATOM)) for argument in arguments))

    def _global(self, path: str) -> str:
        self.uses.update(_GLOBAL.findall(path))
        return path

    def _map(self, node: Map) -> Doc:
        if node.into == "attrs":
            function = "lib.mapAttrs"
        else:
            function = "map" if len(node.parameters) == 1 else "lib.mapAttrsToList"
        return self._call(function, Lambda(node.parameters, node.body), node.over)

    def _lambda(self, parameters: tuple[Var, ...], body: Node) -> Doc:
        names, lets = dict(self._names), dict(self._lets)
        for variable in parameters:
            self._names[variable.key] = self._fresh(variable.hint)
        head = " ".join(f"{self._names[variable.key]}:" for variable in parameters)
        doc = self.scope(body, frozenset(variable.key for variable in parameters))
        has_lets = self._lets != lets
        self._names, self._lets = names, lets
        return (head, " " if isinstance(body, Attrs) and not has_lets else LINE, doc)

    def _program(self, package: str | Node, name: Node) -> Doc:
        if isinstance(package, Node):
            owner = self.doc(package, ATOM)
        else:
            owner = self._global(_PACKAGES.get(package, f"pkgs.{package}"))
        if isinstance(name, Literal) and name.value in SYSTEMD_LIB:
            return ('"${', owner, "}/lib/systemd/", str(name.value), '"')
        return self._call("lib.getExe'", Raw(layout(owner)), name)

    def _fresh(self, hint: str) -> str:
        if not literals.is_identifier(f"a{_camel(hint)}") or not _camel(hint)[0].isalpha():
            message = f"{hint!r} cannot be the name of a variable in Nix"
            raise DefinitionError(message)
        taken = _RESERVED | set(self._names.values()) | set(self._lets.values())
        name = _camel(hint)
        number = 1
        while name in taken:
            number += 1
            name = f"{_camel(hint)}{number}"
        return name

    def _free_variables(self, node: Node) -> frozenset[int]:
        if id(node) not in self._free:
            below = [self._free_variables(child) for child in children(node)]
            free = frozenset[int]().union(*below)
            if isinstance(node, Var):
                free |= {node.key}
            if isinstance(node, Map | Lambda):
                free -= {variable.key for variable in node.parameters}
            self._free[id(node)] = free
        return self._free[id(node)]


def _let(bindings: list[Doc], body: Doc) -> Doc:
    return ("let", Nest((HARD, _lines(bindings))), HARD, "in", HARD, body)


def _pattern(arguments: tuple[str, ...]) -> Doc:
    if len(arguments) <= 2:  # noqa: PLR2004 - as nixfmt leaves `{ lib, ... }:`
        return "{ " + ", ".join(arguments) + " }:"
    return (
        "{",
        Nest((HARD, _lines([f"{name}," for name in arguments[:-1]]), HARD, arguments[-1])),
        HARD,
        "}:",
    )


def _named(node: Node) -> Iterator[Named]:
    """All named values in a tree, inner ones first."""
    for child in children(node):
        yield from _named(child)
    if isinstance(node, Named):
        yield node


def _lines(docs: list[Doc]) -> Doc:
    first, *rest = docs
    return (first, *((HARD, doc) for doc in rest))


def _opens(node: Node) -> bool:
    """Whether a node begins with a word or two and then breaks inside brackets."""
    match node:
        case Attrs() | Items() | Map() | Function() | Lambda() | Prose():
            return True
        case Call(_, arguments) | Apply(_, arguments):
            return _brackets(arguments[-1])
        case MkIf(_, value) | MkDefault(value) | MkMerge(value) | Optionals(_, value):
            return _brackets(value)
        case _:
            return False


def _brackets(node: Node) -> bool:
    """Whether a node as an argument is in brackets or parentheses."""
    return not isinstance(node, Literal | Text | Select | Var | Raw | Named | Prose | Choose)


def _hugs(node: Node) -> bool:
    """Whether parentheses stand close around a node that breaks inside brackets of its own."""
    if isinstance(node, Lambda):
        return isinstance(node.body, Attrs) and not any(True for _ in _named(node.body))
    return _opens(node) and not isinstance(node, Function)


def _camel(name: str) -> str:
    first, *rest = re.split(r"[_-]", name.strip("_") or "name")
    return first + "".join(part.capitalize() for part in rest)


def _prose(text: str) -> Doc:
    """Text for people, its paragraphs filled, over several lines where it needs them."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    lines = "\n\n".join(textwrap.fill(paragraph, 80) for paragraph in paragraphs).split("\n")
    safe = all(line.isprintable() for line in lines) and "''" not in text and "${" not in text
    if len(lines) == 1 or not safe:
        return literals.string("\n".join(lines))
    docs = [(HARD, line) if line else HARD for line in lines]
    return ("''", Nest(tuple(docs)), HARD, "''")
