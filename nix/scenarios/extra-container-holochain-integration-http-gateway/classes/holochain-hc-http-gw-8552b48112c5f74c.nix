# Fleet http-gateway: containers holochain-hc-http-gw-8552b48112c5f74c. Made by `python -m holo_infra.scenarios`; do not edit.
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
