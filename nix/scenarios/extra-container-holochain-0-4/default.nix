# Scenario extra-container-holochain-0-4. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "extra-container-holochain-0-4";
  also = [ ];
  classes.holochain-hc-http-gw-d262d9c38ceed6c8 =
    ./classes/holochain-hc-http-gw-d262d9c38ceed6c8.nix;
  etc."holo-scenario/passphrase" = "a passphrase of all\n";
  hosts.host = {
    module = ./hosts/host.nix;
    addresses = [ ];
  };
  packages = [ ];
  script = ./script.py;
}
