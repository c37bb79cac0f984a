"""The same for several hosts at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(work: Callable[[str], T], names: Iterable[str]) -> dict[str, T]:
    """Does the same for several hosts at a time. Raises the first failure after all have ended."""
    listed = list(names)
    if not listed:
        return {}
    with ThreadPoolExecutor(max_workers=min(len(listed), 16)) as pool:
        futures = {name: pool.submit(work, name) for name in listed}
    return {name: future.result() for name, future in futures.items()}
