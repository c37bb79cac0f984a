"""NATS servers: accounts, users and domains, and how a leaf joins its hub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from holo_infra.diagnostics import Diagnostic, FieldPath, dotted
from holo_infra.model.services import HostAgent, LeafHub, NatsServer, Services

_BUILT_IN = {"$G", "$SYS"}
"""Accounts that every server has."""


def check_server(path: FieldPath, server: NatsServer) -> Iterator[Diagnostic]:
    """What is wrong with a NATS server by itself."""
    if server.hub.url is not None:
        yield from _encrypted((*path, "hub"), server.hub)
    if server.operator_file is not None:
        yield from _with_operator(path, server)
    elif "accounts" not in server.extra_attrs:
        yield from _named(path, server)
        yield from _unproven(path, server)
        if server.hub.url is not None and "leafnodes" not in server.extra_attrs:
            yield from _bound(path, server)


def check_agent(path: FieldPath, agent: HostAgent) -> Iterator[Diagnostic]:
    """What is wrong with the leaf server of an agent, which has no accounts of its own."""
    where = (*path, "nats", "hub")
    hub = agent.nats.hub
    if hub.url is None:
        return
    yield from _encrypted(where, hub)
    if hub.account is not None and hub.account not in _BUILT_IN:
        message = f"the agent's server has no account {hub.account}"
        yield Diagnostic("HI232", (*where, "account"), message, "leave it out")


def _with_operator(path: FieldPath, server: NatsServer) -> Iterator[Diagnostic]:
    if server.accounts:
        message = "with an operator, accounts come as JWTs that it has signed"
        hint = "leave out accounts, or operator_file"
        yield Diagnostic("HI227", (*path, "accounts"), message, hint)
    if server.no_auth_user is not None:
        message = "with an operator, everyone proves who it is, and the server does not start"
        hint = "leave out no_auth_user, or operator_file"
        yield Diagnostic("HI227", (*path, "no_auth_user"), message, hint)


def _unproven(path: FieldPath, server: NatsServer) -> Iterator[Diagnostic]:
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
    keys: dict[str, str] = {}
    for account_name, account in server.accounts.items():
        for name, user in account.users.items():
            if user.nkey is not None:
                keys[name] = user.nkey
            elif (other := owners.setdefault(name, account_name)) != account_name:
                where = (*path, "accounts", account_name, "users", name)
                message = f"account {other} has a user {name} too"
                yield Diagnostic("HI232", where, message, "give one of the two another name")
    anyone = server.no_auth_user
    if anyone is not None and anyone not in {*owners, *keys.values()}:
        message = f"no account has a user {anyone}"
        hint = f"users: {', '.join(sorted(owners)) or 'none'}"
        if anyone in keys:
            message = f"{anyone} has an nkey, and NATS knows it by that alone"
            hint = "name a user without nkey"
        yield Diagnostic("HI232", (*path, "no_auth_user"), message, hint)
    if server.system_account not in {None, "$SYS", *server.accounts}:
        yield _no_account((*path, "system_account"), server, server.system_account)


def _bound(path: FieldPath, leaf: NatsServer) -> Iterator[Diagnostic]:
    """Which of a leaf's accounts is joined to the hub: without one, none of those it lists."""
    account = leaf.hub.account
    if account is None:
        if leaf.accounts.keys() - {leaf.system_account, "$SYS"}:
            message = "the users of the leaf's accounts reach nobody at the hub"
            hint = "bind it to an account by hub.account"
            yield Diagnostic("HI235", (*path, "hub"), message, hint)
    elif account not in {*_BUILT_IN, *leaf.accounts}:
        yield _no_account((*path, "hub", "account"), leaf, account)


def _no_account(path: FieldPath, server: NatsServer, name: str | None) -> Diagnostic:
    hint = f"accounts: {', '.join(sorted(server.accounts)) or 'none'}"
    return Diagnostic("HI232", path, f"there is no account {name}", hint)


def _encrypted(path: FieldPath, hub: LeafHub) -> Iterator[Diagnostic]:
    """Tells of a leaf that begins with TLS where it was to be without."""
    scheme = urlsplit(hub.url or "").scheme
    if hub.tls_insecure and (secure := {"nats": "tls", "ws": "wss"}.get(scheme)):
        message = f"with tls_insecure, the leaf speaks TLS to {hub.url}, too"
        hint = f"leave tls_insecure out, or write {secure}://"
        yield Diagnostic("HI235", (*path, "tls_insecure"), message, hint)


class Streams(NamedTuple):
    """A NATS server with streams."""

    path: FieldPath
    field: tuple[str, ...]
    domain: str
    is_leaf: bool


def streams(path: FieldPath, services: Services, machine: str) -> Iterator[Streams]:
    """The NATS servers of a place; without a domain of its own each has the machine's name."""
    server, agent = services.nats_server, services.host_agent
    if server is not None and server.jetstream.enable:
        domain = server.jetstream.domain or machine
        where = (*path, "nats_server")
        yield Streams(where, ("jetstream", "domain"), domain, server.hub.url is not None)
    if agent is not None and agent.nats.hub.url is not None:
        domain = agent.nats.domain or machine
        yield Streams((*path, "host_agent"), ("nats", "domain"), domain, is_leaf=True)


def check_domains(servers: list[Streams]) -> Iterator[Diagnostic]:
    """Leaves whose domain another server has; of hubs that share one, a cluster may be made."""
    seen: dict[str, list[Streams]] = {}
    for server in servers:
        others = seen.setdefault(server.domain, [])
        if other := next((o for o in others if o.is_leaf or server.is_leaf), None):
            message = f"{server.domain} is the JetStream domain of {dotted(other.path)}"
            hint = "give one of the two another domain"
            yield Diagnostic("HI228", (*server.path, *server.field), message, hint)
        others.append(server)
