# Scenario extra-container-holochain-build. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "extra-container-holochain-build";
  also = [ ];
  classes = {
    holochain-4adf13b07f8763e2 = ./classes/holochain-4adf13b07f8763e2.nix;
    holochain-hc-http-gw-ce9040aa5986895c = ./classes/holochain-hc-http-gw-ce9040aa5986895c.nix;
  };
  etc."holo-scenario/passphrase" = "a passphrase of all\n";
  hosts.host = {
    module = ./hosts/host.nix;
    addresses = [ ];
  };
  packages = [ ];
  script = ./script.py;
}
