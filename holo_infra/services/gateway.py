"""The HTTP gateway of the fleet as a unit, with a TLS proxy before it."""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.gateway import GatewayOptions
from holo_infra.services.caddy import caddy_config, caddy_unit, reached
from holo_infra.services.files import config_file
from holo_infra.services.programs import hub_arguments, hub_secrets, program_unit
from nixgen import (
    all_,
    concat,
    define,
    if_,
    named,
    not_,
    only_if,
    starts_with,
    text,
    when,
)

UNIT = "holo-gateway"
CADDY = "holo-gateway-caddy"


@define("gateway", path="holo.gateway", declares=tuple(GatewayOptions.model_fields))
def gateway(cfg: GatewayOptions) -> dict[str, Any]:
    """The HTTP gateway of the fleet, with a TLS proxy before it."""
    hub = cfg.nats.hub
    upstream = text(reached(cfg.address), ":", cfg.port)
    proxy = named("proxy", caddy_config(CADDY, cfg.caddy, cfg.external_port, upstream))
    proxied = all_(cfg.enable, cfg.caddy.enable)
    made = program_unit(
        *(UNIT, "HTTP gateway of the fleet", cfg.package),
        command="gateway",
        log_level=cfg.log_level,
        arguments=concat(
            ["--address", cfg.address, "--port", text(cfg.port)],
            hub_arguments(UNIT, hub),
        ),
        secrets=named("secrets", hub_secrets(hub)),
    )
    return {
        "environment": {"etc": only_if(proxied, config_file(f"{CADDY}.json", proxy))},
        "networking": {"firewall": {"allowedTCPPorts": _opened(cfg)}},
        "systemd": {
            "services": {
                UNIT: only_if(cfg.enable, made),
                CADDY: only_if(proxied, caddy_unit(CADDY, UNIT, proxy, cfg.external_port)),
            },
        },
    }


def _opened(cfg: GatewayOptions) -> list[int]:
    opens = all_(cfg.enable, cfg.open_firewall)
    return if_(
        cfg.caddy.enable,
        when(opens, cfg.external_port),
        when(all_(opens, not_(starts_with("127.", cfg.address))), cfg.port),
    )
