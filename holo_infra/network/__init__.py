"""One file a forwarding engine: from options to units, defined once for Nix and for Python."""

from holo_infra.network.names import forward_units, ready_unit

__all__ = ["forward_units", "ready_unit"]
