"""A definition: a model of options, and a function from these options to a configuration.

It is printed as a NixOS module, and evaluated in Python with the values of a model.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from nixgen import types
from nixgen.errors import DefinitionError
from nixgen.evaluator import Closure, Programs, Scope, compile_node
from nixgen.layout import HARD, Doc, Nest, layout
from nixgen.merging import resolve
from nixgen.nodes import Attrs, Node, Var
from nixgen.options import Options, declarations
from nixgen.printer import Printer
from nixgen.views import lift, node, variable

O = TypeVar("O", bound=Options)  # noqa: E741 - the model of the options


class Module:
    """A definition; its tree is built when first asked for, and raises DefinitionError then."""

    def __init__(
        self,
        name: str,
        path: str,
        declares: Sequence[str],
        function: Callable[[Any], Mapping[str, Any]],
    ) -> None:
        self.name = name
        """The module's file name, without ending."""
        self.path = path
        """The options' place: `holo` for `options.holo.…`."""
        self.declares = tuple(declares)
        """The fields of the model that this module declares; others are declared elsewhere."""
        self.origin = function.__module__
        """The Python module in which the definition is written."""
        self._function = function

    @cached_property
    def model(self) -> type[Options]:
        """The model of the options: the annotation of the function's one parameter."""
        annotations = inspect.get_annotations(self._function, eval_str=True)
        (parameter,) = inspect.signature(self._function).parameters
        model: type[Options] = annotations[parameter]
        return model

    @cached_property
    def _recorded(self) -> tuple[Var, Attrs]:
        root, cfg = variable("cfg", types.Submodule(self.model))
        tree = node(lift(self._function(cfg)))
        if not isinstance(tree, Attrs):
            message = f"{self.name}: a definition returns a dict, its top written out"
            raise DefinitionError(message)
        return root, tree

    @cached_property
    def _closure(self) -> Closure:
        return compile_node(self._recorded[1])

    def evaluate(self, values: Mapping[str, Any], programs: Programs) -> Any:
        """The configuration for a model's values (dumped by alias), not merged yet."""
        return self._closure(Scope({self._recorded[0].key: values}, programs))

    def nix(self, made_by: str) -> str:
        """The module as a file. `made_by` is the command that makes it, for the header."""
        place = f"config.{self.path}"
        root, tree = self._recorded
        printer = Printer({root.key: "cfg"})
        lets: list[Doc] = [f"cfg = {place};"]
        parts: list[Doc] = []
        if self.declares:
            options: Node = declarations(self.model, place, self.path, self.declares)
            lets += printer.lets(options, frozenset())
            for step in reversed(self.path.split(".")):
                options = Attrs(((step, options),))
            parts.append((printer.binding("options", options), HARD))
        lets += printer.lets(tree, frozenset())
        parts.append(printer.binding("config", tree))
        source = layout(
            (
                *("let", Nest(tuple((HARD, line) for line in lets)), HARD, "in", HARD),
                *("{", Nest(tuple((HARD, part) for part in parts)), HARD, "}"),
            ),
        )
        uses = sorted(printer.uses | {"config"})
        arguments = "".join(f"  {name},\n" for name in uses)
        summary = (inspect.getdoc(self._function) or self.name).replace("\n", "\n# ")
        comment = f"# {summary}\n#\n# Made by `{made_by}` from {self.origin}; do not edit.\n"
        return f"{comment}{{\n{arguments}  ...\n}}:\n\n{source}\n"


def define(
    name: str,
    *,
    path: str,
    declares: Sequence[str] = (),
) -> Callable[[Callable[[O], Mapping[str, Any]]], Module]:
    """Makes a module of a function whose one parameter is annotated with its model.

    The function's docstring becomes the file's first line.
    """

    def decorate(function: Callable[[O], Mapping[str, Any]]) -> Module:
        return Module(name, path, declares, function)

    return decorate


def evaluate_modules(
    modules: Sequence[Module], values: Options, programs: Programs, place: str
) -> Any:
    """The configuration that the modules give together for these values: plain dicts and lists.

    `place` is where the values' model stands, e.g. `holo`; a module of `holo.web` reads its part.
    Raises MergeConflictError where two of them define one attribute differently.
    """
    data = values.model_dump(by_alias=True)

    def part(module: Module) -> Any:
        steps = module.path.removeprefix(place).split(".")[1:]
        return functools.reduce(operator.getitem, steps, data)

    return resolve(*(module.evaluate(part(module), programs) for module in modules))
