# Fleet three-containers: containers holochain-b86a7156ad40fe79. Made by `python -m holo_infra.scenarios`; do not edit.
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
    passphraseFile = "passphrase";
  };
}
