# Scenario extra-container-holochain-three-containers. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "extra-container-holochain-three-containers";
  also = [ ];
  classes.holochain-b86a7156ad40fe79 = ./classes/holochain-b86a7156ad40fe79.nix;
  etc."holo-scenario/passphrase" = "a passphrase of all\n";
  hosts.host = {
    module = ./hosts/host.nix;
    addresses = [ ];
  };
  packages = [ ];
  script = ./script.py;
}
