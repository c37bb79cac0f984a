"""From a fleet that was read to what it was lowered to: its numbers, and all its mistakes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from holo_infra.allocate import Allocation, allocate, read_lock
from holo_infra.check import check_fleet
from holo_infra.diagnostics import Diagnostic, FieldPath, FleetError, Place
from holo_infra.lower import LoweredFleet, lower
from holo_infra.model.fleet import Fleet
from holo_infra.source import Source, load
from nixgen import NixgenError

Locate = Callable[[FieldPath], Place | None]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A fleet, its numbers, and what it was lowered to."""

    fleet: Fleet
    allocation: Allocation
    lowered: LoweredFleet
    warnings: tuple[Diagnostic, ...]
    locate: Locate
    """Where a field of the fleet stands."""


def lock_path(fleet: Path) -> Path:
    """The lock file beside a fleet's file: `fleet.py` -> `fleet.lock.json`."""
    return fleet.with_name(f"{fleet.stem}.lock.json")


def read_lock_file(fleet: Path) -> bytes:
    """The lock file's content, empty where there is none."""
    lock = lock_path(fleet)
    return lock.read_bytes() if lock.exists() else b""


def compile_fleet(path: Path, source: Source) -> Compiled:
    """The fleet of a file, as it was read. Raises FleetError with all that is wrong."""
    problems = list(source.diagnostics)
    if source.fleet is None:
        raise FleetError(problems)
    content = read_lock_file(path)
    lock = read_lock(content, str(lock_path(path))) if content else Allocation()
    with past_all_checks(path):
        allocation, clashes = allocate(source.fleet, lock)
        checked = check_fleet(source.fleet, allocation, whole=source.whole)
        problems += _located(source, [*clashes, *checked])
        if any(problem.is_error for problem in problems):
            raise FleetError(problems)
        lowered = lower(source.fleet, allocation)
    return Compiled(source.fleet, allocation, lowered, tuple(problems), source.locate)


@contextmanager
def past_all_checks(path: Path) -> Iterator[None]:
    """Raises FleetError for a failure that comes of parts which a program built past all checks.

    pydantic's `model_construct` is such a way. Everything else that is raised passes.
    """
    try:
        yield
    except (FleetError, NixgenError, OSError):
        raise
    except Exception:
        if faults := load(path, thorough=True).diagnostics:
            raise FleetError(faults) from None
        raise


def _located(source: Source, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    return [replace(found, place=source.locate(found.path)) for found in diagnostics]
