# The scenarios of ./scenarios as NixOS tests, by their names. The project's own tests run the same
# scripts on machines without Nix.
{
  lib,
  merge,
  pkgs,
  self,
}:
let
  inherit (pkgs.stdenv.hostPlatform) system;

  python = pkgs.python3.withPackages (python3Packages: [ python3Packages.nats-py ]);
  ours.holo-scenario-nats = pkgs.writeShellScriptBin "holo-scenario-nats" ''
    exec ${python}/bin/python3 ${../holo_infra/scenarios/nats_client.py} "$@"
  '';

  containerSystem =
    module:
    let
      made = lib.nixosSystem {
        modules = [
          self.nixosModules.default
          module
          { nixpkgs.hostPlatform = system; }
        ];
      };
    in
    made.config.system.build.toplevel;

  test =
    scenario:
    let
      classes = lib.mapAttrs (_: containerSystem) scenario.classes;
      node = host: {
        imports = [
          self.nixosModules.default
          host.module
        ];
        _module.args = { inherit classes; };
        environment = {
          etc = lib.mapAttrs (_: text: { inherit text; }) scenario.etc;
          systemPackages = map (name: ours.${name} or pkgs.${name}) scenario.packages;
        };
        # On the tests' one network, in place of the address that its place in the test gives it.
        networking.interfaces.eth1.ipv4.addresses = lib.mkIf (host.addresses != [ ]) (
          lib.mkForce host.addresses
        );
        virtualisation = {
          memorySize = 2048;
          vlans = [ 1 ];
        };
      };
    in
    pkgs.testers.runNixOSTest {
      inherit (scenario) name;
      nodes = lib.mapAttrs (_: node) scenario.hosts;
      testScript = builtins.readFile scenario.script;
    };

  named =
    folder:
    let
      scenario = import (./scenarios + "/${folder}");
    in
    lib.genAttrs ([ scenario.name ] ++ scenario.also) (_: test scenario);
in
merge (map named (lib.attrNames (builtins.readDir ./scenarios)))
