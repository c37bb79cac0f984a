"""Reads a fleet from a Python file: the value of its variable `fleet`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from holo_infra.diagnostics import Diagnostic, FieldPath, Place
from holo_infra.model.fleet import Fleet
from holo_infra.source.contents import are_sound
from holo_infra.source.fields import models
from holo_infra.source.program import Program, run
from holo_infra.source.recording import Recording
from holo_infra.source.result import Source
from holo_infra.source.revalidation import check
from holo_infra.source.validation import faults
from holo_infra.source.words import class_name, one_line

_END = "end it with: fleet = Fleet(name=…, hosts={…})"


def load(path: Path, *, thorough: bool = False) -> Source:
    """The fleet that the program builds, and all that is wrong with it.

    `thorough` looks into parts that were built past all checks too.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or "no file") if isinstance(error, OSError) else "not UTF-8 text"
        hint = "give the path of a fleet.py that exists, in UTF-8"
        return Source(None, (Diagnostic("HI001", (), reason, hint, Place(str(path))),))
    program = Program(path, text)
    fleet, failure = run(program)
    try:
        if isinstance(failure, ValidationError):
            return _unbuilt(program, failure)
        if failure is None:
            return _built(program, fleet, thorough)
    except Exception as odd:  # noqa: BLE001 - objects of the program may do anything
        message = f"what the program builds cannot be read: {_said(odd)}"
        hint = "build the fleet of Fleet, Host, Container and their like only"
        return _failed(Diagnostic("HI003", (), message, hint, Place(str(path))))
    return _failed(_failure(program, failure))


def _failed(diagnostic: Diagnostic) -> Source:
    return Source(None, (diagnostic,))


def _built(
    program: Program,
    fleet: object,
    thorough: bool,  # noqa: FBT001 - private, and called once
) -> Source:
    """What a program that ran to its end has built."""
    if not isinstance(fleet, Fleet):
        none = "the file defines no fleet"
        message = none if fleet is None else f"`fleet` is an object of type {class_name(fleet)}"
        return _failed(Diagnostic("HI004", (), message, _END, Place(str(program.path))))
    recording = cache(lambda: Recording(program, lenient=False))
    anywhere = Place(str(program.path))

    def locate(path: FieldPath) -> Place:
        return recording().place(path) or anywhere

    if not thorough and are_sound(fleet):
        return Source(fleet, (), locate)
    result = check(fleet)
    told = _told(result.error, locate) if result.error else []
    return Source(result.fleet, tuple(told), locate, result.left_out)


def _unbuilt(program: Program, error: ValidationError) -> Source:
    """What a program has built that failed at a faulty value, and would build after it."""
    place = program.innermost(error.__traceback__)
    model = models().get(error.title)
    first = [
        Diagnostic(one.code, (error.title, *one.path), one.message, one.hint, place)
        for one in faults(error, model)
    ]
    recording = Recording(program, lenient=True)
    if not isinstance(recording.fleet, Fleet):
        return Source(None, tuple(first))

    def locate(path: FieldPath) -> Place:
        return recording.place(path) or Place(str(program.path))

    result = check(recording.fleet)
    told = _told(result.error, locate) if result.error else []
    if place not in {one.place for one in told}:
        told = [*first, *told]  # what failed is no part of the fleet
    return Source(result.fleet, tuple(told), locate, result.left_out)


def _told(error: ValidationError, locate: Callable[[FieldPath], Place]) -> list[Diagnostic]:
    """The mistakes of a validation; what one line does wrong in many parts is told once."""
    told: dict[object, list[Diagnostic]] = {}
    for one in faults(error, Fleet):
        place = locate(one.path)
        same = (one.code, one.message, place, one.path[-1:] if place.line else one.path)
        diagnostic = Diagnostic(one.code, one.path, one.message, one.hint, place)
        told.setdefault(same, []).append(diagnostic)
    return [
        replace(first, message=f"{first.message} (and {len(more)} times more by this line)")
        if more
        else first
        for first, *more in told.values()
    ]


def _failure(program: Program, error: BaseException) -> Diagnostic:
    """What ended a program."""
    place = program.innermost(error.__traceback__)
    if isinstance(error, SyntaxError) and isinstance(error.lineno, int) and _is_own(program, error):
        column = error.offset if isinstance(error.offset, int) else 0
        where = Place(program.shown(str(error.filename)), error.lineno, max(column, 0))
        message = f"not valid Python: {one_line(str(error.msg))}"
        return Diagnostic("HI003", (), message, "mend the line", where)
    if isinstance(error, SystemExit):
        message = f"the file ends the program ({_said(error)})"
        hint = "a fleet.py is read, not run as a command: take the exit out"
        return Diagnostic("HI003", (), message, hint, place)
    hint = "the program stops here"
    if isinstance(error, NameError) and error.name in models():
        hint = f"add: from holo_infra import {error.name}"
    return Diagnostic("HI003", (), _said(error), hint, place)


def _is_own(program: Program, error: SyntaxError) -> bool:
    return isinstance(error.filename, str) and program.own(error.filename)


def _said(error: BaseException) -> str:
    """An exception's class and message, on one line."""
    try:
        text = one_line(str(error))
    except Exception:  # noqa: BLE001 - an exception of the program's own may fail at that
        text = "(its message cannot be shown)"
    name = one_line(class_name(error))
    return f"{name}: {text}" if text else name
