"""Gives out numbers of one kind, each to one owner: the rule of all allocation. Pure.

A fixed number wins, then the one that was kept, then the natural one, then the next never used,
then the longest free.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wish:
    """An owner that needs a number."""

    owner: str
    fixed: int | None = None
    """The number that the user gave."""
    kept: int | None = None
    """The number that the lock file keeps for this owner."""
    natural: int | None = None
    """The number that it would have if it were alone."""


@dataclass(slots=True)
class Given:
    """What came of the wishes."""

    numbers: dict[str, int] = field(default_factory=dict)
    """Owner -> number."""
    clashes: list[tuple[str, int, str]] = field(default_factory=list)
    """An owner whose fixed number another has: owner, number, the other."""
    lacking: list[str] = field(default_factory=list)
    """Owners for which no number was left."""


def assign(
    wishes: Sequence[Wish],
    numbers: range,
    used: Collection[int] = (),
    released: Sequence[int] = (),
) -> Given:
    """Numbers for all wishes. The order of the wishes decides only among new owners.

    `used` were held by owners of the lock file, those that are gone included; `released` were held
    once, the longest free first. Both are given again only when no other number is left.
    """
    given = Given()
    holders: dict[int, str] = {}

    def take(wish: Wish, number: int | None) -> bool:
        if number is None or number in holders:
            return False
        holders[number] = wish.owner
        given.numbers[wish.owner] = number
        return True

    for wish in wishes:
        if wish.fixed is not None and not take(wish, wish.fixed):
            given.clashes.append((wish.owner, wish.fixed, holders[wish.fixed]))
    open_wishes = [wish for wish in wishes if wish.fixed is None and not take(wish, wish.kept)]
    open_wishes = [wish for wish in open_wishes if not take(wish, wish.natural)]
    once = {*used, *released}
    searches: dict[int, Iterator[int]] = {}
    for wish in open_wishes:
        start = numbers.start if wish.natural is None else max(numbers.start, wish.natural + 1)
        if start not in searches:
            searches[start] = _candidates(numbers, start, once, [*released, *sorted(used)])
        if not any(take(wish, number) for number in searches[start]):
            given.lacking.append(wish.owner)
    return given


def _candidates(
    numbers: range,
    start: int,
    once: Collection[int],
    again: Sequence[int],
) -> Iterator[int]:
    """Numbers never used, from `start` upwards and then from below; then those used once."""
    start = min(start, numbers.stop)
    for never in (range(start, numbers.stop), range(numbers.start, start)):
        yield from (number for number in never if number not in once)
    yield from (number for number in again if number in numbers)
