"""Checks what a program can have changed in a fleet of frozen parts: what dicts and lists hold.

Fields cannot be assigned, so all but these is as it was checked when the part was built. It takes a
fifth of the time of a full check, which follows where a fault is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from holo_infra.model.fleet import Fleet
from holo_infra.source.fields import bare, is_model
from nixgen.checks import check_name

_PLAIN = (str, int, bool)
Check = Callable[[Any], None]
"""Raises _UnsoundError for contents that may not be there."""


class _UnsoundError(Exception):
    """Something in the fleet is not what was checked."""


def are_sound(fleet: Fleet) -> bool:
    """Whether everything that a dict or list of the fleet holds may be there.

    Parts that were built past all checks (`model_construct`) are not found.
    """
    try:
        _Contents().check(fleet)
    except (_UnsoundError, ValueError):
        return False
    return True


class _Contents:
    """Looks into every part of a fleet once."""

    def __init__(self) -> None:
        self._fields: dict[type[BaseModel], list[tuple[str, tuple[type, ...], Check]]] = {}
        self._seen: dict[int, object] = {}  # kept alive, so that an id stays its own

    def check(self, part: BaseModel) -> None:
        values = part.__dict__
        for name, kinds, check in self._of_model(type(part)):
            content = values.get(name, ...)  # which is of no field's type
            if type(content) not in kinds:
                raise _UnsoundError(name)
            if content:
                check(content)

    def _once(self, part: BaseModel) -> None:
        if id(part) not in self._seen:
            self._seen[id(part)] = part
            self.check(part)

    def _of_model(self, model: type[BaseModel]) -> list[tuple[str, tuple[type, ...], Check]]:
        """The fields of a model that can have changed, of which types, and how each is checked."""
        found = self._fields.get(model)
        if found is None:
            found = self._fields[model] = []
            for name, field in model.model_fields.items():
                inner = bare(field.annotation)
                kind = get_origin(inner) or inner
                if kind in {dict, list}:
                    check = self._of_dict(field) if kind is dict else _of_values(field)
                elif is_model(inner) and self._of_model(inner):
                    check = self._once
                else:
                    continue
                kinds = (kind,) if inner is field.annotation else (kind, type(None))
                found.append((name, kinds, check))
        return found

    def _of_dict(self, field: FieldInfo) -> Check:
        key, member = get_args(field.annotation)
        if not is_model(member):
            return _of_values(field)
        names: set[str] = set()
        name_adapter: TypeAdapter[str] = TypeAdapter(key)

        def check(content: dict[str, Any]) -> None:
            for name, part in content.items():
                if name not in names:
                    names.add(check_name(name_adapter.validate_python(name, strict=True)))
                if type(part) is not member or type(name) is not str:
                    raise _UnsoundError(name)
                self._once(part)

        return check


def _of_values(field: FieldInfo) -> Check:
    """A check of plain values: the whole content anew."""
    of: Any = Annotated[field.annotation, "the field's constraints", *field.metadata]
    adapter: TypeAdapter[Any] = TypeAdapter(of)

    def check(content: Any) -> None:
        adapter.validate_python(content, strict=True)
        _check_plain(content)
        if type(content) is dict:
            for name in content:
                check_name(name)

    return check


def _check_plain(value: Any) -> None:
    """Refuses what has methods of its own, and only says that it is a text or the like."""
    kind = type(value)
    if kind is list:
        for item in value:
            _check_plain(item)
    elif kind is dict:
        for name, item in value.items():
            _check_plain(name)
            _check_plain(item)
    elif kind not in _PLAIN and issubclass(kind, str | int | list | dict):
        raise _UnsoundError(kind.__name__)
