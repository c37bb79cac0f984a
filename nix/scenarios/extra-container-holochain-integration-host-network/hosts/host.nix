# Fleet host-network: host host. Made by `python -m holo_infra.scenarios`; do not edit.
{ classes, ... }:
{
  networking.hostName = "host";
  system.stateVersion = "26.05";
  holo = {
    containers.holochain0 = {
      index = 0;
      network = "shared";
      secrets.passphrase = "/etc/holo-scenario/passphrase";
      system = classes.holochain-hc-http-gw-8552b48112c5f74c;
    };
    host-agent = {
      enable = true;
      autoStart = false;
      containerPrivateNetwork = false;
    };
  };
}
