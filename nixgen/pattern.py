"""Regular expressions that mean the same to Nix (POSIX extended, bytes) and to pydantic (Rust).

Nix anchors a pattern at both ends and counts bytes; Rust counts code points and knows set
operations, classes by backslash and lazy repeats. The subset here leaves out all of that, so one
text can be printed into `types.strMatching` and handed to pydantic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from nixgen.errors import DefinitionError

ASCII = frozenset(map(chr, range(1, 128)))
CONTROL = frozenset(character for character in ASCII if not character.isprintable())

_NAMED = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r" \t-\r",
    "upper": "A-Z",
}
_TOKEN = re.compile(
    r"""
    (?P<class>\[ \^? (?: \[:[a-z]+:\] | [^\]\[] )+ \])
  | (?P<repeat>[*+?] | \{[0-9]+(?:,[0-9]*)?\})
  | (?P<group>[()|])
  | (?P<literal>\\[.*+?(){|\[^$\\] | [^\\.^$*+?(){}|\[\]])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A checked pattern. Raises DefinitionError for what the two engines read differently."""

    text: str
    may_hold: frozenset[str] = field(init=False, compare=False)
    """The ASCII characters that can occur in a string that matches (at most these)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "may_hold", _check(self.text))

    @property
    def anchored(self) -> str:
        """For engines that search: matches only the whole string."""
        return f"^(?:{self.text})$"

    def matches(self, value: str) -> bool:
        """Whether the whole of `value` matches; Python's engine, for use outside pydantic."""
        return re.fullmatch(for_python(self.text), value) is not None


def for_python(text: str) -> str:
    """The pattern for Python's `re`, which has no named classes."""
    return re.sub(r"\[:([a-z]+):\]", lambda match: _NAMED[match[1]], text)


def _check(text: str) -> frozenset[str]:
    """The characters that can occur; DefinitionError for what is outside the subset."""
    parser = _Parser(text)
    parser.alternatives()
    if parser.position < len(text):
        raise parser.refused("not in the subset that POSIX and Rust share")
    try:
        re.compile(for_python(text))
    except re.error as error:
        raise parser.refused(str(error)) from None
    return frozenset(parser.may_hold)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a pattern, by what matters where one character is several bytes."""

    nullable: bool
    needs: bool = False
    """It may begin with a negated class that needs a character."""
    ends: bool = False
    """It may end with a negated class, or is nothing."""
    negated: bool = False
    """There is a negated class in it."""


class _Parser:
    """Reads a pattern by recursive descent.

    To Nix a character that is not ASCII is several bytes, and only negated classes match them. They
    must be free to take all: repeated, not counted, and not sharing them with a neighbour that
    needs one.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.may_hold: set[str] = set()

    def alternatives(self) -> _Part:
        parts = [self.sequence()]
        while self.text.startswith("|", self.position):
            self.position += 1
            parts.append(self.sequence())
        return _Part(
            *(any(part.nullable for part in parts), any(part.needs for part in parts)),
            *(any(part.ends for part in parts), any(part.negated for part in parts)),
        )

    def sequence(self) -> _Part:
        nullable, needs, ends, negated = True, False, False, False
        while self.position < len(self.text) and self.text[self.position] not in "|)":
            part = self.repeated()
            if ends and part.needs:
                raise self.refused("a negated class follows another, and needs a character of it")
            needs = needs or (nullable and part.needs)
            ends = part.ends or (ends and part.nullable)
            nullable, negated = nullable and part.nullable, negated or part.negated
        return _Part(nullable, needs, ends, negated)

    def repeated(self) -> _Part:
        part, is_class = self.atom()
        match = _TOKEN.match(self.text, self.position)
        repeat = match["repeat"] if match else None
        if is_class and part.negated and repeat not in {"*", "+"}:
            raise self.refused("a negated class must be repeated by * or +")
        if match is None or repeat is None:
            return part
        self.position = match.end()
        following = _TOKEN.match(self.text, self.position)
        if following and following["repeat"]:
            raise self.refused("a repeat of a repeat is lazy or possessive in Rust")
        if repeat.startswith("{") and part.negated:
            raise self.refused("a negated class cannot be counted")
        optional = repeat in {"*", "?"} or repeat.startswith(("{0,", "{0}"))
        needs = part.needs and not (is_class and repeat == "*")
        return _Part(part.nullable or optional, needs, part.ends, part.negated)

    def atom(self) -> tuple[_Part, bool]:
        """The next atom, and whether it is a class."""
        match = _TOKEN.match(self.text, self.position)
        if match is None or match["repeat"] or match["group"] in {")", "|"}:
            raise self.refused("not in the subset that POSIX and Rust share")
        if match["group"]:
            self.position = match.end()
            if self.text.startswith("?", self.position):
                raise self.refused("groups take no flags")
            part = self.alternatives()
            if not self.text.startswith(")", self.position):
                raise self.refused("the group is not closed")
            self.position += 1
            return part, False
        if match["class"]:
            self._check_class(match["class"])
            found = re.findall(for_python(match["class"]), "".join(sorted(ASCII)))
            self.may_hold |= set(found)
            negated = match["class"].startswith("[^")
        else:
            negated = False
            self.may_hold.add(match["literal"][-1])
            if not match["literal"].isascii():
                raise self.refused("only ASCII has one meaning in bytes and characters")
        self.position = match.end()
        return _Part(nullable=False, needs=negated, ends=negated, negated=negated), bool(
            match["class"],
        )

    def _check_class(self, token: str) -> None:
        body = token[1:-1].removeprefix("^")
        for operation in ("&&", "--", "~~"):
            if operation in body:
                raise self.refused(f"{operation!r} in a class differs between POSIX and Rust")
        if "\\" in body.replace("\\\\", ""):
            raise self.refused("a backslash in a class must be doubled")
        if not body.isascii() or ":]-" in body.removesuffix("-"):
            raise self.refused("a class needs plain ASCII members")
        for name in re.findall(r"\[:([a-z]+):\]", body):
            if name not in _NAMED:
                raise self.refused(f"[:{name}:] is not a class of both")
        try:
            re.compile(for_python(token))
        except re.error as error:
            raise self.refused(str(error)) from None

    def refused(self, reason: str) -> DefinitionError:
        return DefinitionError(f"pattern {self.text!r}, position {self.position}: {reason}")
