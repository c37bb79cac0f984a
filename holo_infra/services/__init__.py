"""One file a service: from options to units, defined once for Nix and for Python."""
