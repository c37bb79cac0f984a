# Fleet agents: host hub. Made by `python -m holo_infra.scenarios`; do not edit.
{ ... }:
{
  networking.hostName = "hub";
  system.stateVersion = "26.05";
  holo.nats-server = {
    enable = true;
    monitorPort = 8222;
    openFirewall = true;
    jetstream.domain = "hub";
  };
}
