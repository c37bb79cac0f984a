"""The NATS server as a unit: hub or leaf, its configuration as data.

The configuration's form is that of NATS's documentation, "Server configuration". It is JSON, which
NATS reads, but for two things that only its own syntax can say: variables and `include`.
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.base import LeafHub
from holo_infra.model.services.nats_server import (
    Account,
    NatsServerOptions,
    User,
)
from holo_infra.services.caddy import caddy_config, caddy_unit, reached
from holo_infra.services.containers import IDENTITY
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX
from holo_infra.services.files import FOLDER, config_file, credential, file_path
from nixgen import (
    all_,
    any_,
    coalesce,
    concat,
    define,
    exe,
    flatten,
    given,
    if_,
    if_given,
    json_text,
    map_items,
    map_values,
    merge,
    named,
    not_,
    only_if,
    recursive_update,
    replace,
    starts_with,
    text,
    when,
    without_nulls,
    without_prefix,
)
from nixgen.systemd import exec_line, unit

UNIT = "holo-nats-server"
CADDY = "holo-nats-server-caddy"
MAX_PAYLOAD = 3 * 1024 * 1024

_VARIABLES = {'"@{': "$", '}@"': "", '"@include":': "include "}
"""How what JSON cannot say stands in it, and in NATS's syntax."""
_CREDENTIALS = "../" * (FOLDER.count("/") + 2)
"""From the configuration's folder to the root: NATS takes no absolute path after `include`."""


@define("nats-server", path="holo.nats-server", declares=tuple(NatsServerOptions.model_fields))
def nats_server(cfg: NatsServerOptions) -> dict[str, Any]:
    """A NATS server, as hub or as a leaf, with a TLS proxy before its websocket."""
    config = named("configuration", nats_text(_config(cfg)))
    websocket = named(
        "proxy",
        caddy_config(
            CADDY,
            cfg.caddy,
            cfg.websocket.external_port,
            text(reached(cfg.websocket.host), ":", cfg.websocket.port),
        ),
    )
    proxied = all_(cfg.enable, cfg.caddy.enable)
    secrets = named(
        "secrets",
        concat(
            if_given(cfg.operator_file, lambda file: [text("operator:", file)]),
            hub_credentials(cfg.hub),
            flatten(map_items(cfg.accounts, _passwords)),
        ),
    )
    server = server_unit(UNIT, cfg.package, cfg.jetstream.store_dir, config, secrets)
    return {
        "assertions": [
            {
                "assertion": any_(not_(cfg.enable), _unknown(cfg) == []),
                "message": "holo.nats-server.accounts: a user needs nkey or passwordFile",
            },
            {
                "assertion": any_(
                    not_(cfg.enable), not_(given(cfg.operator_file)), cfg.accounts == {}
                ),
                "message": "holo.nats-server: with operatorFile, accounts are the operator's",
            },
        ],
        "environment": {
            "etc": merge(
                only_if(cfg.enable, config_file(f"{UNIT}.conf", config)),
                only_if(proxied, config_file(f"{CADDY}.json", websocket)),
            ),
        },
        "networking": {"firewall": {"allowedTCPPorts": _opened(cfg)}},
        "systemd": {
            "services": {
                UNIT: only_if(cfg.enable, server),
                CADDY: only_if(
                    proxied, caddy_unit(CADDY, UNIT, websocket, cfg.websocket.external_port)
                ),
            },
        },
    }


def nats_text(config: dict[str, Any]) -> str:
    """A configuration in NATS's own syntax: JSON, but for variables and `include`."""
    return replace(json_text(config), _VARIABLES)


def server_unit(
    name: str, package: str, store_dir: str, config: str, secrets: list[str]
) -> dict[str, Any]:
    """The unit of a NATS server whose configuration is `config`."""
    return unit(
        "NATS server",
        unit_config=NO_START_LIMIT,
        after=["network-online.target"],
        wants=["network-online.target"],
        wanted_by=["multi-user.target"],
        # In a container of a fleet the identity says it, in quotes as NATS wants it.
        environment={"HOLO_DOMAIN": '"%l"'},
        triggers=[config],
        service=[
            CONFINED,
            SANDBOX,
            {
                "Type": "exec",
                "EnvironmentFile": f"-{IDENTITY}",
                "ExecStart": exec_line(
                    *(exe(package, "nats-server"), "--config", file_path(f"{name}.conf")),
                ),
                "LoadCredential": only_if(secrets != [], secrets),
                "User": name,
                "Restart": "always",
                "RestartSec": 2,
                "TimeoutStopSec": 30,
                "StateDirectory": without_prefix("/var/lib/", store_dir),
                "StateDirectoryMode": "0700",
                "LimitNOFILE": 65536,
                "CapabilityBoundingSet": "",
                "PrivateUsers": True,
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
            },
        ],
    )


def server_name(domain: str | None) -> str:
    """What a server is called: like its domain, which is by default known when it starts."""
    return coalesce(domain, "@{HOLO_DOMAIN}@")


def jetstream_config(domain: str | None, store_dir: str, max_storage: str | None) -> dict[str, Any]:
    """The configuration of streams. What a client was told is stored, is on the disk."""
    return without_nulls(
        {
            "domain": server_name(domain),
            "store_dir": store_dir,
            "max_file_store": max_storage,
            "sync_interval": "always",  # else it is told two minutes before
        },
    )


def leafnode_remote(unit_name: str, hub: LeafHub) -> dict[str, Any]:
    """What joins a server to the hub as a leaf."""
    return without_nulls(
        {
            "urls": if_given(hub.url, lambda url: [url]),
            "credentials": if_(
                given(hub.credentials_file), credential(unit_name, "hub.creds"), None
            ),
            "@include": if_(_shows_key(hub), text(_included(unit_name), "hub.nk"), None),
            "tls": if_(hub.tls_insecure, {"insecure": True}, None),
            "account": hub.account,
        },
    )


def _shows_key(hub: LeafHub) -> bool:
    """Whether the hub is shown a key; with credentials it is not."""
    return all_(given(hub.nkey_file), not_(given(hub.credentials_file)))


def hub_credentials(hub: LeafHub) -> list[str]:
    """`LoadCredential=` for what the hub is shown."""
    return concat(
        if_given(hub.credentials_file, lambda file: [text("hub.creds:", file)]),
        when(_shows_key(hub), text("hub.nk:", coalesce(hub.nkey_file, ""))),
    )


def _config(cfg: NatsServerOptions) -> dict[str, Any]:
    is_hub = named("isHub", not_(given(cfg.hub.url)))
    websocket = {"host": cfg.websocket.host, "port": cfg.websocket.port, "no_tls": True}
    # What it would tell leaves is where it listens: 0.0.0.0.
    hub = {"host": cfg.leafnode_host, "port": cfg.leafnode_port, "no_advertise": True}
    leaf = {"remotes": [leafnode_remote(UNIT, cfg.hub)]}
    with_operator = given(cfg.operator_file)
    jetstream = cfg.jetstream
    streams = jetstream_config(jetstream.domain, jetstream.store_dir, jetstream.max_storage)
    own = named("systemAccount", coalesce(cfg.system_account, "$SYS"))

    def account_of(name: str, account: Account) -> dict[str, Any]:
        return _account(name, account, is_own=name == own)

    base = without_nulls(
        {
            "host": cfg.host,
            "port": cfg.port,
            # Two of one name on a machine would throw each other out at the hub.
            "server_name": if_(jetstream.enable, server_name(jetstream.domain), None),
            "max_payload": MAX_PAYLOAD,
            "http": if_(
                given(cfg.monitor_port), text("127.0.0.1:", coalesce(cfg.monitor_port, 0)), None
            ),
            "jetstream": if_(jetstream.enable, streams, None),
            "leafnodes": if_(is_hub, hub, leaf),
            "websocket": if_(any_(cfg.websocket.enable, cfg.caddy.enable), websocket, None),
            "accounts": if_(cfg.accounts != {}, map_values(cfg.accounts, account_of), None),
            "no_auth_user": cfg.no_auth_user,
            "operator": if_(with_operator, credential(UNIT, "operator"), None),
            "system_account": cfg.system_account,
            "resolver": if_(
                with_operator,
                {"type": "full", "dir": text(cfg.jetstream.store_dir, "/accounts")},
                None,
            ),
            "resolver_preload": if_(cfg.resolver_preload != {}, cfg.resolver_preload, None),
        },
    )
    return recursive_update(base, cfg.extra_attrs)


def _account(name: str, account: Account, *, is_own: bool) -> dict[str, Any]:
    """An account; that of the server itself may have no streams."""
    users = map_items(account.users, lambda user, of: _user(name, user, of))
    streams = all_(account.jetstream, not_(is_own))
    return without_nulls({"jetstream": if_(streams, "enabled", None), "users": users})


def _user(account: str, name: str, user: User) -> dict[str, Any]:
    """A user; one with a key is known by it alone."""
    return without_nulls(
        {
            "nkey": user.nkey,
            "user": if_(given(user.nkey), None, name),
            "@include": if_(
                _has_password(user), text(_included(UNIT), _secret(account, name)), None
            ),
            "permissions": without_nulls(
                {
                    "publish": _allowed(user.publish),
                    "subscribe": _allowed(user.subscribe),
                    "allow_responses": if_(user.allow_responses, user.allow_responses, None),
                },
            ),
        },
    )


def _allowed(subjects: list[str] | None) -> dict[str, Any] | None:
    """What is allowed; to NATS an empty list would be no restriction."""
    listed = coalesce(subjects, [])
    nothing: dict[str, Any] | None = {"deny": [">"]}
    return if_(given(subjects), if_(listed == [], nothing, {"allow": listed}), None)


def _unknown(cfg: NatsServerOptions) -> list[str]:
    """Users whom everyone may claim to be."""
    return flatten(
        map_items(
            cfg.accounts,
            lambda _, account: flatten(
                map_items(
                    account.users,
                    lambda name, user: when(
                        all_(
                            not_(given(user.nkey)),
                            not_(given(user.password_file)),
                            name != coalesce(cfg.no_auth_user, ""),
                        ),
                        name,
                    ),
                ),
            ),
        ),
    )


def _passwords(account: str, of: Account) -> list[str]:
    return flatten(
        map_items(
            of.users,
            lambda name, user: when(
                _has_password(user),
                text(_secret(account, name), ":", coalesce(user.password_file, "")),
            ),
        ),
    )


def _has_password(user: User) -> bool:
    """Whether a user proves by a password who it is; one with a key may not have one."""
    return all_(given(user.password_file), not_(given(user.nkey)))


def _included(unit_name: str) -> str:
    """The folder of a unit's secrets as `include` takes it."""
    return _CREDENTIALS + credential(unit_name, "").lstrip("/")


def _secret(account: str, user: str) -> str:
    """The name of the secret with a user's password."""
    return text("password.", account, ".", user)  # an account has no dot


def _opened(cfg: NatsServerOptions) -> list[int]:
    opens = named("opens", all_(cfg.enable, cfg.open_firewall))
    return concat(
        when(all_(opens, not_(starts_with("127.", cfg.host))), cfg.port),
        when(all_(opens, not_(given(cfg.hub.url))), cfg.leafnode_port),
        when(
            all_(cfg.enable, cfg.caddy.enable, cfg.websocket.open_firewall),
            cfg.websocket.external_port,
        ),
    )
