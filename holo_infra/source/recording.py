"""Runs a fleet's program a second time, to learn which line built which of its objects.

Only after a failure: the first run pays nothing for it.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from pydantic import BaseModel, ValidationError

from holo_infra.diagnostics import FieldPath, Place
from holo_infra.source.program import Program, run


class Recording:
    """What a run built, and where."""

    def __init__(self, program: Program, *, lenient: bool) -> None:
        """Runs the program; what it prints is thrown away.

        With `lenient` faulty objects are built all the same, so that a program which failed at one
        of them goes on, and `fleet` holds all the mistakes that it makes.
        """
        self._program = program
        self._built: dict[int, tuple[BaseModel, CodeType, int]] = {}  # kept: an id is of the living
        with _silence(), _constructor(self._constructor(lenient=lenient)):
            self.fleet, self.error = run(program)

    def place(self, path: FieldPath) -> Place | None:
        """The line that built the innermost object on the way to a field."""
        value: Any = self.fleet
        found = self._place(value)
        for part in path:
            try:
                value = vars(value)[str(part)] if isinstance(value, BaseModel) else value[part]
            except Exception:  # noqa: BLE001 - no such part, or a container of the user's making
                break
            found = self._place(value) or found
        return found

    def _place(self, value: object) -> Place | None:
        known = self._built.get(id(value))
        return self._program.place(known[1], known[2]) if known else None

    def _constructor(self, *, lenient: bool) -> Callable[..., None]:
        original = BaseModel.__init__

        def __init__(self_: BaseModel, /, **data: Any) -> None:  # noqa: N807 - it takes its place
            try:
                original(self_, **data)
            except ValidationError:
                if not lenient:
                    raise
                _fill(self_, data)
            frame = sys._getframe(1)  # noqa: SLF001 - inspect's own is far slower
            while not self._program.own(frame.f_code.co_filename):
                if frame.f_back is None:
                    return
                frame = frame.f_back
            self._built[id(self_)] = (self_, frame.f_code, frame.f_lasti)

        return __init__


@contextlib.contextmanager
def _constructor(replacement: Callable[..., None]) -> Iterator[None]:
    """Builds all models by `replacement`."""
    original = BaseModel.__init__
    # pydantic asks for it of a class that is made meanwhile: by it the class has no __init__.
    replacement.__pydantic_base_init__ = True  # type: ignore[attr-defined]
    BaseModel.__init__ = replacement  # type: ignore[method-assign]
    try:
        yield
    finally:
        BaseModel.__init__ = original  # type: ignore[method-assign]


def _silence() -> contextlib.ExitStack:
    with contextlib.ExitStack() as stack:
        for redirect in (contextlib.redirect_stdout, contextlib.redirect_stderr):
            stack.enter_context(redirect(io.TextIOWrapper(io.BytesIO())))
        return stack.pop_all()


def _fill(model: BaseModel, data: dict[str, Any]) -> None:
    """Gives a model unchecked values: those that it was given, else defaults."""
    fields = type(model).model_fields
    aliases = {field.alias for field in fields.values()} - set(fields)
    made = type(model).model_construct(**data)
    given = {name: value for name, value in data.items() if name not in aliases}
    object.__setattr__(model, "__dict__", {**vars(made), **given})
    object.__setattr__(model, "__pydantic_fields_set__", made.model_fields_set)
    object.__setattr__(model, "__pydantic_extra__", None)
    object.__setattr__(model, "__pydantic_private__", None)
