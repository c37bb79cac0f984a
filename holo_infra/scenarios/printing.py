"""A scenario's script as text: what the NixOS test driver runs, without the modules it is from.

Printed are the function, and what it names of the scenarios' modules, as it is written but for
annotations. What it names of `vmtests` the driver has by itself.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from holo_infra.scenarios.scenario import Scenario

GLOBALS = frozenset({"retry", "subtest"})
"""What scripts use of the driver besides machines."""
_OURS = "holo_infra.scenarios"


class NotPrintable(Exception):  # noqa: N818 (it is told to who writes a scenario)
    """A script that uses what a test script of NixOS does not have."""


def print_script(scenario: Scenario) -> str:
    """The script, which ends with its call on the machines of the fleet."""
    script = scenario.script
    parts = _Parts()
    parts.add(import_module(script.__module__), script.__name__)
    machines = ", ".join(scenario.fleet.hosts)
    imports = [f"import {name}" for name in sorted(parts.imports)]
    blocks = ["\n".join([*lines, ""]) for lines in (imports, parts.constants) if lines]
    blocks += [f"\n{text}\n" for text in parts.functions]
    blocks.append(f"\nstart_all()\n{script.__name__}({machines})\n")
    return _comment(scenario) + "\n" + "\n".join(blocks)


def _comment(scenario: Scenario) -> str:
    return (
        f"# Scenario {scenario.name}. Made by `python -m holo_infra.scenarios` from\n"
        f"# {scenario.script.__module__}; do not edit.\n"
    )


class _Parts:
    """What has been printed of a script, each part before those that use it."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.constants: list[str] = []
        self.functions: list[str] = []
        self._seen: dict[str, str] = {}

    def add(self, module: ModuleType, name: str) -> None:
        """Print what a module calls so, after what that uses."""
        source = inspect.getsource(module)
        found = _definition(ast.parse(source), name)
        match found:
            case ast.Import() if name in sys.stdlib_module_names:
                self.imports.add(name)
            case ast.ImportFrom(module=str(origin)) if origin.startswith(_OURS):
                self.add(import_module(origin), name)
            case ast.ImportFrom(module="vmtests.script") if name in GLOBALS:
                pass
            case ast.FunctionDef() | ast.Assign():
                if self._seen.setdefault(name, module.__name__) != module.__name__:
                    raise NotPrintable(f"{name}: two modules have that")
                text = _without_annotations(source, found)
                into = self.functions if isinstance(found, ast.FunctionDef) else self.constants
                if text not in into:
                    for used in _used(found):
                        if used != name:
                            self.add(module, used)
                    into.append(text)
            case _:
                raise NotPrintable(f"{module.__name__}: {name} is not known to the driver")


def _definition(module: ast.Module, name: str) -> ast.stmt | None:
    for statement in module.body:
        match statement:
            case ast.FunctionDef(name=found) if found == name:
                return statement
            case ast.Assign(targets=[ast.Name(id=found)]) if found == name:
                return statement
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                if any(alias.asname is None and alias.name == name for alias in names):
                    return statement
    return None


def _used(statement: ast.stmt) -> Iterator[str]:
    """The names from outside that a statement uses, annotations apart."""
    annotations = {id(node) for of in _annotations(statement) for node in ast.walk(of)}
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    own |= {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
    own |= {node.name for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)}
    asked = (node.id for node in names if id(node) not in annotations)
    return (
        name for name in dict.fromkeys(asked) if name not in own and not hasattr(builtins, name)
    )


def _annotations(statement: ast.stmt) -> Iterator[ast.expr]:
    for node in ast.walk(statement):
        if isinstance(node, ast.arg) and node.annotation:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef) and node.returns:
            yield node.returns


def _without_annotations(source: str, statement: ast.stmt) -> str:
    """The source of a statement, its annotations cut out with the `:` or `->` before them."""
    lines = source.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    text = source.encode()

    def at(line: int, column: int) -> int:
        return starts[line - 1] + column

    cuts = []
    for of in _annotations(statement):
        start = at(of.lineno, of.col_offset)
        mark = b"->" if text[:start].rstrip().endswith(b"->") else b":"
        begin = text.rindex(mark, 0, start)
        cuts.append((len(text[:begin].rstrip()), at(of.end_lineno or 0, of.end_col_offset or 0)))
    end = at(statement.end_lineno or 0, statement.end_col_offset or 0)
    for start, stop in sorted(cuts, reverse=True):
        text = text[:start] + text[stop:]
        end -= stop - start
    return text[at(statement.lineno, statement.col_offset) : end].decode()
