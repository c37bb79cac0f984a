# Fleet agents: host host2. Made by `python -m holo_infra.scenarios`; do not edit.
{ ... }:
{
  networking.hostName = "host2";
  system.stateVersion = "26.05";
  holo.host-agent = {
    enable = true;
    autoStart = false;
    nats = {
      hub.url = "nats://192.0.2.10:7422";
      domain = "host2";
    };
  };
}
