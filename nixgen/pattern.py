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
    (?P<class>\[ \^? \]? (?: \[:[a-z]+:\] | [^\]\[] )* \])
  | (?P<repeat>[*+?] | \{[0-9]+(?:,[0-9]*)?\})
  | (?P<group>[()|])
  | (?P<literal>\\[.*+?(){}|\[\]^$\\/-] | [^\\.^$*+?(){}|\[\]])
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
    position = 0
    may_hold: set[str] = set()
    negated_pending = False
    while position < len(text) or negated_pending:
        match = _TOKEN.match(text, position)
        if negated_pending and not (match and match["repeat"] in {"*", "+"}):
            # One code point is several bytes to Nix, so it must be free to take several.
            raise _refused(text, position, "a negated class must be repeated by * or +")
        if match is None:
            raise _refused(text, position, "not in the subset that POSIX and Rust share")
        following = text[match.end() : match.end() + 1]
        negated_pending = False
        if match["class"]:
            _check_class(text, match["class"], position)
            negated_pending = match["class"].startswith("[^")
            may_hold |= set(re.findall(for_python(match["class"]), "".join(sorted(ASCII))))
        elif match["literal"]:
            may_hold.add(match["literal"][-1])
            if not match["literal"].isascii():
                raise _refused(text, position, "only ASCII has one meaning in bytes and characters")
        elif match["repeat"] and following and following in "?+*":
            raise _refused(text, position, "a repeat of a repeat is lazy or possessive in Rust")
        elif match["group"] == "(" and following == "?":
            raise _refused(text, position, "groups take no flags")
        position = match.end()
    return frozenset(may_hold)


def _check_class(text: str, token: str, position: int) -> None:
    body = token[1:-1].removeprefix("^")
    for operation in ("&&", "--", "~~"):
        if operation in body:
            raise _refused(
                text, position, f"{operation!r} in a class differs between POSIX and Rust"
            )
    if "\\" in body.replace("\\\\", ""):
        raise _refused(text, position, "a backslash in a class must be doubled")
    if not body or body.startswith("]") or not body.isascii():
        raise _refused(text, position, "a class needs plain ASCII members")
    for name in re.findall(r"\[:([a-z]+):\]", body):
        if name not in _NAMED:
            raise _refused(text, position, f"[:{name}:] is not a class of both")


def _refused(text: str, position: int, reason: str) -> DefinitionError:
    return DefinitionError(f"pattern {text!r}, position {position}: {reason}")
