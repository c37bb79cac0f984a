# All modules of holo-infra: they declare options, and do nothing until these are set.
#
# Made by `just modules` from holo_infra.targets.modules; do not edit.
{
  imports = [
    ./containers.nix
    ./firewall.nix
    ./gateway.nix
    ./haproxy.nix
    ./hc-http-gw.nix
    ./holochain-bootstrap.nix
    ./holochain.nix
    ./host-agent.nix
    ./nats-server.nix
    ./orchestrator.nix
    ./ports.nix
    ./readiness.nix
    ./socat.nix
    ./socket-proxyd.nix
    ./units.nix
  ];
}
