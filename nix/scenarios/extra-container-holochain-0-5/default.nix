# Scenario extra-container-holochain-0-5. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "extra-container-holochain-0-5";
  also = [ ];
  classes.holochain-hc-http-gw-8552b48112c5f74c =
    ./classes/holochain-hc-http-gw-8552b48112c5f74c.nix;
  etc."holo-scenario/passphrase" = "a passphrase of all\n";
  hosts.host = {
    module = ./hosts/host.nix;
    addresses = [ ];
  };
  packages = [ ];
  script = ./script.py;
}
