"""What parts of a fleet say of each other: peers, the hub, earlier names, folders, modules."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from holo_infra.allocate import Allocation, ContainerNumbers
from holo_infra.allocate.scope import SHARED
from holo_infra.check.containers import check_container, renames
from holo_infra.check.paths import normal
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.lower.fleet import STATES
from holo_infra.model.fleet import Fleet, Host

WRITTEN = ("hosts/", "classes/", "systemd/")
"""Folders of the output folder that are ours."""


def check_references(
    fleet: Fleet,
    allocation: Allocation,
    *,
    whole: bool,
) -> Iterator[Diagnostic]:
    """What refers to something that is not there, or is not what it is taken for."""
    yield from renames((), "hosts", fleet.hosts)
    yield from _hub(fleet, whole=whole)
    for name, host in fleet.hosts.items():
        path = ("hosts", name)
        yield from _imports(path, host)
        yield from renames(path, "containers", host.containers)
        has_states = False
        for container_name, container in host.containers.items():
            where = (*path, "containers", container_name)
            has_states = has_states or container.state is not None
            yield from check_container(where, container, host, whole=whole)
        if has_states:  # `allocate` keeps the others apart
            yield from _states(path, host, allocation.hosts[name].containers)


def _hub(fleet: Fleet, *, whole: bool) -> Iterator[Diagnostic]:
    fault = None
    if fleet.hub is None:
        fault = "the fleet names no hub"
    elif fleet.hub not in fleet.hosts:
        if whole:
            known = ", ".join(sorted(fleet.hosts)) or "none"
            message = f"there is no host {fleet.hub}"
            yield Diagnostic("HI203", ("hub",), message, f"hosts: {known}")
        return
    elif fleet.hosts[fleet.hub].address is None:
        fault = f"the hub hosts.{fleet.hub} has no address"
    if fault is None:
        return
    for name, host in fleet.hosts.items():
        for container_name, container in host.containers.items():
            if container.egress == "hub" and container.network != SHARED:
                where = ("hosts", name, "containers", container_name, "egress")
                hint = "name the host in the fleet's hub, and give it its address"
                yield Diagnostic("HI203", where, fault, hint)


def _imports(path: FieldPath, host: Host) -> Iterator[Diagnostic]:
    for position, module in enumerate(host.imports):
        if module == "flake.nix" or module.startswith(WRITTEN):
            message = f"{module} is the name of what `holo compile` writes"
            hint = "keep the module elsewhere in the output folder, e.g. machines/alpha.nix"
            yield Diagnostic("HI219", (*path, "imports", position), message, hint)


def _states(
    path: FieldPath,
    host: Host,
    numbers: Mapping[str, ContainerNumbers],
) -> Iterator[Diagnostic]:
    """State folders that another container has, or that lie in another's."""

    def apart(name: str, other: str, fault: str) -> Diagnostic:
        message = f"{fault} the state of {dotted((*path, 'containers', other))}"
        where = (*path, "containers", name, "state")
        hint = "give the two different folders, neither inside the other"
        return Diagnostic("HI212", where, message, hint)

    given = {n: normal(c.state) for n, c in host.containers.items() if c.state is not None}
    owners = {f"{STATES}/{numbers[n].home or n}": n for n in host.containers if n not in given}
    default = next(iter(owners.items()), None)
    for name, folder in given.items():
        if (other := owners.setdefault(folder, name)) != name:
            yield apart(name, other, f"{folder} is")
    for name, folder in given.items():
        if above := _above(folder, owners):
            yield apart(name, owners[above], f"{folder} lies in {above},")
    if default and (above := _above(default[0], owners)):  # the others lie beside it
        yield apart(owners[above], default[1], f"{above} holds {default[0]},")


def _above(folder: str, folders: Collection[str]) -> str | None:
    """The nearest of some folders that a folder lies in."""
    while folder != "/":
        folder = folder.rpartition("/")[0] or "/"
        if folder in folders:
            return folder
    return None
