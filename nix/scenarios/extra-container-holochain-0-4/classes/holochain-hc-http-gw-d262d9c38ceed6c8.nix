# Fleet holochain-0-4: containers holochain-hc-http-gw-d262d9c38ceed6c8. Made by `python -m holo_infra.scenarios`; do not edit.
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
      version = "0.4";
      passphraseFile = "passphrase";
    };
    hc-http-gw = {
      enable = true;
      allowedFnsPerAppId.forum = "posts/get_all,posts/get";
    };
  };
}
