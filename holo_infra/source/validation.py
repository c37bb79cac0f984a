"""What pydantic finds, told to the person who wrote the value: code, field, message, hint."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from holo_infra.diagnostics import FieldPath
from holo_infra.source.fields import KEY, model_at, named
from holo_infra.source.forms import forms
from holo_infra.source.words import class_name, literal, one_line, quoted, shown

_LONG = 80  # characters of a number or word
_MANY = 8  # fields or words, that a hint does not list any more

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_FOLLOW_UP = {"default_factory_not_called"}
"""Types of errors that say only that there is another one."""

_CODES = {
    "missing": "HI010",
    "extra_forbidden": "HI011",
    "invalid_key": "HI006",
    "string_pattern_mismatch": "HI013",
    "greater_than": "HI014",
    "greater_than_equal": "HI014",
    "less_than": "HI014",
    "less_than_equal": "HI014",
    "multiple_of": "HI014",
    "finite_number": "HI014",
    "int_parsing_size": "HI014",
    "literal_error": "HI015",
    "enum": "HI015",
    "too_short": "HI016",
    "string_too_short": "HI016",
    "value_error": "HI017",
    "assertion_error": "HI017",
    "string_unicode": "HI017",
    "frozen_instance": "HI003",
    "frozen_field": "HI003",
}
_OTHER = "HI012"


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake in a value, by its path in the value that was checked."""

    code: str
    path: FieldPath
    """By the names of fields."""
    written: FieldPath
    """As it was written: a field may have another spelling, too."""
    at_key: bool
    """Whether the key is at fault, and not its value."""
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class _Error:
    """One of pydantic's errors, with what is needed to tell it."""

    kind: str
    path: FieldPath
    value: Any
    context: dict[str, Any]
    message: str
    root: type[BaseModel] | None
    text: str | None
    """The value as it is written in the file, where that is known."""


def faults(
    error: ValidationError,
    root: type[BaseModel] | None,
    text_at: Callable[[FieldPath], str | None] = lambda _path: None,
) -> Iterator[Fault]:
    """All mistakes of a validation of `root`.

    `text_at` gives a value as it is written in the file, or None where that is not known.
    """
    for item in error.errors(include_url=False):
        if item["type"] in _FOLLOW_UP:
            continue
        at_key = item["loc"][-1:] == (KEY,)
        path = item["loc"][:-1] if at_key else item["loc"]
        context = item.get("ctx", {})
        text = None if at_key else text_at(path)
        text = text if text is None or len(text) <= _LONG else f"{text[:_LONG]}…"
        one = _Error(item["type"], path, item["input"], context, item["msg"], root, text)
        code = _CODES.get(one.kind, _OTHER)
        tell = _wrong_type if one.kind in _EXPECTED else _TOLD.get(code, _other)
        try:
            message, hint = tell(one)
        except Exception:  # noqa: BLE001 - the value of a program may have code of its own
            message, hint = one.message, ""
        at_key = at_key or code in {"HI006", "HI011"}
        yield Fault(code, named(root, path), path, at_key, one_line(message), one_line(hint))


def _missing(error: _Error) -> tuple[str, str]:
    *_, name = named(error.root, error.path)
    owner = model_at(error.root, error.path[:-1])
    description = owner.model_fields[str(name)].description if owner else None
    first = re.split(r"[.;:]\s|\.$|\n\n", description or "")[0].replace("\n", " ")
    return "is missing", f"add `{name}`: {first}" if first else f"add `{name}`"


def _unknown(error: _Error) -> tuple[str, str]:
    owner = model_at(error.root, error.path[:-1])
    if owner is None:
        return "there is no such field", ""
    known = list(owner.model_fields)
    message = f"{owner.__name__} has no such field"
    if near := difflib.get_close_matches(str(error.path[-1]), known, 1):
        return message, f"did you mean `{near[0]}`?"
    if len(known) <= _MANY:
        return message, f"its fields are {', '.join(known)}"
    return message, "its fields are listed by `holo schema`"


def _key(error: _Error) -> tuple[str, str]:
    return f"a key must be text, and is {shown(error.value)}", "put it in quotes, or use a name"


def _wrong_type(error: _Error) -> tuple[str, str]:
    expected = _EXPECTED[error.kind]
    value = error.value
    if error.text is not None and not isinstance(value, str) and value is not None:
        written = error.text if isinstance(value, bool) else f"the number {error.text}"
    else:
        written = shown(value)
    return f"must be {expected}, and is {written}", _retyped(error)


def _retyped(error: _Error) -> str:  # noqa: C901, PLR0911 - a table
    """How the value would be written as the type that is needed; empty where nobody knows."""
    value = error.value
    match error.kind, value:
        case "string_type", bool() | int() | float():
            plain = error.text if error.text is not None else literal(value)
            return f"put it in quotes: {json.dumps(plain, ensure_ascii=False)}"
        case "int_type" | "int_from_float", str() if re.fullmatch("-?[0-9]{1,20}", value):
            return f"take the quotes away: {value}"
        case "int_type" | "int_from_float", float() if value.is_integer() and abs(value) < 2**63:
            return f"write it without a decimal point: {int(value)}"
        case "bool_type", str() if value.lower() in {"yes", "no", "on", "off", "true", "false"}:
            return f"write {'true' if value.lower() in {'yes', 'on', 'true'} else 'false'}" + (
                ", without quotes" if error.text is not None else ", Python's own"
            )
        case "list_type", str() if 0 < len(words := value.split()) <= _MANY:
            return f"write a list: {json.dumps(words, ensure_ascii=False)}"
        case "list_type", None:
            return "leave it out, or write [] for an empty list"
        case (("dict_type" | "model_type"), None):
            return "leave it out, or write {} for one in which nothing is set"
        case _, None:
            return "leave it out, or give it a value"
        case "dict_type", list():
            return "give each item a name: `name: value`"
    if error.kind == "model_type" and (owner := model_at(error.root, error.path)):
        return f"write a {owner.__name__}: a mapping from its fields to values"
    return ""


def _form(error: _Error) -> tuple[str, str]:
    pattern = str(error.context.get("pattern", ""))
    text = quoted(error.value) if isinstance(error.value, str) else shown(error.value)
    form = forms().get(pattern)
    if form is None:
        return f"{text} does not match {pattern}", ""
    mended = _mended(error.value, pattern, is_name=form.is_name)
    return f"{text} is not {form.noun}", f"{form.noun}: {form.rule}{mended}"


def _mended(value: object, pattern: str, *, is_name: bool) -> str:
    """A text of the form that is near the one that was written."""
    if not isinstance(value, str) or "[[:" in pattern or "[^[:" in pattern:
        return ""
    names = [
        re.sub("[^a-z0-9-]+", "-", value.lower()).strip("-"),
        re.sub("[^a-z0-9]+", "", value.lower()),
    ]
    near = [*(names if is_name else []), value.strip()]
    fitting = [one for one in near if one != value and re.match(pattern, one)]
    return f"; write {fitting[0]}" if fitting else ""


def _range(error: _Error) -> tuple[str, str]:
    bounds = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    told = [f"{word} {error.context[key]}" for key, word in bounds.items() if key in error.context]
    number = error.text if error.text is not None else shown(error.value)
    if not told:
        return f"{number}: {error.message}", ""
    return f"must be {told[0]}, and is {number}", f"give a number that is {told[0]}"


def _choice(error: _Error) -> tuple[str, str]:
    expected = str(error.context.get("expected", ""))
    choices = re.findall("'([^']*)'", expected)
    message = f"must be one of {', '.join(choices)}, and is {shown(error.value)}"
    value = error.value if isinstance(error.value, str) else ""
    if len(choices) == 1:
        return f"must be {choices[0]}, and is {shown(error.value)}", f"write {choices[0]}"
    if near := difflib.get_close_matches(value.lower(), choices, 1):
        return message, f"did you mean `{near[0]}`?"
    return message, f"write one of {', '.join(choices)}"


def _empty(error: _Error) -> tuple[str, str]:
    least = error.context.get("min_length", 1)
    return f"must have at least {least} item, and is empty", "give at least one item"


def _refused(error: _Error) -> tuple[str, str]:
    if error.kind == "string_unicode":
        return f"{shown(error.value)} holds a lone surrogate", "write the character itself"
    reason = error.context.get("error")
    message = error.message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if isinstance(reason, ValueError) and message.startswith("the first item"):
        first = shown(error.value[0]) if isinstance(error.value, list) and error.value else "it"
        return (
            f"{first} is neither an absolute path nor the bare name of a program",
            "begin the command with a path such as /bin/sh, or a name such as busybox",
        )
    if message.startswith("Nix gives the name"):
        return message, "take another name"
    if isinstance(error.value, str):
        return message, "change the text: neither Nix nor systemd would carry it"
    return message, "use null, true, false, whole numbers, text, lists and mappings of these"


def _frozen(_error: _Error) -> tuple[str, str]:
    return (
        "the program changes a part of the fleet that is made already",
        "give the value when it is made, or use model_copy(update={…})",
    )


def _other(error: _Error) -> tuple[str, str]:
    return f"{error.message}; it is {shown(error.value)} ({class_name(error.value)})", ""


_TOLD: dict[str, Callable[[_Error], tuple[str, str]]] = {
    "HI003": _frozen,
    "HI006": _key,
    "HI010": _missing,
    "HI011": _unknown,
    "HI013": _form,
    "HI014": _range,
    "HI015": _choice,
    "HI016": _empty,
    "HI017": _refused,
}
