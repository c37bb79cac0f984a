# Fleet private-network: host host. Made by `python -m holo_infra.scenarios`; do not edit.
{ classes, ... }:
{
  networking.hostName = "host";
  system.stateVersion = "26.05";
  holo = {
    containers.holochain0 = {
      index = 0;
      forwards.admin = {
        hostPort = 8000;
        port = 8000;
      };
      secrets.passphrase = "/etc/holo-scenario/passphrase";
      system = classes.holochain-b86a7156ad40fe79;
    };
    host-agent = {
      enable = true;
      autoStart = false;
    };
  };
}
