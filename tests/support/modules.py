"""The generated modules in the real evaluator, beside the same definitions in Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holo_infra.lower import evaluate
from holo_infra.model.options import Holo
from nixgen.nodes import Attrs, Node, Raw
from nixgen.options import set_values
from nixgen.printer import print_expression
from nixgen.unitfile import Sections, parse, render
from tests.support.nix import Nix
from tests.support.values import PACKAGES, ZEROS

Meaning = dict[str, Any]
"""What a configuration means: units by file name, files below /etc, open ports."""


OURS = (
    *("bash", "caddy", "coreutils", "haproxy", "hc", "hc-http-gw", "holo-infra", "holochain"),
    *("iproute2", "kitsune2-bootstrap-srv", "nats-server", "nftables", "procps", "systemd"),
)
"""Packages that the definitions name themselves."""


def stub_programs(package: str, name: str) -> str:
    """Where the stand-in's packages have their programs; LookupError where it has no package."""
    if package not in {*PACKAGES, *OURS}:
        raise LookupError(package)
    folder = "lib/systemd" if name == "systemd-socket-proxyd" else "bin"
    return f"{ZEROS}{package}/{folder}/{name}"


def in_python(options: Holo, *, triggers: bool = False) -> Meaning:
    """What the definitions make of the options in Python; with `triggers`, what restarts them."""
    config = evaluate(options, stub_programs)
    made = config.get("systemd", {})
    units = {
        f"{name}.{kind}": parse(render(unit))
        for kind in ("service", "socket")
        for name, unit in made.get(f"{kind}s", {}).items()
    }
    firewall = config.get("networking", {}).get("firewall", {})
    found = {n: s.get("restartTriggers", []) for n, s in made.get("services", {}).items()}
    return {
        **({"triggers": found} if triggers else {}),
        "units": units,
        "etc": {
            name: entry["text"]
            for name, entry in config.get("environment", {}).get("etc", {}).items()
        },
        "tcp": sorted(set(firewall["allowedTCPPorts"])),
        "udp": sorted(set(firewall["allowedUDPPorts"])),
    }


def printed(options: Holo) -> str:
    """The options as a NixOS module; a container's system becomes the stand-in's package."""
    containers = []
    for name, container in sorted(options.containers.items()):
        system = container.system
        given: dict[str, Node] = {}
        if system is not None:
            given["system"] = Raw(f"pkgs.{system.removeprefix(ZEROS)}")
        containers.append((name, set_values(container, given)))
    values = set_values(options, {"containers": Attrs(tuple(containers))})
    return f"({{ pkgs, ... }}: {{ holo = {print_expression(values)}; }})"


MEANING = """
config: {
  units = builtins.mapAttrs (_: u: { inherit (u) text wantedBy; }) config.systemd.units;
  triggers = builtins.mapAttrs (_: service: service.restartTriggers) config.systemd.services;
  etc = builtins.mapAttrs (_: file: file.text) config.environment.etc;
  tcp = config.networking.firewall.allowedTCPPorts;
  udp = config.networking.firewall.allowedUDPPorts;
}
"""


def in_nix(
    nix: Nix,
    nixpkgs: Path,
    modules: Path,
    configurations: Sequence[str],
    *,
    triggers: bool = False,
) -> list[Any]:
    """What Nix makes of each configuration, a NixOS module as source; None where it refuses.

    With `triggers`, what restarts services is part of it.
    """
    listed = "\n".join(configurations)
    results = nix.eval_json(f"""
      let
        nixpkgs = (import {nixpkgs}/flake.nix).outputs {{ self = null; }};
        meaning = {MEANING};
        evaluate = module:
          let
            inherit (nixpkgs.lib.nixosSystem {{
              system = "x86_64-linux";
              modules = [ {modules} module ];
            }}) config;
          in
          # Options that nothing uses are checked only when they are forced.
          {{ meaning = meaning config; inherit (config) holo; }};
        attempt = module:
          let tried = builtins.tryEval (builtins.toJSON (evaluate module)); in
          if tried.success then (builtins.fromJSON tried.value).meaning else null;
      in
      map attempt [ {listed} ]
    """)
    return [None if result is None else _meaning(result, triggers=triggers) for result in results]


def _meaning(result: dict[str, Any], *, triggers: bool) -> Meaning:
    units: dict[str, Sections] = {}
    for name, unit in result["units"].items():
        try:
            units[name] = parse(unit["text"])
        except ValueError as error:
            units[name] = {"unreadable": {str(error): []}}
        if unit["wantedBy"]:
            units[name]["Install"] = {"WantedBy": unit["wantedBy"]}
    ports = {protocol: sorted(set(result[protocol])) for protocol in ("tcp", "udp")}
    found = {"triggers": result["triggers"]} if triggers else {}
    return {"units": units, "etc": result["etc"], **ports, **found}
