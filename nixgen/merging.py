"""Joins the parts of a configuration as the NixOS module system does, for what definitions make.

Attribute sets join, lists follow one another, equal values are one; different ones are a conflict.
A default gives way. Priorities that users set (`mkForce`) stand outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nixgen.errors import MergeConflictError


@dataclass(frozen=True, slots=True)
class _Absent:
    """The value of a definition whose condition does not hold."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Default:
    """A value that gives way to any other."""

    value: Any


@dataclass(frozen=True, slots=True)
class Merged:
    """Values to be joined."""

    parts: list[Any]


_SINGLE = {str, int, bool, type(None)}
"""Types of what stands as it is when it is alone: most that is joined, so it is asked first."""
_PARTS = {Merged, Default, _Absent}
"""What stands for a value, for several, or for none."""


def same(left: Any, right: Any) -> bool:
    """Equality without Python's `True == 1`."""
    if isinstance(left, str):
        return bool(left == right)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def resolve(*values: Any) -> Any:
    """The values joined: plain dicts, lists, strings, numbers, booleans and nulls.

    Raises MergeConflictError, with the path of the attribute, when two parts differ.
    """
    return _join((), list(values))


def _join(path: tuple[str, ...], values: list[Any]) -> Any:
    """One value of several; ABSENT when none is left."""
    definitions = _definitions(values)
    if not definitions:
        return ABSENT
    if any(isinstance(value, dict) for value in definitions):
        return _join_dicts(path, definitions)
    first, *rest = definitions
    if isinstance(first, list):
        if not all(isinstance(value, list) for value in rest):
            raise MergeConflictError(path, f"a list and a single value: {definitions!r}")
        return [
            item if type(item) in _SINGLE else _join(path, [item])
            for part in definitions
            for item in part
        ]
    for value in rest:
        if not same(value, first):
            raise MergeConflictError(path, f"conflicting values: {first!r} and {value!r}")
    return first


def _definitions(values: list[Any]) -> list[Any]:
    """Merges opened, absent values dropped, defaults dropped where there is anything else."""
    if not any(type(value) in _PARTS for value in values):
        return values
    opened: list[Any] = []
    for value in values:
        if isinstance(value, Merged):
            opened.extend(_open(value.parts))
        elif value is not ABSENT:
            opened.append(value)
    given = [value for value in opened if not isinstance(value, Default)]
    if given:
        return given
    return _definitions([value.value for value in opened]) if opened else []


def _open(parts: list[Any]) -> list[Any]:
    return [
        inner
        for part in parts
        if part is not ABSENT
        for inner in (_open(part.parts) if isinstance(part, Merged) else [part])
    ]


def _join_dicts(path: tuple[str, ...], definitions: list[Any]) -> dict[str, Any]:
    if not all(isinstance(value, dict) for value in definitions):
        raise MergeConflictError(path, "an attribute set and a single value")
    gathered: dict[str, list[Any]] = {}
    for definition in definitions:
        for name, value in definition.items():
            if name in gathered:
                gathered[name].append(value)
            else:
                gathered[name] = [value]
    joined: dict[str, Any] = {}
    for name in sorted(gathered):
        values = gathered[name]
        if len(values) == 1 and type(values[0]) in _SINGLE:
            joined[name] = values[0]
        elif (value := _join((*path, name), values)) is not ABSENT:
            joined[name] = value
    return joined
