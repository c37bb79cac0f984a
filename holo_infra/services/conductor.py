"""The conductor's configuration, as each version of Holochain reads it.

The form is that of `ConductorConfig` in the crate `holochain_conductor_api` (docs.rs, and its
source `config/conductor.rs`) and, up to 0.4, of `KitsuneP2pConfig` in `kitsune_p2p_types`. A
conductor ignores fields that it does not know, and reads YAML, of which JSON is a part.
"""

from __future__ import annotations

from typing import Any

from holo_infra.model.services.holochain import HolochainOptions
from holo_infra.model.services.versions import by_version
from nixgen import choose, if_, map_list, named, recursive_update, without_nulls

DATA = "/var/lib/holo/holochain"
"""Where the conductor keeps all that it has: databases, compiled applications, the keystore."""


def conductor_config(cfg: HolochainOptions) -> dict[str, Any]:
    """What `conductor-config.yaml` says, with the user's own data over it."""
    base = {
        "data_root_path": DATA,
        "keystore": {"type": "lair_server_in_proc"},
        "admin_interfaces": [
            {
                "driver": {
                    "type": "websocket",
                    "port": cfg.admin_websocket_port,
                    "allowed_origins": cfg.admin_websocket_allowed_origins,
                },
            },
        ],
    }
    webrtc = named("webrtcConfig", _webrtc(cfg))
    of_version = choose(
        cfg.version,
        by_version(
            {
                "0.3": {"network": _transport_pool(cfg, webrtc)},
                "0.4": {"network": _transport_pool(cfg, webrtc), "dpki": _NO_DPKI},
                "0.5": {"network": _kitsune2(cfg, webrtc)},
            },
        ),
    )
    return recursive_update(recursive_update(base, of_version), cfg.conductor_config_overrides)


_NO_DPKI = {
    "dna_path": None,
    "network_seed": "",
    "allow_throwaway_random_dpki_agent_key": False,
    "no_dpki": True,
}
"""Of 0.4: without it a conductor built with DPKI would make keys that nobody can recover."""


def _transport_pool(cfg: HolochainOptions, webrtc: dict[str, Any] | None) -> dict[str, Any]:
    """Up to 0.4. `network_type` has one value, and is required."""
    transport = {
        "type": "webrtc",
        "signal_url": cfg.webrtc_transport_pool_signal_url,
        "webrtc_config": webrtc,
    }
    return {
        "network_type": "quic_bootstrap",
        "bootstrap_service": cfg.bootstrap_service_url,
        "transport_pool": [without_nulls(transport)],
    }


def _kitsune2(cfg: HolochainOptions, webrtc: dict[str, Any] | None) -> dict[str, Any]:
    """Since 0.5."""
    network = {
        "bootstrap_url": cfg.bootstrap_service_url,
        "signal_url": cfg.webrtc_transport_pool_signal_url,
        "webrtc_config": webrtc,
    }
    return without_nulls(network)


def _webrtc(cfg: HolochainOptions) -> dict[str, Any] | None:
    """An `RTCConfiguration` of the W3C's WebRTC; null: the conductor has its own."""
    servers = cfg.webrtc_transport_pool_ice_servers
    listed = {"iceServers": map_list(servers, lambda url: {"urls": [url]})}
    return if_(servers == [], None, listed)
