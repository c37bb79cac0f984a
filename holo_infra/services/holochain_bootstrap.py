"""Bootstrap and signal services for conductors, as units.

Since 0.5 they are `kitsune2-bootstrap-srv` (repository holochain/kitsune2, crate
`kitsune2_bootstrap_srv`): a websocket on its port is the signal service. Up to 0.4 they are two
servers in `hc run-local-services` (repository holochain/holochain, crate `hc_run_local_services`).
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.holochain_bootstrap import SIGNAL_APART, HolochainBootstrapOptions
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX, bind_capability
from nixgen import (
    all_,
    choose,
    coalesce,
    concat,
    define,
    exe,
    if_,
    named,
    not_,
    only_if,
    package_named,
    starts_with,
    text,
    when,
)
from nixgen.systemd import exec_line, unit

UNIT = "holochain-bootstrap"
SIGNAL_UNIT = "holochain-signal"


@define(
    "holochain-bootstrap",
    path="holo.holochain-bootstrap",
    declares=tuple(HolochainBootstrapOptions.model_fields),
)
def holochain_bootstrap(cfg: HolochainBootstrapOptions) -> dict[str, Any]:
    """Bootstrap and signal services, by which conductors find each other."""
    apart = named("apart", choose(cfg.version, SIGNAL_APART))
    opens = named("opens", all_(cfg.enable, cfg.open_firewall, not_(_is_loopback(cfg))))
    ports = when(opens, cfg.port), when(all_(opens, apart), cfg.signal_port)
    return {
        "networking": {"firewall": {"allowedTCPPorts": concat(*ports)}},
        "systemd": {
            "services": {
                UNIT: only_if(
                    cfg.enable,
                    _unit(
                        cfg,
                        *("Bootstrap service of Holochain", UNIT, cfg.port),
                        if_(apart, _bootstrap(cfg), _both(cfg)),
                    ),
                ),
                SIGNAL_UNIT: only_if(
                    all_(cfg.enable, apart),
                    _unit(
                        cfg,
                        *("Signal service of Holochain", SIGNAL_UNIT, cfg.signal_port),
                        _signal(cfg),
                    ),
                ),
            },
        },
    }


def _is_loopback(cfg: HolochainBootstrapOptions) -> bool:
    return starts_with("127.", cfg.listen_address)


def _both(cfg: HolochainBootstrapOptions) -> str:
    """Without `--production` it is a small server for trials."""
    program = exe(
        coalesce(cfg.package, package_named("kitsune2-bootstrap-srv")), "kitsune2-bootstrap-srv"
    )
    listen = text(cfg.listen_address, ":", cfg.port)
    return exec_line(program, "--production", "--listen", listen)


def _bootstrap(cfg: HolochainBootstrapOptions) -> str:
    return exec_line(
        *(_local_services(cfg), "--disable-signal"),
        *("--bootstrap-interface", cfg.listen_address, "--bootstrap-port", text(cfg.port)),
    )


def _signal(cfg: HolochainBootstrapOptions) -> str:
    return exec_line(
        *(_local_services(cfg), "--disable-bootstrap"),
        *("--signal-interfaces", cfg.listen_address, "--signal-port", text(cfg.signal_port)),
    )


def _local_services(cfg: HolochainBootstrapOptions) -> str:
    """What `hc run-local-services` would look for on PATH."""
    return exe(coalesce(cfg.package, package_named("hc")), "hc-run-local-services")


def _unit(
    cfg: HolochainBootstrapOptions, description: str, name: str, port: int, command: str
) -> dict[str, Any]:
    """Both programs end properly on SIGINT only. They list network interfaces, by netlink."""
    return unit(
        description,
        unit_config=NO_START_LIMIT,
        after=["network.target"],
        wanted_by=["multi-user.target"],
        environment={"RUST_LOG": cfg.log_level},
        service=[
            CONFINED,
            SANDBOX,
            bind_capability(port),
            {
                "Type": "exec",
                "ExecStart": command,
                "KillSignal": "SIGINT",
                "User": text("holo-", name),
                "Restart": "always",
                "RestartSec": 2,
                "TimeoutStopSec": 10,
                "LimitNOFILE": 65536,
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX",
            },
        ],
    )
