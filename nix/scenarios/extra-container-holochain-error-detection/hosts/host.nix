# Fleet error-detection: host host. Made by `python -m holo_infra.scenarios`; do not edit.
{ classes, ... }:
{
  networking.hostName = "host";
  system.stateVersion = "26.05";
  holo.containers = {
    holochain0 = {
      index = 0;
      forwards.admin = {
        hostPort = 8000;
        port = 8000;
      };
      secrets.passphrase = "/etc/holo-scenario/passphrase";
      system = classes.holochain-b86a7156ad40fe79;
    };
    holochain1 = {
      index = 1;
      forwards.admin = {
        hostPort = 8001;
        port = 8000;
      };
      secrets.passphrase = "/etc/holo-scenario/second";
      system = classes.holochain-b86a7156ad40fe79;
    };
  };
}
