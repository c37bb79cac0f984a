"""Fleets for `vmtests`: what a fleet's file or a compiled folder makes of each host.

A host's files are those that `holo up` puts on its machine, where it puts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from holo_infra.compiled import compile_fleet
from holo_infra.diagnostics import FleetError
from holo_infra.runtime.bundle import CONFIGURATION, UNITS, Bundle, make_bundle
from holo_infra.runtime.embedded import FOLDER, Embedded
from holo_infra.runtime.wiring import wires
from holo_infra.source import load
from holo_infra.targets import Files, Link
from vmtests.fleet import Fleet, FleetHost, NoFleet

_SUFFIXES = {".py", ".yaml", ".yml"}
_BUNDLES = "systemd"


def fleet_of(path: Path) -> Fleet | None:
    """The fleet of a file, or of a folder that `holo compile` wrote; None for anything else.

    Raises NoFleet with all that is wrong with it. In a folder, hosts have no addresses: they are
    in the flake only.
    """
    if path.is_dir() and (path / _BUNDLES).is_dir():
        return _compiled(path)
    if path.suffix not in _SUFFIXES:
        return None
    try:
        compiled = compile_fleet(path, load(path))
    except FleetError as error:
        raise NoFleet(str(error)) from None
    programs = _Programs()
    lowered = programs.shown(compiled.lowered)
    bundles = {name: make_bundle(lowered, name, programs) for name in lowered.hosts}
    seen = programs.seen()
    wired = wires(compiled.fleet)
    hosts = {}
    for name, bundle in bundles.items():
        address, beyond = wired.get(name, (None, ()))
        units = units_of(bundle)
        hosts[name] = host_of(name, bundle.files, seen, units, address=address, beyond=beyond)
    return Fleet(compiled.fleet.name, hosts)


class _Programs(Embedded):
    """Finds programs beside `holo`, and shows hosts no more than what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._alone: dict[str, Path] = {}
        self._needs_python = False

    def __call__(self, package: str, name: str) -> str:
        """The path of a program in a machine."""
        found = super().__call__(package, name)
        if found == f"{FOLDER}/bin/{name}":
            self._alone[found] = self._beside / name
        elif found.startswith(f"{FOLDER}/"):
            self._needs_python = True
        return found

    def seen(self) -> dict[str, Path]:
        """Path in a machine -> file or folder here; scripts come with their whole interpreter."""
        if self._needs_python:
            return {path: Path(source) for path, source in self.binds().items()}
        return self._alone


def units_of(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    """Units by container, with those of the host under an empty name."""
    inside = {name: tuple(sorted(bundle.inside(name))) for name in bundle.containers}
    return {"": tuple(sorted(bundle.units)), **inside}


def host_of(  # noqa: PLR0913 (by keyword what could be confused)
    name: str,
    files: Files,
    seen: Mapping[str, Path],
    units: dict[str, tuple[str, ...]],
    *,
    address: str | None = None,
    beyond: tuple[str, ...] = (),
) -> FleetHost:
    """A host with these files, what it is shown besides (path there -> path here)."""
    texts: dict[str, str | bytes | Path] = {
        path: content for path, content in files.items() if isinstance(content, str)
    }
    links = {path: to.target for path, to in files.items() if isinstance(to, Link)}
    return FleetHost(name, {**texts, **seen}, links, address, beyond, units)


def _compiled(folder: Path) -> Fleet:
    """The fleet of a folder; its name is the folder's."""
    hosts = {}
    for host in sorted((folder / _BUNDLES).iterdir()):
        files: Files = {}
        for file in host.rglob("*"):
            below = file.relative_to(host)
            where = Path(UNITS, *below.parts[1:]) if below.parts[0] == "host" else below
            if file.is_symlink():
                files[str(Path(CONFIGURATION, where))] = Link(str(file.readlink()))
            elif file.is_file():
                files[str(Path(CONFIGURATION, where))] = file.read_text()
        units = {"": _unit_files(host / "host")}
        for container in sorted((host / "containers").glob("*")):
            units[container.name] = _unit_files(container / "units")
        hosts[host.name] = host_of(host.name, files, {}, units)
    return Fleet(folder.resolve().name, hosts)


def _unit_files(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(file.name for file in folder.glob("*") if file.is_file()))
