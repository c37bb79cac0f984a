# Fleet two-containers: containers holochain-hc-http-gw-c3d03c246917358c. Made by `python -m holo_infra.scenarios`; do not edit.
{ ... }:
{
  boot = {
    isContainer = true;
    isNspawnContainer = true;
  };
  networking = {
    hostName = "";
    useDHCP = false;
  };
  system.stateVersion = "26.05";
  holo = {
    forwarders.httpgw = {
      port = 8090;
      innerPort = 4000;
      probe = "http:/health";
    };
    holochain = {
      enable = true;
      passphraseFile = "passphrase";
    };
    hc-http-gw = {
      enable = true;
      allowedFnsPerAppId.forum = "posts/get_all,posts/get";
    };
  };
}
