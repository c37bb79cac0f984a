# Fleet build: containers holochain-hc-http-gw-ce9040aa5986895c. Made by `python -m holo_infra.scenarios`; do not edit.
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
