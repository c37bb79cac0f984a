"""Services that are known by their options: what they need, and what is where they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from holo_infra.allocate.scope import SHARED
from holo_infra.check.paths import is_below, normal
from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.fleet import Container, Fleet
from holo_infra.model.services import (
    NO_SERVICES,
    Gateway,
    HcHttpGw,
    Holochain,
    NatsServer,
    Orchestrator,
    ServiceOptions,
    Services,
)

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
    servers: list[_Server] = []
    for name, host in fleet.hosts.items():
        path: FieldPath = ("hosts", name)
        if host.services is not NO_SERVICES:
            yield from _services((*path, "services"), host.services)
            servers += _servers((*path, "services"), host.services, name)
        for container_name, container in host.containers.items():
            if (services := container.services) is NO_SERVICES:
                continue
            where = (*path, "containers", container_name, "services")
            yield from _services(where, services)
            for key, service in services.present():
                yield from _secrets((*where, key), service, container)
            if services.holochain is not None and container.network != SHARED:
                yield from _out_of_reach((*where, "holochain"), services.holochain, container, hub)
            servers += _servers(where, services, f"{name}_{container_name}")
    yield from _domains(servers)


def names_of(service: str) -> tuple[str, ...]:
    """The names that a unit beside a service must not have: those of its units and its users.

    A unit runs as the user `holo-` and its name.
    """
    users = [*UNITS[service], _OTHER_USERS.get(service, "")]
    return (*UNITS[service], *(u.removeprefix("holo-") for u in users if u.startswith("holo-")))


def _services(path: FieldPath, services: Services) -> Iterator[Diagnostic]:
    """What is wrong with the services of one place, wherever that is."""
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
                yield from _certificate(where, service)
                yield from _accounts(where, service)
            case Gateway():
                yield from _certificate(where, service)
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


def _accounts(path: FieldPath, server: NatsServer) -> Iterator[Diagnostic]:
    if server.operator_file is not None:
        if server.accounts:
            message = "with an operator, accounts come as JWTs that it has signed"
            hint = "leave out accounts, or operator_file"
            yield Diagnostic("HI227", (*path, "accounts"), message, hint)
        return
    yield from _named(path, server)
    for account_name, account in server.accounts.items():
        for name, user in account.users.items():
            is_known = user.nkey is not None or user.password_file is not None
            if not is_known and name != server.no_auth_user:
                where = (*path, "accounts", account_name, "users", name)
                message = f"whoever calls itself {name} is this user"
                hint = "give nkey or password_file, or name it in no_auth_user"
                yield Diagnostic("HI226", where, message, hint)


def _named(path: FieldPath, server: NatsServer) -> Iterator[Diagnostic]:
    """Names that NATS would not know, or know twice: it would not start."""
    owners: dict[str, str] = {}
    for account_name, account in server.accounts.items():
        for name in (name for name, user in account.users.items() if user.nkey is None):
            if (other := owners.setdefault(name, account_name)) != account_name:
                where = (*path, "accounts", account_name, "users", name)
                message = f"account {other} has a user {name} too"
                yield Diagnostic("HI232", where, message, "give one of the two another name")
    users = {name for account in server.accounts.values() for name in account.users}
    if server.no_auth_user is not None and server.no_auth_user not in users:
        message = f"no account has a user {server.no_auth_user}"
        hint = f"users: {', '.join(sorted(users)) or 'none'}"
        yield Diagnostic("HI232", (*path, "no_auth_user"), message, hint)
    if server.system_account not in {None, "$SYS", *server.accounts}:
        message = f"there is no account {server.system_account}"
        hint = f"accounts: {', '.join(sorted(server.accounts)) or 'none'}"
        yield Diagnostic("HI232", (*path, "system_account"), message, hint)


def _certificate(path: FieldPath, service: NatsServer | Gateway) -> Iterator[Diagnostic]:
    caddy = service.caddy
    if caddy.enable and caddy.issuer == "acme" and caddy.server_name == "localhost":
        message = "Let's Encrypt gives no certificate for localhost"
        hint = "give server_name, or issuer internal"
        yield Diagnostic("HI231", (*path, "caddy", "server_name"), message, hint)


def _conductors_gateway(
    path: FieldPath, gateway: HcHttpGw, conductor: Holochain | None
) -> Iterator[Diagnostic]:
    for position, app in enumerate(gateway.allowed_app_ids):
        if app not in gateway.allowed_fns_per_app_id:
            message = f"the gateway does not start: {app} has no functions that may be called"
            hint = "add it to allowed_fns_per_app_id, or leave it out"
            yield Diagnostic("HI229", (*path, "allowed_app_ids", position), message, hint)
    host, asked = _authority(gateway.admin_websocket_url)
    port = None if conductor is None else conductor.admin_websocket_port
    if port is not None and _is_loopback(host) and asked != port:
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


def _out_of_reach(
    path: FieldPath, conductor: Holochain, container: Container, hub: str | None
) -> Iterator[Diagnostic]:
    """Tells of a conductor that does not get to where it finds its peers."""
    if container.egress == "internet" or (container.egress == "hub" and hub is None):
        return  # of a hub that is missing other checks tell
    has_peers = bool(container.allowed_peers) or not container.isolated
    for field in ("bootstrap_service_url", "webrtc_transport_pool_signal_url"):
        url = getattr(conductor, field)
        host, _ = _authority(url)
        at_peer = has_peers and host[:1].isdecimal()
        if not (_is_loopback(host) or at_peer or (container.egress == "hub" and host == hub)):
            message = f"{url} cannot be reached: the container's egress is {container.egress}"
            hint = "give the container egress internet, or the conductor a service at the hub"
            yield Diagnostic("HI230", (*path, field), message, hint)
            return


def _authority(url: str) -> tuple[str, int | None]:
    """Host and port of a URL; empty where it has none that can be read."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", None
    return host, port or (443 if parts.scheme in {"wss", "https"} else 80)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")


class _Server(NamedTuple):
    """A NATS server with streams."""

    path: FieldPath
    field: tuple[str, ...]
    domain: str
    is_leaf: bool


def _servers(path: FieldPath, services: Services, machine: str) -> Iterator[_Server]:
    """The NATS servers of a place; without a domain of its own each has the machine's name."""
    server, agent = services.nats_server, services.host_agent
    if server is not None and server.jetstream.enable:
        domain = server.jetstream.domain or machine
        where = (*path, "nats_server")
        yield _Server(where, ("jetstream", "domain"), domain, server.hub.url is not None)
    if agent is not None and agent.nats.hub.url is not None:
        domain = agent.nats.domain or machine
        yield _Server((*path, "host_agent"), ("nats", "domain"), domain, is_leaf=True)


def _domains(servers: list[_Server]) -> Iterator[Diagnostic]:
    """Leaves whose domain another server has; of hubs that share one, a cluster may be made."""
    seen: dict[str, list[_Server]] = {}
    for server in servers:
        others = seen.setdefault(server.domain, [])
        if other := next((o for o in others if o.is_leaf or server.is_leaf), None):
            message = f"{server.domain} is the JetStream domain of {dotted(other.path)}"
            hint = "give one of the two another domain"
            yield Diagnostic("HI228", (*server.path, *server.field), message, hint)
        others.append(server)
