"""Checks values against the model: everything below, and once more without what is faulty.

Frozen models still hold plain dicts, which a fleet's program can change after they were checked.
A second schema of the same classes looks into instances too. For 100,000 containers it takes half
the time of the way through `model_dump`; units and containers that are shared are checked once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import SchemaValidator, core_schema

from holo_infra.diagnostics import FieldPath
from holo_infra.model.fleet import Container, Fleet
from holo_infra.model.services import WRITTEN
from holo_infra.model.unit import Unit

_SHARED: tuple[type[BaseModel], ...] = (Unit, Container)
"""What many places of a fleet may share; a table of more classes costs more than it saves."""

_PLACEHOLDER = "fleet"
"""The name of a fleet whose own is faulty, so that the rest can be checked."""

_CONTAINER = 4  # hosts.NAME.containers.NAME
_ENTRY = 2  # hosts.NAME, networks.NAME
_FIELD = 1


@dataclass(frozen=True, slots=True)
class Checked:
    """A value that was checked against the model of a fleet."""

    fleet: Fleet | None
    """What is right of it; None when nothing is."""
    error: ValidationError | None = None
    """All that is wrong with it."""
    left_out: tuple[FieldPath, ...] = ()
    """The parts that `fleet` lacks."""


def check(value: object) -> Checked:
    """A fleet, or mappings that describe one, checked in all its parts.

    A faulty container is left out, else its host, else the network or field of the fleet.
    """
    validate = _validator({WRITTEN: isinstance(value, dict)})
    fleet, first = _tried(validate, value)
    if first is None or not isinstance(value, dict | Fleet):
        return Checked(fleet, first)
    left_out: set[FieldPath] = set()
    rest: object = value
    error: ValidationError | None = first
    for longest in (_CONTAINER, _ENTRY, _FIELD):
        if error is None:
            break
        parts = {_part(item["loc"], longest) for item in _errors(error)}
        left_out |= parts
        rest = _without(rest, parts)
        fleet, error = _tried(validate, rest)
    return Checked(fleet, first, tuple(sorted(left_out)) if fleet else ())


def _tried(
    validate: Callable[[object], Fleet], value: object
) -> tuple[Fleet | None, ValidationError | None]:
    try:
        return validate(value), None
    except ValidationError as error:
        return None, error


def _errors(error: ValidationError) -> list[Any]:
    return error.errors(include_url=False, include_context=False, include_input=False)


def _part(path: FieldPath, longest: int) -> FieldPath:
    """The path of the smallest part that is left out for a mistake at `path`."""
    if path[0] in {"hosts", "networks"} and len(path) > _FIELD:
        inside = len(path) >= _CONTAINER and path[0] == "hosts" and path[2] == "containers"
        return path[: min(longest, _CONTAINER if inside else _ENTRY)]
    return path[:_FIELD]


def _without(value: object, parts: set[FieldPath]) -> dict[Any, Any]:
    """A fleet's fields without these parts; its name stays, or is replaced."""
    tree: dict[str | int, Any] = {}
    for part in sorted(parts, key=len, reverse=True):
        inside = tree
        for step in part[:-1]:
            inside = inside.setdefault(step, {})
        inside[part[-1]] = None  # a shorter path takes the place of those that it holds
    rest = _pruned(value, tree)
    if ("name",) in parts:
        rest["name"] = _PLACEHOLDER
    return rest


def _pruned(value: object, tree: dict[str | int, Any]) -> dict[Any, Any]:
    members = value if isinstance(value, dict) else vars(value)
    return {
        key: _pruned(member, tree[key]) if key in tree else member
        for key, member in members.items()
        # Of a key that is no text, pydantic's path tells only how it looks.
        if type(key) is str and tree.get(key, tree) is not None
    }


def _validator(context: dict[str, Any]) -> Callable[[object], Fleet]:
    """A check that looks into instances, and keeps what it found for as long as it lives."""
    schema = _revalidating(Fleet.__pydantic_core_schema__, {})
    # Without the last argument it would use the classes' own validators for all parts.
    validator = SchemaValidator(schema, _use_prebuilt=False)
    return partial(validator.validate_python, context=context)


def _revalidating(schema: Any, known: dict[int, tuple[object, Any]]) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(_revalidating(item, known) for item in schema)
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") != "model":
        return _members(schema, known)
    changed = {**_members(schema, known), "revalidate_instances": "always"}
    if schema["cls"] not in _SHARED:
        return changed

    def once(value: object, handler: Callable[[object], Any]) -> Any:
        found = known.get(id(value))
        if found is None or found[0] is not value:  # kept alive, so that its id stays its own
            found = known[id(value)] = (value, handler(value))
        return found[1]

    return core_schema.no_info_wrap_validator_function(once, changed)


def _members(schema: dict[str, Any], known: dict[int, tuple[object, Any]]) -> dict[str, Any]:
    return {
        key: member if key == "metadata" else _revalidating(member, known)
        for key, member in schema.items()
    }
