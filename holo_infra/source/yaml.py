"""Reads a fleet from a YAML file: by YAML 1.2's core schema, with a line for each mistake."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.composer import Composer, ComposerError
from yaml.error import Mark, MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from holo_infra.diagnostics import Diagnostic, FieldPath, Place
from holo_infra.model.fleet import Fleet
from holo_infra.source.nodes import (
    DEEPEST,
    LIST,
    MAPPING,
    PLAIN,
    TEXT,
    Positions,
    RefusedError,
    Values,
    too_deep,
)
from holo_infra.source.result import Source
from holo_infra.source.revalidation import check
from holo_infra.source.validation import faults
from holo_infra.source.words import one_line

_UNFIT = re.compile("[^\t\n\r -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML 1.2 forbids, and what it takes as text but libyaml as a line break."""
_NO_FLEET = "write `name: …` and `hosts: …`, or begin with `holo init`"


class _Untyped:
    """Takes the place of PyYAML's resolver, which types scalars by the rules of YAML 1.1."""

    def __init__(self) -> None:
        self._level = 0

    def descend_resolver(self, parent: Node | None, _index: object) -> None:
        """Called before each node, by code in C that would overflow its stack."""
        self._level += 1
        if self._level > DEEPEST and parent is not None:
            raise too_deep(parent)

    def ascend_resolver(self) -> None:
        """Called after each node."""
        self._level -= 1

    def resolve(self, kind: type[Node], _value: object, implicit: Any) -> str:
        """The tag of a node that has none."""
        if kind is ScalarNode:
            return PLAIN if implicit[0] else TEXT
        return LIST if kind is SequenceNode else MAPPING


class _Python(_Untyped, Reader, Scanner, Parser, Composer):
    """Nodes by PyYAML's own Python, where libyaml is missing."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Untyped.__init__(self)


def _loader() -> Any:
    if not yaml.__with_libyaml__:
        return _Python
    from yaml.cyaml import CParser  # type: ignore[attr-defined]  # noqa: PLC0415 - only where it is

    class Native(_Untyped, CParser):
        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            _Untyped.__init__(self)

    return Native


_LOADER = _loader()


def load(path: Path) -> Source:
    """The fleet that the file describes, and all that is wrong with it."""
    return _Reading(str(path)).source(path)


class _Reading:
    """One file on its way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.told: list[Diagnostic] = []

    def source(self, path: Path) -> Source:
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            self.tell("HI001", (), error.strerror or "cannot be read", "give a file that exists")
        except UnicodeDecodeError as error:
            where = self._offset(error.object[: error.start].decode("utf-8", "replace"))
            byte = error.object[error.start]
            message = f"the byte {byte:#04x} is not UTF-8"
            self.tell("HI001", (), message, "save the file as UTF-8", where)
        else:
            root = self._root(text)
            if root is not None:
                return self._checked(root)
        return Source(None, tuple(self.told))

    def _root(self, text: str) -> Node | None:
        """The first document's node; None where it has none, or is no YAML."""
        if unfit := _UNFIT.search(text):
            message = f"the character U+{ord(unfit[0]):04X} cannot stand in YAML as it is"
            hint = f'write it in double quotes as "\\{"u" if unfit[0] > "ÿ" else "x"}'
            hint += f'{ord(unfit[0]):{"04x" if unfit[0] > "ÿ" else "02x"}}", or take it out'
            self.tell("HI002", (), message, hint, self._offset(text[: unfit.start()]))
            return None
        try:
            root = self._composed(text)
        except MarkedYAMLError as error:
            self._syntax(error, text)
            return None
        except RefusedError as error:
            self._refused(error)
            return None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            self.tell("HI002", (), one_line(str(error)), "", Place(self.file, 1, 1))
            return None
        if not isinstance(root, MappingNode):
            what = {ScalarNode: "text", SequenceNode: "a list"}.get(type(root), "empty")
            message = f"a fleet is a mapping, and the file is {what}"
            self.tell("HI004", (), message, _NO_FLEET, self._node(root))
            return None
        return root

    def _composed(self, text: str) -> Node | None:
        try:
            return cast("Node | None", _LOADER(text).get_single_node())
        except ComposerError as error:
            if error.problem_mark is None or "another document" not in (error.problem or ""):
                raise
            message, hint = "a second document begins here", "a fleet is one document"
            self.tell("HI007", (), message, hint, self._mark(error.problem_mark))
        loader = _LOADER(text)
        return cast("Node", loader.get_node()) if loader.check_node() else None

    def _syntax(self, error: MarkedYAMLError, text: str) -> None:
        mark = error.problem_mark or error.context_mark
        lines = text.split("\n")
        line = lines[mark.line] if mark and mark.line < len(lines) else ""
        here = line[mark.column : mark.column + 1] if mark else ""
        hint = "often a quote, a colon or the indentation is wrong, here or in the line before"
        if "nesting depth" in (error.problem or ""):
            hint = "a fleet has about ten levels"
        elif here == "\t":
            hint = "indent with spaces, not tabs"
        elif here in {"@", "`", "%", "&", "*", "!"}:
            hint = f"put text that begins with {here} in quotes"
        elif "mapping values" in (error.problem or ""):
            hint = "put text that holds `: ` in quotes, and indent the keys of a mapping alike"
        if error.context and error.context_mark:
            hint += f" ({error.context} that begins in line {error.context_mark.line + 1})"
        where = self._mark(mark) if mark else Place(self.file, 1, 1)
        problem = one_line(error.problem or "not valid YAML")
        code = "HI007" if "nesting depth" in problem else "HI002"
        self.tell(code, (), problem, one_line(hint), where)

    def _checked(self, root: Node) -> Source:
        values = Values()
        try:
            value = values.of(root)
        except RefusedError as error:
            self._refused(error)
            return Source(None, tuple(self.told))
        for one in values.faults:
            self.tell(one.code, one.path, one.message, one.hint, self._node(one.node))
        positions = Positions(root)
        # Keys of the user's own, as a place for what is used by alias.
        value = {key: part for key, part in value.items() if not str(key).startswith("x-")}
        result = check(value)
        if result.error:
            same = set()  # a value behind an alias is told once
            for fault in faults(result.error, Fleet, positions.text):
                find = positions.key if fault.at_key else positions.value
                node = find(fault.written)
                if (said := (fault.code, fault.message, id(node))) not in same:
                    same.add(said)
                    where = self._node(node)
                    self.tell(fault.code, fault.path, fault.message, fault.hint, where)

        def locate(path: FieldPath) -> Place | None:
            return self._node(positions.value(path))

        return Source(result.fleet, tuple(self.told), locate, result.left_out)

    def _refused(self, error: RefusedError) -> None:
        fault = error.fault
        self.tell(fault.code, fault.path, fault.message, fault.hint, self._node(fault.node))

    def tell(
        self, code: str, path: FieldPath, message: str, hint: str, place: Place | None = None
    ) -> None:
        """Adds a diagnostic; without a place it is about the file."""
        self.told.append(Diagnostic(code, path, message, hint, place or Place(self.file)))

    def _node(self, node: Node | None) -> Place:
        return self._mark(node.start_mark) if node is not None else Place(self.file, 1, 1)

    def _mark(self, mark: Mark) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _offset(self, before: str) -> Place:
        """The place after this much of the text."""
        return Place(self.file, before.count("\n") + 1, len(before) - before.rfind("\n"))
