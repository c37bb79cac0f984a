"""Gives out numbers of one kind, each to one owner: the rule of all allocation. Pure.

A fixed number wins, then the one that was kept, then the natural one, then the next never used,
then the longest free.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)

Wish = tuple[Owner, int | None, int | None, int | None]
"""An owner that needs a number; the one that the user gave, the one that the lock file keeps for
it, the one that it would have if it were alone. A fleet has half a million: plain tuples."""


@dataclass(slots=True)
class Given(Generic[Owner]):
    """What came of the wishes."""

    numbers: dict[Owner, int] = field(default_factory=dict)
    """Owner -> number."""
    clashes: list[tuple[Owner, int, Owner]] = field(default_factory=list)
    """An owner whose fixed number another has: owner, number, the other."""
    moved: list[tuple[Owner, int, Owner | None]] = field(default_factory=list)
    """An owner whose kept number is fixed for another: owner, number, the other; reserved: None."""
    lacking: list[Owner] = field(default_factory=list)
    """Owners for which no number was left."""


def assign(
    wishes: Sequence[Wish[Owner]],
    numbers: range,
    used: Collection[int] = (),
    released: Sequence[int] = (),
    reserved: Collection[int] = (),
) -> Given[Owner]:
    """Numbers for all wishes. The order of the wishes decides only among new owners.

    `used` were held by owners of the lock file, those that are gone included; `released` were held
    once, the longest free first. Both are given again only when no other number is left. `reserved`
    are given to nobody but to whom asks for them by a fixed number.
    """
    given: Given[Owner] = Given()
    holders: dict[int, Owner] = {}
    open_wishes: list[Wish[Owner]] = []
    for wish in wishes:
        owner, fixed, _, _ = wish
        if fixed is None:
            open_wishes.append(wish)
        elif fixed in holders:
            given.clashes.append((owner, fixed, holders[fixed]))
        else:
            holders[fixed] = owner
            given.numbers[owner] = fixed
    taken = {*holders, *reserved}

    def take(owner: Owner, number: int | None) -> bool:
        if number is None or number in taken:
            return False
        taken.add(number)
        given.numbers[owner] = number
        return True

    open_wishes = [wish for wish in open_wishes if not take(wish[0], wish[2])]
    for owner, _, kept, _ in open_wishes:
        if kept is not None and (kept in holders or kept in reserved):
            given.moved.append((owner, kept, holders.get(kept)))
    open_wishes = [wish for wish in open_wishes if not take(wish[0], wish[3])]
    if open_wishes:
        _search(given, open_wishes, numbers, taken, (used, released))
    return given


def _search(
    given: Given[Owner],
    wishes: Sequence[Wish[Owner]],
    numbers: range,
    taken: set[int],
    once: tuple[Collection[int], Sequence[int]],
) -> None:
    """Gives numbers that nobody asked for; `once` are those used and those released."""
    used, released = once
    ever = {*used, *released}
    again = [*released, *sorted(used)]
    searches: dict[int, Iterator[int]] = {}
    for owner, _, _, natural in wishes:
        start = numbers.start if natural is None else max(numbers.start, natural + 1)
        if start not in searches:
            searches[start] = _candidates(numbers, start, ever, again)
        for number in searches[start]:
            if number not in taken:
                taken.add(number)
                given.numbers[owner] = number
                break
        else:
            given.lacking.append(owner)


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
