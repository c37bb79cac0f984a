"""What a container says of itself and of its host: peers, earlier names, secrets, units, mounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from holo_infra.allocate.scope import SHARED, listener
from holo_infra.check.forwards import check_forwards
from holo_infra.check.nspawn import check_nspawn_argument
from holo_infra.check.paths import is_below, normal
from holo_infra.check.services import names_of
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.fleet import Container, Host
from holo_infra.model.services import NO_SERVICES
from holo_infra.model.unit import Unit

STORE = "/nix/store"
NEEDED = (
    *("/dev", "/etc/holo", "/etc/systemd/system", "/etc/systemd/system-preset", STORE),
    *("/proc", "/run", "/sys", "/usr", "/var/lib"),
)
"""What is at these places of a container, it cannot do without."""
NEEDED_WHOLE = ("/etc/holo", "/etc/systemd/system", "/etc/systemd/system-preset", STORE)
"""The same, with all below."""

FIELDS = {"Environment": "environment", "ExecStart": "exec_start", "LoadCredential": "secrets"}
"""Directives that a field of the unit sets."""

OURS_BEGIN = ("systemd-", "socat-internal-")
"""How the names of units begin that a container has besides the user's."""
SYSTEMD = frozenset(
    [
        *("console-getty", "container-getty", "getty", "getty-static", "serial-getty"),
        *("dbus", "dbus-broker", "debug-shell", "emergency", "rescue"),
        *("kmod-static-nodes", "ldconfig", "quotaon", "rc-local"),
    ]
)
"""Services of systemd whose names begin otherwise."""


def check_container(
    path: FieldPath,
    container: Container,
    host: Host,
    *,
    whole: bool,
) -> Iterator[Diagnostic]:
    """What is wrong with a container, its numbers and its listeners apart."""
    if container.network == SHARED:
        yield from _shared(path, container)
    elif container.egress == "internet" and not host.nameservers:
        message = "the container will find no address of a name: its host has no nameservers"
        yield Diagnostic("HI215", (*path, "egress"), message, "give the host nameservers")
    if container.allowed_peers:
        yield from _peers(path, container, host, whole)
    for forward in container.forwards.values():
        if (
            forward.renamed_from
            or forward.engine
            or forward.inner_port
            or forward.protocol == "udp"
        ):
            yield from renames(path, "forwards", container.forwards)
            if container.network != SHARED:
                yield from check_forwards(path, container)
            break
    if container.secrets:
        yield from _secrets(path, container)
    yield from _units(path, container)
    for inside in container.bind_mounts:
        yield from _mount((*path, "bind_mounts", inside), inside)
    for position, argument in enumerate(container.nspawn_args):
        yield from check_nspawn_argument((*path, "nspawn_args", position), argument)


def renames(path: FieldPath, kind: str, parts: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Earlier names, of which each may go to one new name only."""
    renamed: dict[str, str] = {}
    for name, part in parts.items():
        if part.renamed_from is None:
            continue
        where = (*path, kind, name, "renamed_from")
        if part.renamed_from in parts:
            there = dotted((*path, kind, part.renamed_from))
            hint = "take renamed_from out, or the other"
            yield Diagnostic("HI204", where, f"{there} is still there", hint)
        elif (other := renamed.setdefault(part.renamed_from, name)) != name:
            message = f"{dotted((*path, kind, other))} was renamed from {part.renamed_from} too"
            yield Diagnostic("HI205", where, message, "take it out of one of the two")


def _shared(path: FieldPath, container: Container) -> Iterator[Diagnostic]:
    fields = {
        "egress": container.egress != "none",
        "isolated": not container.isolated,
        "allowed_peers": bool(container.allowed_peers),
        "index": container.index is not None,
        "subnet": container.subnet is not None,
    }
    for field in (field for field, is_set in fields.items() if is_set):
        message = "the container is in the host's own network"
        hint = f"leave {field} out, or give the container a private network"
        yield Diagnostic("HI202", (*path, field), message, hint)


def _peers(
    path: FieldPath,
    container: Container,
    host: Host,
    whole: bool,  # noqa: FBT001 - private, and called once
) -> Iterator[Diagnostic]:
    for position, peer in enumerate(container.allowed_peers):
        where = (*path, "allowed_peers", position)
        if peer == path[-1]:
            yield Diagnostic("HI201", where, "a container is no peer of itself", "leave it out")
        elif peer not in host.containers:
            if whole:
                known = ", ".join(sorted(set(host.containers) - {str(path[-1])})) or "none"
                message = f"the host has no container {peer}"
                yield Diagnostic("HI201", where, message, f"containers: {known}")
        elif host.containers[peer].network == SHARED:
            message = f"{peer} is in the host's own network"
            hint = "reach it by a forward, or give it a private network"
            yield Diagnostic("HI201", where, message, hint)
        elif not _listens(host.containers[peer]):
            message = f"nothing listens on the address of {peer}"
            hint = "give a forward of it engine socat, or say in listens where its services listen"
            yield Diagnostic("HI224", where, message, hint)


def _listens(container: Container) -> bool:
    """Whether anything listens on a container's address."""
    heard = (listener(text) for _, text in container.listeners())
    return any(f.carrier in {"socat", "nftables"} for f in container.forwards.values()) or any(
        not address.startswith("127.") for address, _, _ in heard
    )


def _secrets(path: FieldPath, container: Container) -> Iterator[Diagnostic]:
    for secret, source in container.secrets.items():
        if is_below(normal(source), STORE):
            hint = "keep it outside the store, e.g. below /run/keys"
            message = f"every user of the machine can read {source}"
            yield Diagnostic("HI206", (*path, "secrets", secret), message, hint)


def _units(path: FieldPath, container: Container) -> Iterator[Diagnostic]:
    if container.services is not NO_SERVICES:
        yield from _namesakes(path, container)
    for name, unit in container.units.items():
        if unit.secrets or unit.settings or name in SYSTEMD or name.startswith(OURS_BEGIN):
            yield from _unit((*path, "units", name), name, unit, container)


def _unit(path: FieldPath, name: str, unit: Unit, container: Container) -> Iterator[Diagnostic]:
    for position, secret in enumerate(unit.secrets):
        if secret not in container.secrets:
            known = ", ".join(sorted(container.secrets)) or "none"
            where = (*path, "secrets", position)
            message = f"the container has no secret {secret}"
            yield Diagnostic("HI207", where, message, f"secrets of the container: {known}")
    for directive in unit.settings:
        if directive in FIELDS:
            message = f"{directive} is what the unit's {FIELDS[directive]} says"
            where = (*path, "settings", directive)
            yield Diagnostic("HI208", where, message, f"use {FIELDS[directive]}")
    if name in SYSTEMD or name.startswith("systemd-") or name in _forwarders(container):
        message = f"{name}.service is a unit that the container has already"
        yield Diagnostic("HI217", path, message, "give the unit another name")


def _namesakes(path: FieldPath, container: Container) -> Iterator[Diagnostic]:
    """Units with names of services that are there."""
    taken = {name: key for key, _ in container.services.present() for name in names_of(key)}
    for name in container.units:
        if (key := taken.get(name)) is not None:
            service = dotted((*path, "services", key))
            message = f"{name} is the name of a unit or user of {service}"
            yield Diagnostic("HI217", (*path, "units", name), message, "give the unit another name")


def _forwarders(container: Container) -> set[str]:
    forwards = container.forwards.items()
    return {f"socat-internal-{name}-forwarder" for name, f in forwards if f.carrier == "socat"}


def _mount(path: FieldPath, inside: str) -> Iterator[Diagnostic]:
    place = normal(inside)
    for needed in NEEDED:
        covers = place == "/" or f"{needed}/".startswith(f"{place}/")
        if covers or (needed in NEEDED_WHOLE and place.startswith(f"{needed}/")):
            message = f"{inside} covers {needed}, which the container needs"
            yield Diagnostic("HI209", path, message, "mount it somewhere else, e.g. below /srv")
            return
