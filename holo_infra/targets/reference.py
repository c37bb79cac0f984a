"""The reference of the options, as Markdown, from the models. Knows no fleet.

It says what a NixOS manual would, types in the words of nixpkgs (`description` of each in its
lib/types.nix).
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from holo_infra.lower import MODULES
from holo_infra.model.services import Services
from nixgen import Module, literals, types
from nixgen.nodes import Raw
from nixgen.options import Derived, value_node
from nixgen.printer import print_expression
from nixgen.views import View

WIDTH = 100

HEAD = """\
# Options

<!-- Made by `holo docs options` from the models; do not edit. -->

What the NixOS modules of holo-infra declare, by module. `holo docs options MODULE` prints a part of
this page.

`<name>` stands for a name that is chosen where the option is set. Patterns are extended regular
expressions, and match the whole. An option without a default has to be set. A default that names
`config` follows other options: of the same `<name>`, or by their full name after `config`.

A fleet says the same in Python or YAML, in names such as `host_port`: *Python* has them where they
differ. There is no `enable` in a fleet: a service that is there runs.
"""


class Option(NamedTuple):
    """What is told of an option. Values are Nix expressions."""

    name: str
    """As in Nix: `holo.containers.<name>.forwards.<name>.hostPort`."""
    python: str | None
    """As in Python, below the last `<name>`, where that differs: `limits.cpu_percent`."""
    type: str
    """In the words of nixpkgs."""
    names: str | None
    """The pattern of the names in a set."""
    first: str | None
    """The pattern of a list's first item."""
    default: str | None
    example: str | None
    description: str
    """Its paragraphs, each on one line."""


def declaring() -> dict[str, Module]:
    """The modules that declare options, by name."""
    return {module.name: module for module in MODULES if module.declares}


def options(module: Module) -> Iterator[Option]:
    """The options that a module declares, in the order of its model."""
    place = _Place(f"config.{module.path}", module.path)
    return _below(module.model, place, module.declares)


class _Place(NamedTuple):
    """Where a model's options stand."""

    config: str
    """The Nix expression of their values."""
    path: str
    nix: str = ""
    """The end of `path` that is below the last `<name>`, with a dot; `python` likewise."""
    python: str = ""


def _below(model: type[BaseModel], place: _Place, only: tuple[str, ...] = ()) -> Iterator[Option]:
    """The options of a model."""
    root = View(Raw(place.config), types.Submodule(model))
    for name, field in model.model_fields.items():
        if only and name not in only:
            continue
        type_ = types.of_field(field, f"{model.__name__}.{name}")
        step = literals.attribute(field.alias or name)
        path, nix, python = f"{place.path}.{step}", f"{place.nix}{step}", f"{place.python}{name}"
        if isinstance(type_, types.Submodule):
            part = _Place(f"{place.config}.{step}", path, f"{nix}.", f"{python}.")
            yield from _below(type_.model, part)
        else:
            yield _option(path, python if python != nix else None, field, type_, root)
            yield from _inside(type_, path)


def _inside(type_: types.Type, path: str) -> Iterator[Option]:
    """The options of the values of an option."""
    match type_:
        case types.NullOr(of):
            yield from _inside(of, path)
        case types.ListOf(of):
            yield from _inside(of, f"{path}.*")
        case types.AttrsOf(of):
            yield from _inside(of, f"{path}.<name>")
        case types.Submodule(model):
            yield from _below(model, _Place("config", path))


def _option(
    name: str, python: str | None, field: FieldInfo, type_: types.Type, root: View
) -> Option:
    of = type_.of if isinstance(type_, types.NullOr) else type_
    names = of.names if isinstance(of, types.AttrsOf) else None
    first = of.first if isinstance(of, types.ListOf) else None
    paragraphs = (field.description or "").split("\n\n")
    return Option(
        name=name,
        python=python,
        type=words(type_),
        names=names.text if names else None,
        first=first.text if first else None,
        default=_default(field, type_, root),
        example=print_expression(value_node(field.examples[0], type_)) if field.examples else None,
        description="\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs),
    )


def _default(field: FieldInfo, type_: types.Type, root: View) -> str | None:
    if isinstance(field.default_factory, Derived):
        return print_expression(field.default_factory.expression(root))
    value = field.get_default(call_default_factory=True, validated_data={})
    return None if value is PydanticUndefined else print_expression(value_node(value, type_))


def words(type_: types.Type) -> str:  # noqa: C901, PLR0911, PLR0912 - one flat table, best read as one
    """A type as a NixOS manual has it."""
    match type_:
        case types.Bool():
            return "boolean"
        case types.Int(0, 65535):
            return "16 bit unsigned integer; between 0 and 65535 (both inclusive)"
        case types.Int(literals.INTEGER_MIN, literals.INTEGER_MAX):
            return "signed integer"
        case types.Int(low, high):
            return f"integer between {low} and {high} (both inclusive)"
        case types.Str(None):
            return "string"
        case types.Str(pattern) if pattern:
            return f"string matching the pattern {pattern.text}"
        case types.Enum((one,)):
            return f'value "{one}" (singular enum)'
        case types.Enum(values):
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case types.Package() | types.StorePath():
            return "package"
        case types.Json():
            return "JSON value"
        case types.NullOr(of):
            return f"null or {_phrase(of, 'conjunction')}"
        case types.ListOf(of, non_empty):
            listed = f"list of {_phrase(of, 'composite')}"
            return f"non-empty ({listed})" if non_empty else listed
        case types.AttrsOf(of):
            return f"attribute set of {_phrase(of, 'composite')}"
        case types.Submodule():
            return "submodule"
    message = f"{type_} is not the type of an option"
    raise TypeError(message)


def _phrase(type_: types.Type, fits: str) -> str:
    """A type's words within another's, in parentheses unless it is a noun or what `fits`."""
    return words(type_) if _class(type_) in ("noun", fits) else f"({words(type_)})"


def _class(type_: types.Type) -> str:
    """The `descriptionClass` that nixpkgs gives a type."""
    match type_:
        case types.Submodule():
            return ""
        case types.ListOf() | types.AttrsOf():
            return "composite"
        case types.NullOr() | types.Json() | types.Enum((_, _, *_)):
            return "conjunction"
        case _:
            return "noun"


def reference(modules: Sequence[Module]) -> str:
    """The page of these modules' options."""
    lines = (f"- [{module.name}](#{module.name}): {_topic(module)}" for module in modules)
    contents = "".join(f"{filled(line, '  ')}\n" for line in lines)
    return "\n".join([HEAD, contents, *map(_section, modules)])


def _topic(module: Module) -> str:
    """What a module's options are about: the top ones, or what its model is of."""
    if "." in module.path:
        return inspect.getdoc(module.model) or module.path
    fields = (module.model.model_fields[name].alias or name for name in module.declares)
    tops = [f"{module.path}.{name}" for name in fields]
    return ", ".join(f"[`{top}`](#{anchor(top)})" for top in tops)


def anchor(name: str) -> str:
    """An option's anchor, as in a NixOS manual."""
    return f"opt-{re.sub('[*<>]', '_', name)}"


def _section(module: Module) -> str:
    place = f"Declared in `modules/{module.name}.nix`, `nixosModules.{module.name}`."
    field = module.path.rpartition(".")[2].replace("-", "_")
    if field in Services.model_fields:
        place += f" In a fleet: `services.{field}` of a host or container."
    return "\n".join([f"## {module.name}\n", f"{place}\n", *map(_entry, options(module))])


def _entry(option: Option) -> str:
    facts = [
        ("Type", on_one_line(option.type)),
        ("Names match", option.names and on_one_line(option.names)),
        ("The first item matches", option.first and on_one_line(option.first)),
        ("Default", option.default),
        ("Example", option.example),
        ("Python", option.python),
    ]
    return "\n".join(
        [
            f'<a id="{anchor(option.name)}"></a>\n',
            f"### `{option.name}`\n",
            f"{filled(option.description)}\n",
            *(_fact(what, text) for what, text in facts if text is not None),
            "",
        ]
    )


def _fact(what: str, text: str) -> str:
    if "\n" in text:
        return f"- {what}:\n" + textwrap.indent(f"```nix\n{text}\n```", "  ")
    return f"- {what}: {code(text)}"


def on_one_line(text: str) -> str:
    """A type or pattern, its control characters escaped as in Nix."""
    return text.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def code(text: str) -> str:
    """A code span of Markdown."""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


_MARK = re.compile(r" (?=(?:[-+*>]|#+|=+|\d+[.)])(?: |$))")
"""A space before what would begin a list, quote or heading at the start of a line."""


def filled(text: str, indent: str = "") -> str:
    """Paragraphs in lines of the page's width, all but the first line indented."""
    filler = textwrap.TextWrapper(
        WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    paragraphs = (_MARK.sub("\0", paragraph) for paragraph in text.split("\n\n"))
    return "\n\n".join(map(filler.fill, paragraphs)).replace("\0", " ")
