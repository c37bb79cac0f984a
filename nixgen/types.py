"""Types of options and of expressions: read from pydantic's annotations, printed as `lib.types.…`.

Names follow nixpkgs (`nixos/doc/manual`, "Options Types").
"""

from __future__ import annotations

import enum
import types as python_types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import AfterValidator, BaseModel, Field
from pydantic.fields import FieldInfo

from nixgen import checks, literals
from nixgen.errors import DefinitionError
from nixgen.pattern import ASCII, Pattern


@dataclass(frozen=True, slots=True)
class Type:
    """Base of all types."""


@dataclass(frozen=True, slots=True)
class Bool(Type):
    """`types.bool`."""


@dataclass(frozen=True, slots=True)
class Int(Type):
    """`types.port`, `types.ints.between`, `types.int`: bounds inclusive."""

    low: int = literals.INTEGER_MIN
    high: int = literals.INTEGER_MAX


@dataclass(frozen=True, slots=True)
class Str(Type):
    """`types.str`, or `types.strMatching` where there is a pattern."""

    pattern: Pattern | None = None
    may_hold: frozenset[str] = ASCII
    """The ASCII characters that can occur: says what needs which escape."""
    name: str = ""
    """A name for the type in printed modules, where its pattern is long."""


@dataclass(frozen=True, slots=True)
class Enum(Type):
    """`types.enum`, of strings."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Package(Type):
    """`types.package`; in Python the package's attribute path in `pkgs`."""


@dataclass(frozen=True, slots=True)
class StorePath(Type):
    """`types.package` that is used by its path, such as a system; in Python that path."""


@dataclass(frozen=True, slots=True)
class ProgramPath(Type):
    """The path of a program, made by `exe`; not an option's type."""


@dataclass(frozen=True, slots=True)
class RunTimeText(Type):
    """Text that systemd completes when it starts a process; only `exec_line` takes it."""


@dataclass(frozen=True, slots=True)
class Line(Type):
    """A value of a unit file that is escaped already, e.g. an exec line."""


@dataclass(frozen=True, slots=True)
class NullOr(Type):
    """`types.nullOr`."""

    of: Type


@dataclass(frozen=True, slots=True)
class ListOf(Type):
    """`types.listOf`, `types.nonEmptyListOf`; `first` is a pattern for the first item."""

    of: Type
    non_empty: bool = False
    first: Pattern | None = None


@dataclass(frozen=True, slots=True)
class AttrsOf(Type):
    """`types.attrsOf`, its names checked against a pattern."""

    of: Type
    names: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Json(Type):
    """`(pkgs.formats.json { }).type`: data of any form."""


@dataclass(frozen=True, slots=True)
class Submodule(Type):
    """`types.submodule`, declared by a pydantic model."""

    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Definition(Type):
    """A part of a configuration: what `each`, `merge`, `only_if` and `default` make."""

    of: Type | None = None


@dataclass(frozen=True, slots=True)
class Unknown(Type):
    """Members of several types, or none: may be kept in structures, but not used as text."""


BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789,.:=/_-")
"""Characters that mean themselves to Nix, systemd and a shell alike."""

_STORE = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-._?=/")


def may_hold(type_: Type) -> frozenset[str]:
    """The ASCII characters that can occur in the text of a value (at most these)."""
    match type_:
        case Str(_, characters):
            return characters
        case Enum(values):
            return frozenset("".join(values)) & ASCII
        case Int():
            return frozenset("-0123456789")
        case ProgramPath() | StorePath():
            return _STORE
        case RunTimeText():
            return frozenset()
        case _:
            return ASCII


def is_text(type_: Type) -> bool:
    """Whether values of this type are strings on both sides."""
    return isinstance(type_, Str | Enum | ProgramPath | StorePath)


# What a model writes as annotations.


@dataclass(frozen=True, slots=True)
class _Marker:
    """Metadata on an annotation that says which type it is, where Python's own type cannot."""

    type: Type


@dataclass(frozen=True, slots=True)
class FirstItem:
    """Metadata on a list: its first item matches a pattern."""

    pattern: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        """Refuse a list whose first item does not match, in pydantic's own way."""
        pattern = Pattern(self.pattern)

        def check(items: list[str]) -> list[str]:
            if items and not pattern.matches(items[0]):
                message = f"the first item {items[0]!r} does not match {self.pattern}"
                raise ValueError(message)
            return items

        return handler(Annotated[source, AfterValidator(check)])


@dataclass(frozen=True, slots=True)
class _Name:
    """Metadata on a string: the name of its type in printed modules."""

    name: str


_CHECK_TEXT = AfterValidator(checks.check_text)


def matching(pattern: str, name: str = "") -> Any:
    """Annotation metadata: a string that matches all of `pattern` (the subset of `Pattern`).

    `name` is the type's name in printed modules.
    """
    field = Field(pattern=Pattern(pattern).anchored)
    field.metadata += [_CHECK_TEXT, _Name(name)]
    return field


_CHECK_JSON = AfterValidator(checks.check_data)

JsonObject = Annotated[dict[str, Any], _CHECK_JSON, _Marker(AttrsOf(Json()))]
"""Data of any form below names: null, true, false, whole numbers, text, lists, mappings."""
Text = Annotated[str, _CHECK_TEXT, _Marker(Str())]
"""Any string that Nix and systemd can hold: no NUL, no noncharacter, at most 64 KiB."""
PlainText = Annotated[
    str,
    matching(r"([^[:cntrl:][:space:]\\]+( +[^[:cntrl:][:space:]\\]+)*)?"),
]
"""One line as a unit file can hold it: words with spaces between, no backslash (a continuation)."""
PackageName = Annotated[
    str,
    matching("[A-Za-z_][A-Za-z0-9_'-]*([.][A-Za-z_][A-Za-z0-9_'-]*)*"),
    _Marker(Package()),
]
"""A package's attribute path in `pkgs`, e.g. `python3Packages.flask`."""
StorePathName = Annotated[str, matching("/[A-Za-z0-9+._?=/-]*"), _Marker(StorePath())]
"""An absolute path, in Nix a derivation or store path."""
Port = Annotated[int, Field(ge=0, le=65535)]
"""`types.port`."""


_CHECKS = (_CHECK_TEXT, _CHECK_JSON)
"""Checks of values that are beside a type, not part of it."""


def of_field(field: FieldInfo, where: str) -> Type:
    """The type of a model's field. Raises DefinitionError naming `where` for what has no type."""
    return _of(field.annotation, tuple(field.metadata), where)


def _of(annotation: Any, metadata: tuple[Any, ...], where: str) -> Type:
    for item in metadata:
        if isinstance(item, _Marker):
            known = (_Marker, _Name)
            rest = [m for m in metadata if not isinstance(m, known) and m not in _CHECKS]
            if any(_pattern_text(m) is None for m in rest) or (item.type == Str() and rest):
                raise _unknown(rest, where)
            return item.type
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _of(inner, (*_flatten(more), *metadata), where)
    if origin in (Union, python_types.UnionType):
        return _of_union(annotation, metadata, where)
    if origin is list:
        return _of_list(annotation, metadata, where)
    if annotation is int:
        return _of_int(metadata, where)
    if annotation is str:
        return _of_str(metadata, where)
    if metadata:
        raise _unknown(metadata, where)
    if origin is Literal:
        return _enum(get_args(annotation), where)
    if origin in (dict, Mapping):
        return _of_dict(annotation, where)
    if not isinstance(annotation, type):
        message = f"{where}: {annotation!r} has no option type"
        raise DefinitionError(message)
    return _of_class(annotation, where)


def _unknown(metadata: Iterable[Any], where: str) -> DefinitionError:
    """Nix would not check what these say."""
    told = ", ".join(map(repr, metadata))
    return DefinitionError(f"{where}: has no counterpart in an option's type: {told}")


def _of_str(metadata: tuple[Any, ...], where: str) -> Str:
    pattern, name = None, ""
    for item in metadata:
        if isinstance(item, _Name):
            name = item.name
        elif text := _pattern_text(item):
            if pattern or not (text.startswith("^(?:") and text.endswith(")$")):
                message = f"{where}: write matching(…), once, which anchors the pattern"
                raise DefinitionError(message)
            pattern = Pattern(text.removeprefix("^(?:").removesuffix(")$"))
        elif item is not _CHECK_TEXT:
            raise _unknown([item], where)
    if pattern is None:
        message = f"{where}: write nixgen.Text instead of str (a Nix string cannot hold NUL)"
        raise DefinitionError(message)
    return Str(pattern, pattern.may_hold, name)


def _of_class(annotation: type, where: str) -> Type:
    if annotation is bool:
        return Bool()
    if issubclass(annotation, enum.StrEnum):
        return _enum(tuple(member.value for member in annotation), where)
    if issubclass(annotation, BaseModel):
        return Submodule(annotation)
    message = f"{where}: {annotation.__name__} has no option type"
    raise DefinitionError(message)


def _of_union(annotation: Any, metadata: tuple[Any, ...], where: str) -> Type:
    members = get_args(annotation)
    given = [member for member in members if member is not type(None)]
    if len(given) != 1 or len(members) != len(given) + 1:
        message = f"{where}: {annotation!r}: of unions only `X | None` has an option type"
        raise DefinitionError(message)
    return NullOr(_of(given[0], metadata, where))


def _enum(values: tuple[Any, ...], where: str) -> Type:
    if not all(isinstance(value, str) for value in values):
        message = f"{where}: an enumeration's values must be strings: {values!r}"
        raise DefinitionError(message)
    return Enum(values)


def _of_list(annotation: Any, metadata: tuple[Any, ...], where: str) -> Type:
    (item,) = get_args(annotation)
    first = next((Pattern(m.pattern) for m in metadata if isinstance(m, FirstItem)), None)
    lengths = [m for m in metadata if isinstance(m, MinLen)]
    odd = [m for m in metadata if not isinstance(m, FirstItem | MinLen)]
    if odd or any(m.min_length != 1 for m in lengths) or (first and not lengths):
        raise _unknown(metadata, where)
    return ListOf(_of(item, (), f"{where}[]"), bool(lengths), first)


def _of_dict(annotation: Any, where: str) -> Type:
    key, value = get_args(annotation)
    names = _of(key, (), f"{where}'s names")
    if not isinstance(names, Str) or names.pattern is None:
        message = f"{where}: names need a pattern"
        raise DefinitionError(message)
    return AttrsOf(_of(value, (), f"{where}.*"), names.pattern)


def _of_int(metadata: tuple[Any, ...], where: str) -> Int:
    low, high = literals.INTEGER_MIN, literals.INTEGER_MAX
    for bound in metadata:
        match bound:
            case Ge(int() as ge):
                low = ge
            case Gt(int() as gt):
                low = gt + 1
            case Le(int() as le):
                high = le
            case Lt(int() as lt):
                high = lt - 1
            case _:
                raise _unknown([bound], where)
    return Int(low, high)


def _pattern_text(item: Any) -> str | None:
    text = None if isinstance(item, FirstItem) else getattr(item, "pattern", None)
    return text if isinstance(text, str) else None


def _flatten(metadata: list[Any]) -> tuple[Any, ...]:
    # Field(...) inside Annotated carries its constraints in its own metadata.
    return tuple(
        part
        for item in metadata
        for part in (item.metadata if isinstance(item, FieldInfo) else (item,))
    )
