"""Values of YAML's core schema from a tree of nodes, and where in the file each of them stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from holo_infra.diagnostics import FieldPath
from holo_infra.source.words import one_line

PLAIN = "?"
"""The tag that stands for none: a scalar without quotes, whose text says what it is."""
TEXT = "tag:yaml.org,2002:str"
LIST = "tag:yaml.org,2002:seq"
MAPPING = "tag:yaml.org,2002:map"

MOST_VALUES = 20_000_000
"""Values of a file, where what aliases stand for is counted each time."""
DEEPEST = 100
"""Levels of mappings and lists in each other."""

_CORE = re.compile(
    r"""
    (?P<null>null|Null|NULL|~|)
  | (?P<bool>true|True|TRUE|false|False|FALSE)
  | (?P<int>[-+]?[0-9]+)
  | 0o(?P<octal>[0-7]+)
  | 0x(?P<hex>[0-9a-fA-F]+)
  | (?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)
  | (?P<inf>[-+]?\.(?:inf|Inf|INF))
  | (?P<nan>\.(?:nan|NaN|NAN))
    """,
    re.VERBOSE,
)
_BEGINS = frozenset("nN~tTfF-+.0123456789")
"""The characters with which a plain scalar that is no text begins."""
_DIGITS = 40  # of an integer; more are out of every range, and Python refuses thousands of them

_MAKE: dict[str, Callable[[str], Any]] = {
    "null": lambda _text: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text[:_DIGITS]),
    "octal": lambda text: int(text[:_DIGITS], 8),
    "hex": lambda text: int(text[:_DIGITS], 16),
    "float": float,
    "inf": lambda text: float(text.replace(".", "")),
    "nan": lambda _text: float("nan"),
}
_TAGGED = {"null": {"null"}, "bool": {"bool"}, "int": {"int", "octal", "hex"}}
_TAGGED["float"] = {"float", "inf", "nan", *_TAGGED["int"]}


@dataclass(frozen=True, slots=True)
class NodeFault:
    """A mistake in the structure of a file."""

    code: str
    path: FieldPath
    message: str
    hint: str
    node: Node


class RefusedError(Exception):
    """A structure of which no value can be made."""

    def __init__(self, message: str, hint: str, node: Node) -> None:
        super().__init__(message)
        self.fault = NodeFault("HI007", (), message, hint, node)


def scalar(text: str) -> Any:
    """The value of a plain scalar: null, a boolean, a number, else text."""
    if text and text[0] not in _BEGINS:
        return text
    match = _CORE.fullmatch(text)
    kind = match.lastgroup if match else None
    return _MAKE[kind](match[kind]) if match and kind else text


class Values:
    """Makes the value of a tree once; `faults` then holds what is wrong in its structure.

    An alias gives the very value of its anchor, so a file's size bounds the time that it takes.
    """

    def __init__(self) -> None:
        self.faults: list[NodeFault] = []
        self._path: list[str | int] = []
        self._count = 0
        self._known: dict[int, tuple[Any, int, int] | None] = {}
        """By node: its value, how many values are in it, how many levels; None while it is made."""

    def of(self, node: Node) -> Any:
        """The value of a node. Raises RefusedError for recursion, and above the limits."""
        return self._made(node, 0)[0]

    def _made(self, node: Node, level: int) -> tuple[Any, int]:
        """The value and its height: 0 for a scalar."""
        if isinstance(node, ScalarNode):
            self._count += 1
            return self._scalar(node), 0
        known = self._known.get(id(node), ())
        value: Any
        if known is None:
            raise RefusedError("it contains itself by an alias", "write the values out", node)
        if known:
            value, count, height = known
            self._count += count
        else:
            self._known[id(node)] = None
            before, self._count = self._count, self._count + 1
            if isinstance(node, MappingNode):
                value, height = self._mapping(node, level + 1)
            else:
                value, height = self._list(node, level + 1)
            self._known[id(node)] = (value, self._count - before, height)
        self._check_count(node)
        if level + height > DEEPEST:
            raise too_deep(node)
        return value, height

    def _check_count(self, node: Node) -> None:
        if self._count > MOST_VALUES:
            message = f"aliases make more than {MOST_VALUES:,} values of it"
            raise RefusedError(message, "write the values out, or use fewer", node)

    def _list(self, node: Node, level: int) -> tuple[list[Any], int]:
        self._check_tag(node, LIST, "a list")
        made, height = [], 0
        for number, item in enumerate(node.value):
            self._path.append(number)
            value, inner = self._made(item, level)
            self._path.pop()
            made.append(value)
            height = max(height, inner)
        return made, height + 1

    def _mapping(self, node: MappingNode, level: int) -> tuple[dict[str, Any], int]:
        self._check_tag(node, MAPPING, "a mapping")
        made: dict[str, Any] = {}
        height = 0
        first: dict[str, Node] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if is_merge(key_node):
                merged += merged_nodes(value_node)
                if not merged or not all(isinstance(one, MappingNode) for one in merged):
                    self._tell("HI007", "`<<` takes mappings only", "write `<<: *name`", key_node)
                continue
            key = self._key(key_node)
            written = key_node.value if isinstance(key_node, ScalarNode) else "?"
            self._path.append(written)
            value, inner = self._made(value_node, level)
            if not isinstance(key, str):
                self._bad_key(key_node, key)
            elif key in made:
                line = first[key].start_mark.line + 1
                hint = f"the first is in line {line}: take one out, or join the two"
                self._tell("HI005", "is given twice", hint, key_node)
            else:
                made[key], first[key] = value, key_node
                height = max(height, inner)
            self._path.pop()
        for one in merged:
            if isinstance(one, MappingNode):
                others, inner = self._made(one, level - 1)
                self._count += len(others)
                self._check_count(node)  # many merges of many entries take their time here
                height = max(height, inner - 1)
                for key, value in others.items():
                    made.setdefault(key, value)
        return made, height + 1

    def _key(self, node: Node) -> Any:
        self._count += 1
        return self._scalar(node) if isinstance(node, ScalarNode) else ()

    def _bad_key(self, node: Node, key: Any) -> None:
        if isinstance(node, ScalarNode):
            what = "empty" if key is None else f"read as {type(key).__name__}"
            hint = f'put it in quotes: "{one_line(node.value, 40)}"'
            self._tell("HI006", f"the key is no text: it is {what}", hint, node)
        else:
            hint = "text with { or [ in front needs quotes"
            self._tell("HI006", "the key is a list or mapping, no text", hint, node)

    def _scalar(self, node: ScalarNode) -> Any:
        text: str = node.value
        if node.tag == PLAIN:
            return scalar(text)
        if node.tag != TEXT:
            name = node.tag.removeprefix("tag:yaml.org,2002:")
            match = _CORE.fullmatch(text)
            if match and match.lastgroup in _TAGGED.get(name, ()):
                value = scalar(text)
                return float(value) if name == "float" else value
            self._bad_tag(node)
        return text

    def _check_tag(self, node: Node, tag: str, noun: str) -> None:
        if node.tag != tag:
            self._bad_tag(node, noun)

    def _bad_tag(self, node: Node, noun: str = "the value") -> None:
        name = node.tag.replace("tag:yaml.org,2002:", "!!")
        message = f"the tag {one_line(name, 60)} is not known, or does not fit {noun}"
        self._tell("HI007", message, "take the tag out", node)

    def _tell(self, code: str, message: str, hint: str, node: Node) -> None:
        self.faults.append(NodeFault(code, tuple(self._path), message, hint, node))


def too_deep(node: Node) -> RefusedError:
    """What is told where there are more than DEEPEST levels."""
    return RefusedError(f"more than {DEEPEST} levels deep", "a fleet has about ten", node)


def is_merge(node: Node) -> bool:
    """Whether a key is the merge key `<<`, without quotes."""
    return node.tag == PLAIN and node.value == "<<"


def merged_nodes(node: Node) -> list[Node]:
    """What a merge key takes its entries from, the strongest first."""
    return list(node.value) if isinstance(node, SequenceNode) else [node]


class Positions:
    """Where fields stand; found by a walk through the nodes, so that a good file pays nothing."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._entries: dict[int, dict[str, tuple[Node, Node]]] = {}

    def key(self, path: FieldPath) -> Node:
        """The node of the key, or of the item of a list, or of the longest path to be had."""
        return self._walk(path)[-1][0]

    def value(self, path: FieldPath) -> Node:
        """The node of a scalar's value; of the key where a list or mapping is told about."""
        found = self._walk(path)
        key, value = found[-1]
        return value if isinstance(value, ScalarNode) and len(found) > len(path) else key

    def text(self, path: FieldPath) -> str | None:
        """A scalar as it is written; None where there is none."""
        found = self._walk(path)
        value = found[-1][1]
        return value.value if isinstance(value, ScalarNode) and len(found) > len(path) else None

    def _walk(self, path: FieldPath) -> list[tuple[Node, Node]]:
        """Key and value of the root and of each part of the path, as far as there are such."""
        key = value = self._root
        found = [(key, value)]
        for part in path:
            if isinstance(value, MappingNode) and part in (entries := self._of(value)):
                key, value = entries[str(part)]
            elif isinstance(value, SequenceNode) and part in range(len(value.value)):
                key = value = value.value[part]
            else:
                break
            found.append((key, value))
        return found

    def _of(self, node: MappingNode) -> dict[str, tuple[Node, Node]]:
        """The entries of a mapping, its own before merged ones, the first of a name only."""
        known = self._entries.get(id(node))
        if known is None:
            known = self._entries[id(node)] = {}
            for key, value in node.value:
                if isinstance(key, ScalarNode) and not is_merge(key):
                    known.setdefault(key.value, (key, value))
            for key, value in node.value:
                if is_merge(key):
                    for one in merged_nodes(value):
                        if isinstance(one, MappingNode):
                            for name, entry in self._of(one).items():
                                known.setdefault(name, entry)
        return known
