"""One file a forwarding engine: from options to units, defined once for Nix and for Python."""
