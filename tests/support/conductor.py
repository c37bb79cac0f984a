"""JSON Schemas of the conductor's configuration, one a version of Holochain.

From the documentation of the crates `holochain_conductor_api` and `kitsune_p2p_types`: what each
version requires, and of the rest what we may say.
"""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string", "minLength": 1}


def exactly(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """A mapping with these names and no other."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | optional,
        "additionalProperties": False,
    }


WEBRTC = exactly(
    {
        "iceServers": {
            "type": "array",
            "minItems": 1,
            "items": exactly({"urls": {"type": "array", "items": TEXT, "minItems": 1}}),
        }
    }
)
DRIVER = exactly(
    {
        "type": {"const": "websocket"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "allowed_origins": TEXT,
    }
)
COMMON = {
    "data_root_path": {"const": "/var/lib/holo/holochain"},
    "keystore": exactly({"type": {"const": "lair_server_in_proc"}}),
    "admin_interfaces": {"type": "array", "items": exactly({"driver": DRIVER}), "minItems": 1},
}
POOL = {
    "type": "array",
    "minItems": 1,
    "items": exactly({"type": {"const": "webrtc"}, "signal_url": TEXT}, webrtc_config=WEBRTC),
}
KITSUNE1 = exactly(
    {
        "network_type": {"const": "quic_bootstrap"},
        "bootstrap_service": {"type": "string", "pattern": "^https?://"},
        "transport_pool": POOL,
    }
)
KITSUNE2 = exactly(
    {
        "bootstrap_url": {"type": "string", "pattern": "^https?://"},
        "signal_url": {"type": "string", "pattern": "^wss?://"},
    },
    webrtc_config=WEBRTC,
)
DPKI = exactly(
    {
        "dna_path": {"type": "null"},
        "network_seed": {"type": "string"},
        "allow_throwaway_random_dpki_agent_key": {"const": False},
        "no_dpki": {"const": True},
    }
)
SCHEMAS = {
    "0.3": exactly({**COMMON, "network": KITSUNE1}),
    "0.4": exactly({**COMMON, "network": KITSUNE1, "dpki": DPKI}),
    "0.5": exactly({**COMMON, "network": KITSUNE2}),
    "latest": exactly({**COMMON, "network": KITSUNE2}),
}
