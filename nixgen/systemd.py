"""Units in a definition: command lines, environment, plain values, each escaped for its reader.

A unit here is what `systemd.services.<name>` or `systemd.sockets.<name>` takes in NixOS; `unitfile`
makes text of it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

from nixgen import primitives, types
from nixgen.combinators import (
    coalesce,
    exe,
    expect_text,
    head,
    if_,
    map_list,
    map_values,
    package_named,
    starts_with,
)
from nixgen.configuration import merge, named
from nixgen.errors import DefinitionError
from nixgen.nodes import Apply, Binary, Items, Literal, MkDefault, MkIf, Node, RunTime, Text
from nixgen.pattern import CONTROL
from nixgen.views import View, apply, lift, node, text_node, type_of

Words = str | Sequence[str]
"""One argument of a command line, or a list of them."""
T = TypeVar("T")
Unit = dict[str, Any]
"""A unit as NixOS's options take it."""

_UNIT_NAME = types.BARE - {",", "=", "/"} | {"@"}


def run_time(name: str) -> str:
    """An environment variable that systemd puts into a command line when it starts the process."""
    return cast("str", View(RunTime(_name(name)), types.RunTimeText()))


def exec_line(program: str, *words: Words, may_fail: bool = False) -> str:
    """A command line of a unit: a program, its arguments, lists of arguments; all escaped.

    `may_fail`: a failure of the command is not one of the unit (prefix `-`).
    """
    if not isinstance(type_of(program), types.ProgramPath):
        # A leading `+` or `!` would run with full privileges: no user text here.
        message = f"a command line starts with exe(…), not with {program!r}"
        raise DefinitionError(message)
    pieces: list[Node] = []
    lists: list[Node] = []  # words that are escaped together

    def close() -> None:
        if lists:
            joined = functools.reduce(lambda left, right: Binary("++", left, right), lists)
            pieces.append(Apply(primitives.ESCAPE_EXEC_WORDS, (joined,)))
            lists.clear()

    def add(*items: Node) -> None:
        last = lists[-1] if lists else None
        if isinstance(last, Items):
            lists[-1] = Items((*last.items, *items))
        else:
            lists.append(Items(items))

    add(node(program))
    for word in words:
        made, type_ = node(word), type_of(word)
        if types.is_text(type_):
            add(made)
        elif isinstance(made, Items) and (types.is_text(_item(type_)) or not made.items):
            add(*made.items)
        elif types.is_text(_item(type_)):
            lists.append(made)
        elif isinstance(type_, types.RunTimeText):
            close()
            pieces.append(_run_time_word(made))
        else:
            message = f"exec_line() takes text and lists of text, not {word!r} ({type_})"
            raise DefinitionError(message)
    close()
    line = pieces[0]
    if len(pieces) > 1:
        line = Apply(primitives.JOIN, (Literal(" "), Items(tuple(pieces))))
    if may_fail:
        line = text_node([Literal("-"), line])
    return cast("str", View(line, types.Line()))


def command_program(command: Sequence[str], package: str | None) -> str:
    """The program of a user's command line: a path, or a name in `package` or in that of its name.

    The list's type must say that its first item is a bare name or an absolute path.
    """
    name = head(command)
    allowed = types.may_hold(type_of(name))
    if allowed - types.BARE - {"+"}:
        message = f"the first word of {command!r} needs a pattern: plain path characters only"
        raise DefinitionError(message)
    owner = coalesce(package, package_named(name))
    made = if_(starts_with("/", name), name, exe(owner, name))
    return cast("str", View(node(made), types.ProgramPath()))


def _item(type_: types.Type) -> types.Type:
    return type_.of if isinstance(type_, types.ListOf) else types.Unknown()


def _run_time_word(made: Node) -> Node:
    """A word with run-time parts; all else in it needs no escape (`text` has checked)."""
    parts = made.parts if isinstance(made, Text) else (made,)
    return text_node(
        [Literal(f"${{{part.name}}}") if isinstance(part, RunTime) else part for part in parts],
    )


def mount_path(path: str) -> str:
    """A path for `--bind=` and its like, where `:` separates."""
    expect_text(path)
    view = lift(path)
    if isinstance(node(view), Literal) or not types.may_hold(type_of(view)) & {":", "\\"}:
        return path
    made = apply(primitives.ESCAPE_MOUNT_PATH, view)
    return cast("str", View(made, types.Str(may_hold=types.may_hold(type_of(view)) | {"\\"})))


def plain(value: Any) -> Any:
    """A value of a unit's key: specifiers of users' text escaped, control characters refused.

    Only a plain Python string that a definition writes itself is kept: it may use specifiers.
    """
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    type_ = type_of(value)
    if not isinstance(value, View):
        if isinstance(value, str) and not _is_plain(value):
            message = f"a unit's value must be one line, without space around it: {value!r}"
            raise DefinitionError(message)
        return value
    match node(value), type_:
        case _, types.Bool() | types.Int() | types.Line():
            return value
        case MkIf(condition, inner), types.Definition(of) if of:
            return View(MkIf(condition, node(plain(View(inner, of)))), type_)
        case MkDefault(inner), types.Definition(of) if of:
            return View(MkDefault(node(plain(View(inner, of)))), type_)
        case _, types.ListOf(of):
            if isinstance(of, types.Line) or (
                types.is_text(of) and "%" not in _one_line(value, of)
            ):
                return value
            return map_list(cast("Sequence[Any]", value), plain)
        case _, _ if types.is_text(type_):
            if "%" not in _one_line(value, type_):
                return value
            return View(apply(primitives.ESCAPE_SPECIFIERS, value), type_)
    message = f"a unit's value must be text, a number, a boolean or a list: {value!r}"
    raise DefinitionError(message)


def as_written(value: T) -> T:
    """Text that stands in a unit as it is, specifiers included; or a set of directives of such.

    Its type must admit neither control characters nor backslashes.
    """
    type_ = type_of(value)
    of = type_.of if isinstance(type_, types.AttrsOf) else type_
    _one_line(value, of)
    line: types.Type = types.Line()
    return cast("T", View(node(value), line if of is type_ else types.AttrsOf(line)))


def _is_plain(value: str) -> bool:
    return value.isprintable() and value == value.strip() and not value.endswith("\\")


def _one_line(value: Any, type_: types.Type, allowed: str = "") -> frozenset[str]:
    may_hold = types.may_hold(type_)
    if may_hold & (CONTROL | {"\\"}) - set(allowed):
        message = f"control characters or \\ could reach a unit by {value!r}: give it a pattern"
        raise DefinitionError(message)
    return may_hold


def _environment_value(value: Any) -> Any:
    type_ = type_of(value)
    if not types.is_text(type_):
        message = f"an environment variable is text (see true_false): {value!r}"
        raise DefinitionError(message)
    if "%" not in _one_line(value, type_, "\t\n\\") or not isinstance(value, View):
        return value
    return View(apply(primitives.ESCAPE_SPECIFIERS, value), type_)


def _environment(variables: Any) -> Any:
    if isinstance(variables, View):
        values = cast("Mapping[str, str]", variables)
        return map_values(values, lambda _, value: _environment_value(value))
    return {_name(name): _environment_value(value) for name, value in variables.items()}


def _name(name: str) -> str:
    """The name of a directive or variable, as a definition writes it."""
    if not (name.isascii() and name.isidentifier()):
        message = f"not the name of a directive or variable: {name!r}"
        raise DefinitionError(message)
    return name


def _unit_name(name: Any) -> Any:
    if not types.is_text(type_of(name)) or types.may_hold(type_of(name)) - _UNIT_NAME:
        message = f"not the name of a unit: {name!r}"
        raise DefinitionError(message)
    return name


def _unit_names(names: Any) -> Any:
    _unit_name(View(node(names), _item(type_of(names))))
    return names


def unit(  # noqa: PLR0913 - one argument a kind of dependency, as systemd.unit(5) has them
    description: str,
    *,
    after: Sequence[str] = (),
    before: Sequence[str] = (),
    wants: Sequence[str] = (),
    requires: Sequence[str] = (),
    requisite: Sequence[str] = (),
    binds_to: Sequence[str] = (),
    part_of: Sequence[str] = (),
    conflicts: Sequence[str] = (),
    wanted_by: Sequence[str] = (),
    triggers: Any = None,
    reloads: bool = False,
    environment: Mapping[str, str] | None = None,
    unit_config: Mapping[str, Any] | None = None,
    service: Sequence[Mapping[str, Any]] = (),
    listen_streams: Sequence[str] = (),
    socket: Mapping[str, Any] | None = None,
) -> Unit:
    """A unit as NixOS's `systemd.services.<name>` takes it; every value is escaped here.

    With `listen_streams` and `socket` it is one for `systemd.sockets.<name>`.
    `service` are parts of the section, joined: values written here, and sets made by `section`.
    `triggers` is a list of text that the unit reads from files: it is restarted, or with `reloads`
    reloaded, when that is another.
    """
    names = {
        "after": after,
        "before": before,
        "wants": wants,
        "requires": requires,
        "requisite": requisite,
        "bindsTo": binds_to,
        "partOf": part_of,
        "conflicts": conflicts,
        "wantedBy": wanted_by,
    }
    made: Unit = {"description": plain(description)}
    for key, units in names.items():
        if isinstance(units, list | tuple):
            made |= {key: [_unit_name(name) for name in units]} if units else {}
        else:
            made[key] = _unit_names(units)
    if triggers is not None:
        if not types.is_text(_item(type_of(triggers))):
            message = f"triggers are a list of text, not {triggers!r}"
            raise DefinitionError(message)
        made["restartTriggers"] = triggers
    if reloads:
        made["reloadIfChanged"] = True
    if environment is not None:
        made["environment"] = _environment(environment)
    if unit_config:
        made["unitConfig"] = _plain_section(unit_config)
    parts = [part if isinstance(part, View) else _plain_section(part) for part in service]
    if parts:
        made["serviceConfig"] = parts[0] if len(parts) == 1 else merge(*parts)
    if listen_streams:
        made["listenStreams"] = plain(listen_streams)
    if socket:
        made["socketConfig"] = _plain_section(socket)
    return made


def section(name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part of a unit that several units share, under a name of its own in the module."""
    return named(name, _plain_section(values))


def _plain_section(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_name(name): plain(value) for name, value in values.items()}
