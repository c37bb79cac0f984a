"""What one host is made of, as files of a machine and as units to wait for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from holo_infra.lower import LoweredFleet, fhs_programs
from holo_infra.model.options import ContainerOptions
from holo_infra.network import forward_units, ready_unit
from holo_infra.runtime.failure import Failure
from holo_infra.services.containers import container_unit, namespace_unit
from holo_infra.targets import Files, Link
from holo_infra.targets.systemd import systemd
from nixgen.evaluator import Programs

UNITS = "/etc/systemd/system"
CONFIGURATION = "/etc/holo"
_WANTS = ".wants/"
_MOUNTS = re.compile(r"--(?:bind|bind-ro|tmpfs|overlay|overlay-ro|inaccessible)=(?P<paths>.*)")
_PATH = re.compile(r"(?:^|(?<=:))/[^:]*")


@dataclass(frozen=True, slots=True)
class ForwardFacts:
    """A forward of a container, as far as it is looked after."""

    bind: str
    port: int
    protocol: str
    units: tuple[str, ...]
    """Units of the host that carry it."""
    ready: str | None
    """The unit that asks whether the service behind it answers."""


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A container, as far as it is looked after."""

    address: str | None
    units: tuple[str, ...]
    """Units inside that start with it."""
    needs: tuple[str, ...] = ()
    """Paths of its host that it sees."""
    forwards: dict[str, ForwardFacts] = field(default_factory=dict)
    mounts: dict[str, str | None] = field(default_factory=dict)
    """Its paths that are not those of its host: which path of the host it is, None if unknown."""

    @property
    def probed(self) -> list[str]:
        """The units that ask whether services behind its forwards answer."""
        return [one.ready for one in self.forwards.values() if one.ready is not None]

    @property
    def carriers(self) -> tuple[str, ...]:
        """The units that listen for its forwards; what they start when it is needed may be off."""
        return tuple(forward.units[0] for forward in self.forwards.values() if forward.units)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A host: files by absolute path, units by name, containers by name."""

    fleet: str
    host: str
    files: Files
    containers: dict[str, ContainerFacts]

    @property
    def units(self) -> dict[str, str]:
        """The host's own units: name -> text."""
        return units_of(self.files, UNITS)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The host's units that something starts: all but those that wait for a question."""
        return wanted_of(self.files, UNITS)

    def inside(self, container: str) -> dict[str, str]:
        """The units of a container: name -> text."""
        return units_of(self.files, units_folder(container))


def make_bundle(fleet: LoweredFleet, host: str, programs: Programs = fhs_programs) -> Bundle:
    """The bundle of one host of a fleet. `programs` says where programs are."""
    lowered = fleet.hosts[host]
    classes = {name: fleet.classes[name] for name in lowered.classes.values()}
    compiled = systemd(LoweredFleet(fleet.name, {host: lowered}, classes), programs)
    folder = f"systemd/{host}/"
    files: Files = {}
    for path, content in compiled.items():
        below = path.removeprefix(folder)
        where = f"{UNITS}/{below[5:]}" if below.startswith("host/") else f"{CONFIGURATION}/{below}"
        files[where] = content
    containers = {
        name: _facts(name, options, files) for name, options in lowered.options.containers.items()
    }
    return Bundle(fleet.name, host, files, containers)


def nothing_of(bundle: Bundle) -> Bundle:
    """The same host without anything: what there is before the first time."""
    return Bundle(bundle.fleet, bundle.host, {}, {})


def container_folder(container: str) -> str:
    """Where a host keeps what a container sees as its units and configuration."""
    return f"{CONFIGURATION}/containers/{container}"


def units_folder(container: str) -> str:
    """Where a host keeps the units of a container."""
    return f"{container_folder(container)}/units"


def units_of(files: Files, folder: str) -> dict[str, str]:
    """The unit files that stand in a folder: name -> text. What has no suffix is none."""
    inside = f"{folder}/"
    return {
        path.removeprefix(inside): content
        for path, content in files.items()
        if path.startswith(inside) and isinstance(content, str) and "." in path[len(inside) :]
    }


def wanted_of(paths: Iterable[str], folder: str) -> tuple[str, ...]:
    """The units of a folder that a target or another unit starts."""
    inside = f"{folder}/"
    links = (path.removeprefix(inside) for path in paths if path.startswith(inside))
    return tuple(sorted({link.partition(_WANTS)[2] for link in links if _WANTS in link}))


def own_units(paths: Iterable[str], containers: Mapping[str, ContainerFacts]) -> tuple[str, ...]:
    """A host's units that are of no container: its services, and what loads the firewall."""
    inside = f"{UNITS}/"
    names = {path.removeprefix(inside) for path in paths if path.startswith(inside)}
    for name, facts in containers.items():
        names -= {container_unit(name), namespace_unit(name), *facts.probed}
        names -= {unit for forward in facts.forwards.values() for unit in forward.units}
    return tuple(sorted(name for name in names if "/" not in name))


def digest(content: str | Link) -> str:
    """A file's SHA-256, or where a link leads."""
    if isinstance(content, Link):
        return f"-> {content.target}"
    return hashlib.sha256(content.encode()).hexdigest()


def plain(containers: dict[str, ContainerFacts]) -> dict[str, Any]:
    """Facts as JSON has them."""
    return {name: asdict(facts) for name, facts in containers.items()}


def from_plain(told: dict[str, Any]) -> dict[str, ContainerFacts]:
    """Facts from JSON. Raises Failure where they are of another form."""
    try:
        return {
            name: ContainerFacts(
                facts["address"],
                tuple(facts["units"]),
                tuple(facts["needs"]),
                {
                    key: ForwardFacts(**{**forward, "units": tuple(forward["units"])})
                    for key, forward in facts["forwards"].items()
                },
                facts.get("mounts", {}),
            )
            for name, facts in told.items()
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise Failure(f"what was applied is told in another form: {error!r}") from None


def _facts(name: str, options: ContainerOptions, files: Files) -> ContainerFacts:
    private = options.network == "private"
    forwards = {
        key: ForwardFacts(
            forward.bind,
            forward.host_port,
            forward.protocol,
            forward_units(forward.engine, name, key),
            _known(ready_unit(name, key), files),
        )
        for key, forward in options.forwards.items()
    }
    address = options.address if private else None
    needs = {mount.source for mount in options.bind_mounts.values()} | {*options.secrets.values()}
    inside = wanted_of(files, units_folder(name))
    mounts: dict[str, str | None] = {"/var/lib": None}
    mounts |= {path: mount.source for path, mount in options.bind_mounts.items()}
    found = (_MOUNTS.match(argument) for argument in options.nspawn_args)
    mounts |= {path: None for one in found if one for path in _PATH.findall(one["paths"])}
    return ContainerFacts(address, inside, tuple(sorted(needs)), forwards, mounts)


def _known(unit: str, files: Files) -> str | None:
    return unit if f"{UNITS}/{unit}" in files else None


def differing(old: Files, new: Files) -> Iterable[str]:
    """Paths whose content is another, or that only `new` has."""
    return (path for path, content in new.items() if old.get(path) != content)
