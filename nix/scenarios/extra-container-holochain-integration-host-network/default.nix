# Scenario extra-container-holochain-integration-host-network. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "extra-container-holochain-integration-host-network";
  also = [ "pkgs-extra-container-holochain-integration-host-network" ];
  classes.holochain-hc-http-gw-8552b48112c5f74c =
    ./classes/holochain-hc-http-gw-8552b48112c5f74c.nix;
  etc = {
    "holo-scenario/passphrase" = "a passphrase of all\n";
    "systemd/system.control/container@holochain0.service.d/gate.conf" =
      "[Unit]\nConditionPathExists=/run/holo-scenario-gate\n";
  };
  hosts.host = {
    module = ./hosts/host.nix;
    addresses = [ ];
  };
  packages = [ ];
  script = ./script.py;
}
