# Scenario extra-container-holochain-two-containers. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "extra-container-holochain-two-containers";
  also = [ ];
  classes = {
    holochain-b86a7156ad40fe79 = ./classes/holochain-b86a7156ad40fe79.nix;
    holochain-hc-http-gw-c3d03c246917358c = ./classes/holochain-hc-http-gw-c3d03c246917358c.nix;
  };
  etc."holo-scenario/passphrase" = "a passphrase of all\n";
  hosts.host = {
    module = ./hosts/host.nix;
    addresses = [ ];
  };
  packages = [ "socat" ];
  script = ./script.py;
}
