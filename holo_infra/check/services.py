"""Services that are known by their options: what they need, and what is where they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from holo_infra.allocate.scope import SHARED
from holo_infra.check.folders import check_folders
from holo_infra.check.nats import Streams, check_agent, check_domains, check_server, streams
from holo_infra.check.paths import is_below, normal
from holo_infra.check.reached import authority, check_certificate, check_reach, is_loopback
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.fleet import Container, Fleet, Host
from holo_infra.model.services import (
    NO_SERVICES,
    Gateway,
    HcHttpGw,
    Holochain,
    HostAgent,
    NatsServer,
    Orchestrator,
    ServiceOptions,
    Services,
)
from holo_infra.model.services.versions import Version

UNITS: Mapping[str, tuple[str, ...]] = {
    "nats_server": ("holo-nats-server", "holo-nats-server-caddy"),
    "host_agent": ("holo-host-agent", "holo-host-agent-nats"),
    "orchestrator": ("holo-orchestrator",),
    "gateway": ("holo-gateway", "holo-gateway-caddy"),
    "holochain": ("holochain",),
    "hc_http_gw": ("hc-http-gw",),
    "holochain_bootstrap": ("holochain-bootstrap", "holochain-signal"),
}
"""The units that a service may have."""
_OTHER_USERS = {"holochain": "holo-conductor"}
"""Users of services that are called neither as a unit of theirs nor as that with `holo-`."""
STATE = "/var/lib"
"""What a container keeps."""


def check_services(fleet: Fleet) -> Iterator[Diagnostic]:
    """What is wrong with the services of hosts and containers, listeners and units apart."""
    hub = fleet.hosts[fleet.hub].address if fleet.hub in fleet.hosts else None
    servers: list[Streams] = []
    for name, host in fleet.hosts.items():
        path: FieldPath = ("hosts", name)
        if host.services is not NO_SERVICES:
            where = (*path, "services")
            yield from _services(where, host.services, None)
            yield from check_folders(where, host.services, _kept(path, host))
            servers += streams(where, host.services, name)
        for container_name, container in host.containers.items():
            if (services := container.services) is NO_SERVICES:
                continue
            where = (*path, "containers", container_name, "services")
            yield from _services(where, services, container)
            yield from check_folders(where, services, {})
            for key, service in services.present():
                yield from _secrets((*where, key), service, container)
            if container.network != SHARED:
                yield from check_reach(where, services, container, hub)
            servers += streams(where, services, f"{name}_{container_name}")
        if host.platform == "systemd":
            yield from _programs(path, host)
    yield from check_domains(servers)


def _kept(path: FieldPath, host: Host) -> dict[FieldPath, str]:
    """The folders of a host that its containers say they keep their state in."""
    return {
        (*path, "containers", name): container.state
        for name, container in host.containers.items()
        if container.state is not None
    }


def names_of(service: str) -> tuple[str, ...]:
    """The names that a unit beside a service must not have: those of its units and its users.

    A unit runs as the user `holo-` and its name.
    """
    users = [*UNITS[service], _OTHER_USERS.get(service, "")]
    return (*UNITS[service], *(u.removeprefix("holo-") for u in users if u.startswith("holo-")))


def _services(
    path: FieldPath, services: Services, container: Container | None
) -> Iterator[Diagnostic]:
    """What is wrong with the services of a host or container."""
    for key, service in services.present():
        where = (*path, key)
        match service:
            case Holochain(passphrase_file=None):
                message = "the conductor does not start without a passphrase"
                hint = "add passphrase_file: a file with the passphrase of its keystore"
                yield Diagnostic("HI226", where, message, hint)
            case Orchestrator():
                yield from _database(where, service)
            case NatsServer():
                yield from check_certificate(where, service, container)
                yield from check_server(where, service)
            case HostAgent():
                yield from check_agent(where, service)
            case Gateway():
                yield from check_certificate(where, service, container)
            case HcHttpGw():
                yield from _conductors_gateway(where, service, services.holochain)
            case _:
                pass


def _database(path: FieldPath, orchestrator: Orchestrator) -> Iterator[Diagnostic]:
    mongo = orchestrator.mongo
    if mongo.url_file is None and (mongo.cluster_id_file is None or mongo.password_file is None):
        message = "the orchestrator does not start without a database"
        hint = "give url_file, or cluster_id_file and password_file"
        yield Diagnostic("HI226", (*path, "mongo"), message, hint)


def _conductors_gateway(
    path: FieldPath, gateway: HcHttpGw, conductor: Holochain | None
) -> Iterator[Diagnostic]:
    for position, app in enumerate(gateway.allowed_app_ids):
        if app not in gateway.allowed_fns_per_app_id:
            message = f"the gateway does not start: {app} has no functions that may be called"
            hint = "add it to allowed_fns_per_app_id, or leave it out"
            yield Diagnostic("HI229", (*path, "allowed_app_ids", position), message, hint)
    host, asked = authority(gateway.admin_websocket_url)
    port = None if conductor is None else conductor.admin_websocket_port
    if port is not None and is_loopback(host) and asked != port:
        message = f"the conductor beside it has its admin interface on port {port}"
        hint = f"write ws://127.0.0.1:{port}"
        yield Diagnostic("HI229", (*path, "admin_websocket_url"), message, hint)


def _secrets(
    path: FieldPath, service: ServiceOptions, container: Container
) -> Iterator[Diagnostic]:
    for field, file in service.secret_files.items():
        where = (*path, *_way(field))
        if not file.startswith("/"):
            if file not in container.secrets:
                known = ", ".join(sorted(container.secrets)) or "none"
                message = f"the container has no secret {file}"
                hint = f"add it to the container's secrets (now: {known})"
                yield Diagnostic("HI225", where, message, hint)
        elif not any(is_below(normal(file), normal(p)) for p in (*container.bind_mounts, STATE)):
            message = f"the container does not see {file} of its host"
            hint = "name it in the container's secrets, and give that name"
            yield Diagnostic("HI225", where, message, hint)


def _way(field: str) -> FieldPath:
    """A field's path from its dotted form, in which only names of users have dots of their own."""
    parts = field.split(".")
    if parts[0] == "accounts":
        return (*parts[:3], ".".join(parts[3:-1]), parts[-1])
    return (*parts,)


def _programs(path: FieldPath, host: Host) -> Iterator[Diagnostic]:
    """Tells of programs that are two on machines with Nix, and one on others."""
    places = {name: container.services for name, container in host.containers.items()}
    seen: dict[str, tuple[FieldPath, tuple[str, str]]] = {}
    for name, services in (("", host.services), *places.items()):
        where: FieldPath = (*path, "containers", name) if name else path
        for key, kind in _kinds(services):
            place = (*where, "services", key)
            other, of_other = seen.setdefault(key, (place, kind))
            if kind != of_other:
                field = "version" if kind[0] != of_other[0] else "package"
                program = f"/usr/bin/{UNITS[key][0]}"
                message = f"without Nix it runs {program}, as {dotted(other)} does"
                hint = f"give both one {field}, or the host platform nixos"
                yield Diagnostic("HI233", (*place, field), message, hint)


def _kinds(services: Services) -> Iterator[tuple[str, tuple[str, str]]]:
    """Version and package of Holochain's programs in a place, by service."""
    if services is NO_SERVICES:
        return
    if (conductor := services.holochain) is not None:
        version = Version(conductor.version).resolved.text
        yield "holochain", (version, conductor.package)
    if (gateway := services.hc_http_gw) is not None:
        yield "hc_http_gw", ("", gateway.package)
