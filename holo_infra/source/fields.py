"""The way of a path through the classes of a fleet: which class and field a part belongs to."""

from __future__ import annotations

import types
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from holo_infra.diagnostics import FieldPath
from holo_infra.model.fleet import Fleet

KEY = "[key]"
"""What pydantic puts at the end of a path that leads to a key, not to its value."""


@cache
def models() -> dict[str, type[BaseModel]]:
    """All classes of which a fleet is made, by name."""
    return {model.__name__: model for model in _below(Fleet)}


def _below(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        inner: Any = field.annotation
        while not is_model(inner) and (arguments := get_args(bare(inner))):
            inner = arguments[-1]
        if is_model(inner := bare(inner)):
            yield from _below(inner)


def model_at(root: type[BaseModel] | None, path: FieldPath) -> type[BaseModel] | None:
    """The class of the value that a path leads to; None where that is no model."""
    inner: Any = root
    for part in path:
        inner = _inside(inner, part)
    inner = bare(inner)
    return inner if is_model(inner) else None


def named(root: type[BaseModel] | None, path: FieldPath) -> FieldPath:
    """The path by the names of fields, where it holds other spellings that they may have."""
    inner: Any = root
    names: list[str | int] = []
    for part in path:
        name = part
        if is_model(model := bare(inner)):
            name = _aliases(model).get(part, part)
        names.append(name)
        inner = _inside(inner, name)
    return tuple(names)


@cache
def _aliases(model: type[BaseModel]) -> dict[str | int, str]:
    return {field.alias: name for name, field in model.model_fields.items() if field.alias}


def _inside(annotation: Any, part: str | int) -> Any:
    """The annotation of a field or item; None where there is no such thing."""
    annotation = bare(annotation)
    if is_model(annotation):
        fields = annotation.model_fields
        return fields[part].annotation if part in fields else None
    if get_origin(annotation) in (dict, list):
        return get_args(annotation)[-1]
    return None


def bare(annotation: Any) -> Any:
    """An annotation without metadata, and without `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            given = [one for one in get_args(annotation) if one is not type(None)]
            if len(given) != 1:
                return annotation
            annotation = given[0]
        else:
            return annotation


def is_model(annotation: Any) -> bool:
    """Whether values of an annotation are instances of a model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
