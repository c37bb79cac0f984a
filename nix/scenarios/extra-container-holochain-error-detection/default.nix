# Scenario extra-container-holochain-error-detection. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "extra-container-holochain-error-detection";
  also = [ ];
  classes.holochain-b86a7156ad40fe79 = ./classes/holochain-b86a7156ad40fe79.nix;
  etc = {
    "holo-scenario/passphrase" = "a passphrase of all\n";
    "holo-scenario/second" = "a passphrase of holochain1\n";
  };
  hosts.host = {
    module = ./hosts/host.nix;
    addresses = [ ];
  };
  packages = [ "socat" ];
  script = ./script.py;
}
