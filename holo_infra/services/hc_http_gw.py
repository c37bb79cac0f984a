"""Holochain's HTTP gateway as a unit.

Its variables are those of the repository holochain/hc-http-gw (`README.md`, `spec.md`).
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.hc_http_gw import HcHttpGwOptions
from holo_infra.services.directives import CONFINED, NO_START_LIMIT, SANDBOX, bind_capability
from nixgen import (
    coalesce,
    define,
    each,
    exe,
    given,
    join,
    merge,
    only_if,
    text,
)
from nixgen.systemd import exec_line, plain, unit

UNIT = "hc-http-gw"


@define("hc-http-gw", path="holo.hc-http-gw", declares=tuple(HcHttpGwOptions.model_fields))
def hc_http_gw(cfg: HcHttpGwOptions) -> dict[str, Any]:
    """Holochain's HTTP gateway: calls of zome functions over HTTP."""
    return {"systemd": {"services": {UNIT: only_if(cfg.enable, _unit(cfg))}}}


def _unit(cfg: HcHttpGwOptions) -> dict[str, Any]:
    made = unit(
        "HTTP gateway of Holochain",
        unit_config=NO_START_LIMIT,
        after=["network.target", "holochain.service"],
        wanted_by=["multi-user.target"],
        service=[
            CONFINED,
            SANDBOX,
            bind_capability(cfg.listen_port),
            {
                "Type": "exec",
                "ExecStart": exec_line(exe(cfg.package, "hc-http-gw")),
                "User": "holo-hc-http-gw",
                "Restart": "always",
                "RestartSec": 2,
                "KillMode": "mixed",
                "TimeoutStopSec": 10,
                "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
            },
        ],
    )
    return made | {"environment": _environment(cfg)}


def _environment(cfg: HcHttpGwOptions) -> dict[str, str]:
    limits = {
        "HC_GW_PAYLOAD_LIMIT_BYTES": cfg.payload_limit_bytes,
        "HC_GW_MAX_APP_CONNECTIONS": cfg.max_app_connections,
        "HC_GW_ZOME_CALL_TIMEOUT_MS": cfg.zome_call_timeout_ms,
    }
    return merge(
        {
            "HC_GW_ADMIN_WS_URL": plain(cfg.admin_websocket_url),
            "HC_GW_ADDRESS": cfg.listen_address,
            "HC_GW_PORT": text(cfg.listen_port),
            "HC_GW_ALLOWED_APP_IDS": join(",", cfg.allowed_app_ids),
            "RUST_LOG": cfg.log_level,
        },
        {name: only_if(given(limit), text(coalesce(limit, 0))) for name, limit in limits.items()},
        each(
            cfg.allowed_fns_per_app_id,
            lambda app, functions: {text("HC_GW_ALLOWED_FNS_", app): functions},
        ),
    )
