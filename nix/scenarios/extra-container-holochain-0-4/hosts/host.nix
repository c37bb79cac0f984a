# Fleet holochain-0-4: host host. Made by `python -m holo_infra.scenarios`; do not edit.
{ classes, ... }:
{
  networking.hostName = "host";
  system.stateVersion = "26.05";
  holo.containers.holochain0 = {
    index = 0;
    forwards = {
      admin = {
        hostPort = 8000;
        port = 8000;
      };
      httpgw = {
        hostPort = 8080;
        port = 8090;
        probe = "http:/health";
      };
    };
    secrets.passphrase = "/etc/holo-scenario/passphrase";
    system = classes.holochain-hc-http-gw-d262d9c38ceed6c8;
  };
}
