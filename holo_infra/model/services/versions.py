"""Versions of Holochain: their order, and tables of what differs from one to the next.

A version is text: `0.5`, `0.10.2-rc.1`, `latest`. As numbers or as text `0.10` would come before
`0.9`. The order is that of Semantic Versioning 2.0.0 (semver.org, section 11), with `latest` after
all others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import total_ordering
from typing import Literal, TypeVar, get_args

T = TypeVar("T")

HolochainVersion = Literal["0.3", "0.4", "0.5", "latest"]
"""A version of Holochain that we know how to configure."""
VERSIONS: tuple[str, ...] = get_args(HolochainVersion)
LATEST = "0.5"
"""What `latest` stands for."""

_FORM = re.compile(r"(\d+(?:\.\d+)*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?", re.ASCII)

_Identifier = tuple[int, int, str]
_Key = tuple[bool, tuple[int, ...], bool, tuple[_Identifier, ...]]


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A version, compared as such. `0.5` equals `0.5.0`, and `latest` nothing but itself.

    Raises ValueError for text that is no version.
    """

    text: str

    def __post_init__(self) -> None:
        self._key()

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Version) else NotImplemented

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key() if isinstance(other, Version) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def resolved(self) -> Version:
        """The version that `latest` stands for; any other is itself."""
        return Version(LATEST) if self.text == "latest" else self

    def _key(self) -> _Key:
        if self.text == "latest":
            return True, (), True, ()
        match = _FORM.fullmatch(self.text)
        if match is None:
            message = f"no version: {self.text!r}; it is `latest`, or like 0.5 or 0.5.2-rc.1"
            raise ValueError(message)
        numbers = [int(number) for number in match[1].split(".")]
        while numbers[-1:] == [0]:
            numbers.pop()
        release = match[2] is None
        return False, tuple(numbers), release, tuple(map(_identifier, (match[2] or "").split(".")))


def _identifier(text: str) -> _Identifier:
    """A part of a pre-release: numbers come before words."""
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)


def by_version(since: Mapping[str, T]) -> dict[str, T]:
    """A value for each known version, from the versions since which another one holds.

    `{"0.3": old, "0.5": new}` gives 0.4 the old value, and `latest` that of what it stands for.
    Raises ValueError where an older version than all in `since` is known.
    """
    steps = sorted(since, key=Version)
    made: dict[str, T] = {}
    for version in VERSIONS:
        known = [step for step in steps if Version(step) <= Version(version).resolved]
        if not known:
            message = f"no value for version {version}: the oldest is for {steps[:1]}"
            raise ValueError(message)
        made[version] = since[known[-1]]
    return made
