"""The host agent as a unit, and the NATS leaf server that joins its host to the hub."""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.host_agent import HostAgentOptions, HostNats
from holo_infra.services.directives import CONFINED, NO_START_LIMIT
from holo_infra.services.files import config_file, credential
from holo_infra.services.nats_server import (
    MAX_PAYLOAD,
    hub_credentials,
    jetstream_config,
    leafnode_remote,
    nats_text,
    server_name,
    server_unit,
)
from nixgen import (
    all_,
    concat,
    define,
    exe,
    given,
    if_given,
    named,
    only_if,
    text,
    true_false,
    when,
)
from nixgen.systemd import exec_line, unit

UNIT = "holo-host-agent"
LEAF = "holo-host-agent-nats"


@define("host-agent", path="holo.host-agent", declares=tuple(HostAgentOptions.model_fields))
def host_agent(cfg: HostAgentOptions) -> dict[str, Any]:
    """The host agent, and the NATS leaf server that joins its host to the hub."""
    nats = cfg.nats
    leaf = named("leaf", nats_text(_leaf_config(nats)))
    joined = named("joined", all_(cfg.enable, given(nats.hub.url)))
    server = server_unit(
        LEAF,
        nats.package,
        nats.store_dir,
        leaf,
        named("leafSecrets", hub_credentials(nats.hub)),
    )
    return {
        "environment": {"etc": only_if(joined, config_file(f"{LEAF}.conf", leaf))},
        "systemd": {
            "services": {
                UNIT: only_if(cfg.enable, _agent(cfg)),
                LEAF: only_if(joined, server),
            },
        },
    }


def _leaf_config(nats: HostNats) -> dict[str, Any]:
    return {
        "host": nats.listen_host,
        "port": nats.listen_port,
        "server_name": server_name(nats.domain),
        "max_payload": MAX_PAYLOAD,
        "jetstream": jetstream_config(nats.domain, nats.store_dir, None),
        "leafnodes": {"remotes": [leafnode_remote(LEAF, nats.hub)]},
    }


def _agent(cfg: HostAgentOptions) -> dict[str, Any]:
    has_leaf = given(cfg.nats.hub.url)
    return unit(
        "Holo host agent",
        unit_config=NO_START_LIMIT,
        after=concat(["network-online.target"], when(has_leaf, f"{LEAF}.service")),
        wants=concat(["network-online.target"], when(has_leaf, f"{LEAF}.service")),
        wanted_by=when(cfg.auto_start, "multi-user.target"),
        environment={"IS_CONTAINER_ON_PRIVATE_NETWORK": true_false(cfg.container_private_network)},
        # Exposed to 4: it writes units and has systemd run them as root, so it is root itself.
        # What it does not do is forbidden: it mounts nothing, loads no module, sets no clock.
        service=[
            CONFINED,
            {
                "Type": "exec",
                "ExecStart": exec_line(
                    *(exe(cfg.package, "holo"), "agent", "run", "--log-level", cfg.log_level),
                    *("--nats-url", cfg.nats.url),
                    if_given(
                        cfg.nats.credentials_file,
                        lambda _: ["--nats-credentials-file", credential(UNIT, "nats.creds")],
                    ),
                    if_given(
                        cfg.supported_holochain_versions_path,
                        lambda path: ["--supported-holochain-versions", path],
                    ),
                    cfg.extra_daemonize_args,
                ),
                "LoadCredential": only_if(
                    given(cfg.nats.credentials_file),
                    if_given(cfg.nats.credentials_file, lambda file: [text("nats.creds:", file)]),
                ),
                "Restart": "always",
                "RestartSec": 5,
                "TimeoutStopSec": 30,
                "KillMode": "mixed",
                "StateDirectory": "holo/host-agent",
                "StateDirectoryMode": "0700",
                "CapabilityBoundingSet": (
                    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_NET_ADMIN CAP_SYS_ADMIN"
                ),
                "DevicePolicy": "closed",
                "KeyringMode": "private",
                "PrivateTmp": True,
                "ProtectClock": True,
                "ProtectControlGroups": True,
                "ProtectHome": True,
                "ProtectHostname": True,
                "ProtectKernelLogs": True,
                "ProtectKernelModules": True,
                "ProtectKernelTunables": True,
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX",
                "SystemCallFilter": "@system-service @mount",
            },
        ],
    )
