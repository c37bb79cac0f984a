# Fleet agents: host host5. Made by `python -m holo_infra.scenarios`; do not edit.
{ ... }:
{
  networking.hostName = "host5";
  system.stateVersion = "26.05";
  holo.host-agent = {
    enable = true;
    autoStart = false;
    nats = {
      hub.url = "nats://192.0.2.10:7422";
      domain = "host5";
    };
  };
}
