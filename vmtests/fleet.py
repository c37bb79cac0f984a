"""Fleets: hosts whose files something else has made, booted as machines on one network.

What a fleet is made of, packages tell by the entry point group `vmtests.fleets`: functions that
take a path and give a `Fleet`, or None where the path is none of theirs. Knows none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeVar

from vmtests.configuration import Configuration, backend_for, put
from vmtests.machine import Machine
from vmtests.places import Content, Link
from vmtests.vlan import Vlan

GROUP = "vmtests.fleets"
UPLINK = "uplink"
_EARLY = """\
[Unit]
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
"""
_UNITS = "/etc/systemd/system"
T = TypeVar("T")


class NoFleet(Exception):  # noqa: N818 (it is told to people, in their words)
    """A path that leads to no fleet; the text says why, on several lines perhaps."""


@dataclass(frozen=True)
class FleetHost:
    """A host, as it is before its first boot."""

    name: str
    files: Mapping[str, str | bytes | Path] = field(default_factory=dict)
    """Absolute path in the machine -> content, or a file or folder of this computer."""
    links: Mapping[str, str] = field(default_factory=dict)
    """Absolute path in the machine -> where a symbolic link leads."""
    address: str | None = None
    """On the fleet's one network, with its length: "192.0.2.21/24"."""
    beyond: tuple[str, ...] = ()
    """Addresses outside of that prefix which are on the same wire."""
    units: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The units that were made for it: the host's own under "", a container's under its name."""


@dataclass(frozen=True)
class Fleet:
    """Hosts by name."""

    name: str
    hosts: Mapping[str, FleetHost]


class FleetMachines(dict[str, Machine]):
    """The machines of a fleet's hosts, by name, and the network that they are on."""

    def __init__(self, fleet: Fleet, vlan: Vlan, machines: Mapping[str, Machine]) -> None:
        super().__init__(machines)
        self.fleet = fleet
        self.vlan = vlan


def load_fleet(path: str | Path) -> Fleet:
    """The fleet of a file or folder. Raises NoFleet where no installed package knows it."""
    path = Path(path)
    if not path.exists():
        raise NoFleet(f"{path}: there is no such file")
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    for point in points:
        fleet: Fleet | None = point.load()(path)
        if fleet is not None:
            return fleet
    names = ", ".join(point.name for point in points) or "none is installed"
    raise NoFleet(f"{path}: no package that knows fleets takes it for one ({names})")


def configuration_of(
    host: FleetHost, backend: str = "nspawn", tree: Path | None = None, interface: str = UPLINK
) -> Configuration:
    """What the machine of a host is made of before it is on a network.

    On nspawn that is all of it.
    """
    if backend != "nspawn":
        return Configuration(backend=backend)
    files: dict[str, Content] = {path: Link(target) for path, target in host.links.items()}
    files |= {path: text for path, text in host.files.items() if not isinstance(text, Path)}
    binds = {path: file for path, file in host.files.items() if isinstance(file, Path)}
    return Configuration(files={**files, **_ways(host, interface)}, binds=binds, tree=tree)


def _ways(host: FleetHost, interface: str) -> dict[str, Content]:
    """Units that give a host its ways to addresses beyond its prefix, at each boot."""
    files: dict[str, Content] = {}
    for number, address in enumerate(host.beyond):
        unit = f"vmtests-way-{number}.service"
        way = f"until ip route replace {address} dev {interface}; do sleep 0.1; done 2>/dev/null"
        files[f"{_UNITS}/{unit}"] = f'{_EARLY}ExecStart=sh -c "{way}"\n'
        files[f"{_UNITS}/sysinit.target.wants/{unit}"] = Link(f"../{unit}")
    return files


def wire(machine: Machine, host: FleetHost, vlan: Vlan, interface: str = UPLINK) -> None:
    """Start a machine, lead it to a network, and give it its files where it has none yet.

    On nspawn it has its address early in the boot, for units that bind to it.
    """
    if not machine.backend.connects_early:
        machine.connect()
    if host.address is not None:
        machine.attach(vlan, interface, host.address)
    machine.connect()
    if machine.backend.kind != "nspawn":
        for address in host.beyond:
            machine.succeed(f"ip route replace {address} dev {interface}")
        if host.files or host.links:
            put(machine, {**host.files, **{path: Link(to) for path, to in host.links.items()}})


@contextmanager
def boot_fleet(  # noqa: PLR0913 (by keyword all but the fleet)
    fleet: Fleet,
    backend: str = "nspawn",
    *,
    vlan: Vlan | None = None,
    interface: str = UPLINK,
    tree: Path | None = None,
    artefacts: Path | None = None,
    make: Callable[[FleetHost], Machine] | None = None,
) -> Iterator[FleetMachines]:
    """Boot the hosts of a fleet, all at once, and give them when their units have been started.

    All are on one network, `vlan` or one of their own, under `interface`. `artefacts` gets a folder
    for each host. `make` makes a host's machine in another way; `configuration_of` says of what.
    After the block, nothing is left.

        with boot_fleet(load_fleet("fleet.yaml")) as hosts:
            hosts["alpha"].wait_for_unit("container@web.service")
    """

    def make_one(host: FleetHost) -> Machine:
        if make is not None:
            return make(host)
        folder = None if artefacts is None else artefacts / host.name
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        configuration = configuration_of(host, backend, tree, interface)
        log = None if folder is None else folder / "console.log"
        return Machine(backend_for(host.name, configuration, log), artefacts=folder)

    with ExitStack() as stack:
        wires = stack.enter_context(Vlan(f"{fleet.name[:40]}-net")) if vlan is None else vlan
        machines = {name: make_one(host) for name, host in fleet.hosts.items()}
        stack.callback(at_once, Machine.release, machines.values())
        start_wired(machines, fleet, wires, interface)
        yield FleetMachines(fleet, wires, machines)


def start_wired(
    machines: Mapping[str, Machine], fleet: Fleet, vlan: Vlan, interface: str = UPLINK
) -> None:
    """Start machines at once, and lead them to a network. Raises the first failure after all."""

    def one(name: str) -> None:
        wire(machines[name], fleet.hosts[name], vlan, interface)

    at_once(one, machines)


def at_once(do: Callable[[T], object], items: Iterable[T]) -> None:
    """Do the same with several, all at once. Raises the first failure after all have ended."""
    listed = list(items)
    if listed:
        with ThreadPoolExecutor(max_workers=len(listed)) as pool:
            done = [pool.submit(do, item) for item in listed]
        for one in done:
            one.result()
