# Fleet build: containers holochain-4adf13b07f8763e2. Made by `python -m holo_infra.scenarios`; do not edit.
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
  holo.holochain = {
    enable = true;
    adminWebsocketPort = 8100;
    passphraseFile = "passphrase";
  };
}
