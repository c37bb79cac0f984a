"""Plain values as Nix source, and back: what a file of settings holds, with nothing to compute.

It prints what `printer` prints of the same values, at a twentieth of the cost: a fleet has hundreds
of thousands of them. Knows dicts, lists, strings, integers, booleans, null and `Raw` names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from nixgen import literals
from nixgen.nodes import Raw
from nixgen.printer import print_expression
from nixgen.views import node

WIDTH = 100
"""Columns of a line, where it can be had."""

_attribute = lru_cache(maxsize=65536)(literals.attribute)
_string = lru_cache(maxsize=65536)(literals.string)


def print_values(values: Mapping[str, Any]) -> str:
    """An attribute set as source, its names in the order that they have.

    Raises RefusedValueError for what Nix cannot hold.
    """
    if not values:
        return "{ }"
    lines = ["{"]
    _bindings(lines, "  ", values)
    lines.append("}")
    return "\n".join(lines)


def _bindings(lines: list[str], pad: str, values: Mapping[str, Any]) -> None:
    # One call a set, not one a value: most values are numbers and short words.
    for name, value in values.items():
        kind = type(value)
        path = _attribute(name)
        if kind is dict:
            _set(lines, pad, path, value)
        elif kind is list:
            _leaf(lines, pad, path, value)
        else:
            line = f"{pad}{path} = {_scalar(value)};"
            if len(line) <= WIDTH:
                lines.append(line)
            else:
                _leaf(lines, pad, path, value)


def _set(lines: list[str], pad: str, path: str, values: dict[str, Any]) -> None:
    value: Any = values
    while type(value) is dict and len(value) == 1:
        ((inner, value),) = value.items()  # a.b.c = …
        path = f"{path}.{_attribute(inner)}"
    if type(value) is not dict:
        _leaf(lines, pad, path, value)
    elif value:
        lines.append(f"{pad}{path} = {{")
        _bindings(lines, f"{pad}  ", value)
        lines.append(f"{pad}}};")
    else:
        lines.append(f"{pad}{path} = {{ }};")


def _leaf(lines: list[str], pad: str, path: str, value: Any) -> None:
    """A list or a single value, over several lines where it needs them."""
    if type(value) is list:
        if any(type(item) in {list, dict} for item in value):
            text = print_expression(node(value)).replace("\n", f"\n{pad}")
            lines += f"{pad}{path} = {text};".split("\n")
            return
        items = [_item(item) for item in value]
        line = f"{pad}{path} = [ {' '.join(items)} ];" if items else f"{pad}{path} = [ ];"
        if len(line) <= WIDTH or not items:
            lines.append(line)
        else:
            lines += [f"{pad}{path} = [", *(f"{pad}  {item}" for item in items), f"{pad}];"]
        return
    text = _scalar(value)
    line = f"{pad}{path} = {text};"
    lines += [line] if len(line) <= WIDTH else [f"{pad}{path} =", f"{pad}  {text};"]


def _scalar(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return _string(value)
    if kind is int:
        return literals.integer(value)
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    if kind is Raw:
        return str(value.path)
    message = f"no plain value: {value!r}"
    raise TypeError(message)


def _item(value: Any) -> str:
    printed = _scalar(value)
    return f"({printed})" if printed[0] == "-" else printed


_HEAD = re.compile(r"(?:\s|#[^\n]*\n)*(?:\{[\w\s,.'-]*\}:)?")
"""Comments, and a function's arguments."""
_TOKEN = re.compile(
    r"""
    \s*+
    (?: (?P<string> "(?: [^"\\$]++ | \\. | \$(?!\{) )*+" )
      | (?P<integer> -?[0-9]+ (?![0-9A-Za-z_./-]) )
      | (?P<word> [A-Za-z0-9_.+/'-]+ )
      | (?P<punctuation> [][{}=;()] )
      | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)
_PATH = re.compile(r"""[A-Za-z_][\w'-]*(?:\.(?:[A-Za-z_][\w'-]*|"\w+"))*|\.{1,2}(?:/[\w.+-]+)+""")
"""What `Raw` holds: names, quoted where they are keywords, or the path of a file."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_UNESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}


def read_values(source: str) -> dict[str, Any]:
    """What a file of plain values says: an attribute set, or a module's function that gives one.

    Names of something else (`classes.web`, `./x.nix`) come as `Raw`. Raises ValueError with the
    offset where the source is anything but plain values.
    """
    start = _HEAD.match(source)
    reader = _Reader(source, start.end() if start else 0)
    value = reader.value()
    if type(value) is not dict or reader.kind:
        raise reader.refused()
    return value


class _Reader:
    """Reads token after token; `kind` and `text` are those of the next."""

    def __init__(self, source: str, position: int) -> None:
        self._source = source
        self._position = position
        self.kind: str | None = ""
        self.text = ""
        self.take()

    def refused(self) -> ValueError:
        return ValueError(f"no plain value before offset {self._position}: {self.text!r}")

    def take(self, text: str = "") -> str:
        """The next token, which must be `text` where that is given."""
        taken = self.text
        if text and taken != text:
            raise self.refused()
        match = _TOKEN.match(self._source, self._position)
        if match is None:
            raise self.refused()
        self.kind, self._position = match.lastgroup, match.end()
        self.text = match[self.kind] if self.kind else ""
        return taken

    def value(self) -> Any:
        match self.kind, self.text:
            case "string", _:
                return self._string()
            case "integer", _:
                return int(self.take())
            case "word", _:
                return _WORDS[self.take()] if self.text in _WORDS else self._raw()
            case "punctuation", "{":
                return self._set()
            case "punctuation", "[":
                return self._list()
            case "punctuation", "(":
                return self._parenthesised()
            case _:
                raise self.refused()

    def _raw(self) -> Raw:
        path = self.take()
        while path[-1] == "." and self.kind == "string":  # pkgs."with".x
            path += self.take()
            if self.text[:1] == ".":
                path += self.take()
        if _PATH.fullmatch(path) is None or path.split(".")[0] in literals.KEYWORDS:
            raise self.refused()
        return Raw(path)

    def _string(self) -> str:
        inside = self.take()[1:-1]
        if "\\" not in inside:
            return inside
        return _ESCAPED.sub(lambda match: _UNESCAPED.get(match[1], match[1]), inside)

    def _list(self) -> list[Any]:
        items = []
        self.take("[")
        while self.text != "]":
            items.append(self.value())
        self.take("]")
        return items

    def _parenthesised(self) -> Any:
        self.take("(")
        value = self.value()
        if self.text == "-" and type(value) is int:
            self.take("-")  # the smallest integer has no literal of its own
            subtracted = self.value()
            if type(subtracted) is not int:
                raise self.refused()
            value -= subtracted
        self.take(")")
        return value

    def _set(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        self.take("{")
        while self.text != "}":
            *folders, name = self._path()
            holder = made
            for folder in folders:
                holder = holder.setdefault(folder, {})
                if type(holder) is not dict:
                    raise self.refused()
            if name in holder:
                raise self.refused()
            self.take("=")
            holder[name] = self.value()
            self.take(";")
        self.take("}")
        return made

    def _path(self) -> list[str]:
        """The names of `a."b.c".d`, which the tokens hold as words with dots, and strings."""
        names: list[str] = []
        while self.text != "=":
            if self.kind == "string":
                names.append(self._string())
            elif self.kind == "word":
                names += [part for part in self.take().split(".") if part]
            else:
                raise self.refused()
        if not names:
            raise self.refused()
        return names
