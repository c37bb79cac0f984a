# Fleet two-containers: host host. Made by `python -m holo_infra.scenarios`; do not edit.
{ classes, ... }:
{
  networking.hostName = "host";
  system.stateVersion = "26.05";
  holo.containers = {
    holochain0 = {
      index = 0;
      forwards = {
        admin = {
          hostPort = 8000;
          port = 8000;
        };
        httpgw = {
          hostPort = 8080;
          port = 8090;
          innerPort = 4000;
          engine = "socat";
          probe = "http:/health";
        };
      };
      secrets.passphrase = "/etc/holo-scenario/passphrase";
      system = classes.holochain-hc-http-gw-c3d03c246917358c;
    };
    holochain1 = {
      index = 1;
      forwards.admin = {
        hostPort = 8001;
        port = 8000;
      };
      allowedPeers = [ "holochain0" ];
      secrets.passphrase = "/etc/holo-scenario/passphrase";
      system = classes.holochain-b86a7156ad40fe79;
    };
  };
}
