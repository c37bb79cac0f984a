"""Reads a fleet from a Python file: the value of its variable `fleet`."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from holo_infra.diagnostics import Diagnostic, FleetError
from holo_infra.model.fleet import Fleet


def load(path: Path) -> Fleet:
    """The fleet that the file defines.

    Raises FleetError with the file's line where the file cannot be run or what it builds is wrong.
    """
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        hint = "give the path of a fleet.py"
        raise FleetError([Diagnostic("", f"cannot be read: {reason}", hint, str(path))]) from None
    module = ModuleType("fleet")
    module.__file__ = str(path)
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)  # a fleet may be split into modules beside it
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - the user's own program
    except ValidationError as error:
        raise FleetError(_validation(error, path)) from None
    except Exception as error:  # noqa: BLE001 - whatever the user's program raises
        raise FleetError([_failure(error, path)]) from None
    except SystemExit as error:
        message = f"the file ends the program (exit {error.code})"
        raise FleetError([Diagnostic("", message, "", str(path))]) from None
    finally:
        sys.path.remove(folder)
    fleet = getattr(module, "fleet", None)
    if not isinstance(fleet, Fleet):
        message = "the file defines no fleet" if fleet is None else f"`fleet` is a {type(fleet)}"
        hint = "end it with: fleet = Fleet(name=…, hosts={…})"
        raise FleetError([Diagnostic("", message, hint, str(path))])
    try:
        # Frozen models still hold plain dicts, which a fleet's program can change after the check.
        return Fleet.model_validate(fleet.model_dump(warnings=False))
    except (ValidationError, AttributeError) as error:
        if isinstance(error, ValidationError):
            raise FleetError(_validation(error, path)) from None
        message = f"something in the fleet is no model: {error}"
        raise FleetError([Diagnostic("", message, "", str(path))]) from None


def _line(error: BaseException, path: Path) -> str:
    """`file:line` of the innermost frame in the user's file."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)


def _validation(error: ValidationError, path: Path) -> list[Diagnostic]:
    """One diagnostic a wrong field; the path begins with the class that was being built."""
    place = _line(error, path)
    return [
        Diagnostic(
            ".".join(map(str, (error.title, *item["loc"]))),
            item["msg"],
            _shown(item["input"]),
            place,
        )
        for item in error.errors(include_url=False)
    ]


def _shown(value: object) -> str:
    text = repr(value)
    limit = 80
    return f"it is {text if len(text) <= limit else text[:limit] + '…'}"


def _failure(error: Exception, path: Path) -> Diagnostic:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        place = f"{path}:{error.lineno}:{error.offset}"
        return Diagnostic("", f"not valid Python: {error.msg}", "", place)
    message = f"{type(error).__name__}: {error}"
    return Diagnostic("", message, "the file stops here", _line(error, path))
