# Ports of forwards that the firewall of NixOS lets in.
#
# Made by `just modules` from holo_infra.network.ports; do not edit.
{
  config,
  lib,
  ...
}:

let
  cfg = config.holo;
in
{
  config.networking.firewall = {
    allowedTCPPorts =
      lib.concatLists (lib.mapAttrsToList (
        name: f:
        lib.optional (f.protocol == "tcp") (if f.engine == "socat" then f.innerPort else f.port)
      ) cfg.forwarders)
      ++ lib.concatLists (lib.mapAttrsToList (
        name: c:
        lib.concatLists (lib.mapAttrsToList (
          name2: f:
          lib.optional (
            c.network == "private"
            && f.protocol == "tcp"
            && f.engine != "nftables"
            && !lib.hasPrefix "127." f.bind
          ) f.hostPort
        ) c.forwards)
      ) cfg.containers);
    allowedUDPPorts =
      lib.concatLists (lib.mapAttrsToList (
        name: f:
        lib.optional (f.protocol == "udp") (if f.engine == "socat" then f.innerPort else f.port)
      ) cfg.forwarders)
      ++ lib.concatLists (lib.mapAttrsToList (
        name: c:
        lib.concatLists (lib.mapAttrsToList (
          name2: f:
          lib.optional (
            c.network == "private"
            && f.protocol == "udp"
            && f.engine != "nftables"
            && !lib.hasPrefix "127." f.bind
          ) f.hostPort
        ) c.forwards)
      ) cfg.containers);
  };
}
