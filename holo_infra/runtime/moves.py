"""What changes between two bundles of a host: files, and the units that this concerns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from holo_infra.runtime.bundle import (
    CONFIGURATION,
    Bundle,
    container_folder,
    differing,
    units_folder,
    wanted_of,
)
from holo_infra.services.containers import container_unit, namespace_unit
from holo_infra.services.files import FOLDER
from holo_infra.targets import Files

_OURS = re.compile(rf"{CONFIGURATION}/[^\s\":]+")
_SERVICES = f"/etc/{FOLDER}/"


@dataclass(frozen=True, slots=True)
class Move:
    """What changes between two bundles; units of a container are `container/unit`."""

    written: Files
    removed: tuple[str, ...]
    restarted: tuple[str, ...]
    started: tuple[str, ...]
    stopped: tuple[str, ...]
    reloads: bool
    """Whether systemd has to read its files again."""


def between(old: Bundle, new: Bundle, unsettled: Iterable[str]) -> Move:
    """What leads from one bundle to another. `unsettled` units may run by an earlier file."""
    written = {path: new.files[path] for path in differing(old.files, new.files)}
    removed = tuple(sorted(path for path in old.files if path not in new.files))
    open_ = {*unsettled, *_readers(new.units, written.keys())}
    restarted, started, stopped = _units(old.units, new.units, new.wanted, open_)
    fresh = {*restarted, *started}
    for name in sorted(new.containers):
        unit = container_unit(name)
        # With the container everything in it starts anew.
        if unit not in fresh and namespace_unit(name) not in fresh and name in old.containers:
            mark = f"{name}/"
            inside = new.inside(name)
            parts = _units(
                old.inside(name),
                inside,
                wanted_of(new.files, units_folder(name)),
                {
                    *(one.removeprefix(mark) for one in unsettled if one.startswith(mark)),
                    *_readers(inside, _seen_inside(name, written)),
                },
            )
            for all_, some in zip((restarted, started, stopped), parts, strict=True):
                all_.extend(f"{mark}{one}" for one in some)
    units = tuple(restarted), tuple(started), tuple(stopped)
    return Move(written, removed, *units, reloads=bool(written or removed))


def names(bundle: Bundle) -> set[str]:
    """All units of a host and of its containers."""
    inside = {f"{name}/{unit}" for name in bundle.containers for unit in bundle.inside(name)}
    return {*bundle.units, *inside}


def of_host(units: Iterable[str]) -> list[str]:
    """Those of these units that are the host's own."""
    return [unit for unit in units if "/" not in unit]


def by_container(units: Iterable[str]) -> dict[str, list[str]]:
    """Those of these units that are in containers, by container."""
    found: dict[str, list[str]] = {}
    for unit in units:
        container, slash, name = unit.partition("/")
        if slash:
            found.setdefault(container, []).append(name)
    return found


def _readers(units: Mapping[str, str], paths: Iterable[str]) -> list[str]:
    """The units that name one of these files.

    Of a file that was changed by hand, the digest in its unit is no other.
    """
    files = set(paths)
    return [name for name, text in units.items() if not files.isdisjoint(_OURS.findall(text))]


def _seen_inside(container: str, paths: Iterable[str]) -> Iterator[str]:
    """Files of a container's services, by their paths in the container."""
    folder = f"{container_folder(container)}/services/"
    return (_SERVICES + p.removeprefix(folder) for p in paths if p.startswith(folder))


def _units(
    old: dict[str, str],
    new: dict[str, str],
    wanted: Iterable[str],
    unsettled: Iterable[str],
) -> tuple[list[str], list[str], list[str]]:
    """Which units are started anew, are new, are gone."""
    open_ = set(unsettled)
    restarted = [n for n in new if n in old and (old[n] != new[n] or n in open_)]
    started = [name for name in wanted if name not in old]
    stopped = [name for name in old if name not in new]
    return sorted(restarted), sorted(started), sorted(stopped)
