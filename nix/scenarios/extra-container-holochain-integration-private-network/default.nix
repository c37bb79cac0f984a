# Scenario extra-container-holochain-integration-private-network. Made by `python -m holo_infra.scenarios`; do not edit.
{
  name = "extra-container-holochain-integration-private-network";
  also = [ "pkgs-extra-container-holochain-integration-private-network" ];
  classes.holochain-b86a7156ad40fe79 = ./classes/holochain-b86a7156ad40fe79.nix;
  etc = {
    "holo-scenario/passphrase" = "a passphrase of all\n";
    "systemd/system.control/container@holochain0.service.d/gate.conf" =
      "[Unit]\nConditionPathExists=/run/holo-scenario-gate\n";
  };
  hosts.host = {
    module = ./hosts/host.nix;
    addresses = [ ];
  };
  packages = [ "socat" ];
  script = ./script.py;
}
