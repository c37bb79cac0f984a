# All modules of holo-infra: they declare options, and do nothing until these are set.
#
# Made by `just modules` from holo_infra.targets.modules; do not edit.
{
  imports = [
    ./containers.nix
    ./firewall.nix
    ./haproxy.nix
    ./ports.nix
    ./readiness.nix
    ./socat.nix
    ./socket-proxyd.nix
    ./units.nix
  ];
}
