# `pkgs.testers.runNixOSTest`: the nodes of a test evaluated as NixOS machines, and a derivation that
# depends on them and on the script. Builds and runs nothing; lacks all other options of tests.
#
# As the real one, it gives nodes their packages, so that no node may set `nixpkgs.hostPlatform`, and
# each node the name of its machine.
{
  lib,
  pkgs,
  text,
}:
{
  name,
  nodes,
  testScript,
}:
let
  option = type: default: lib.mkOption { inherit type default; };
  machine = nodeName: {
    options.virtualisation = {
      memorySize = option lib.types.int 1024;
      vlans = option (lib.types.listOf lib.types.int) [ 1 ];
    };
    config = {
      networking.hostName = lib.mkDefault nodeName;
      nixpkgs.hostPlatform = pkgs.stdenv.hostPlatform.system;
    };
  };
  evaluate =
    nodeName: node:
    let
      made = import ./eval-config.nix {
        inherit lib;
        modules = [
          node
          (machine nodeName)
        ];
      };
      isReadOnly = lib.length made.options.nixpkgs.hostPlatform.files == 1;
    in
    lib.throwIfNot isReadOnly
      "node ${nodeName}: the option `nixpkgs.hostPlatform' is read-only, but it's set multiple times"
      made.config;
  evaluated = lib.mapAttrs evaluate nodes;
  named = lib.concatStringsSep ", " (
    lib.filter (node: lib.match "[A-Za-z_][A-Za-z0-9_]*" node == null) (lib.attrNames nodes)
  );
  content = builtins.toJSON {
    inherit testScript;
    machines = lib.mapAttrs (_: node: {
      inherit (node) virtualisation;
      system = node.system.build.toplevel.drvPath;
    }) evaluated;
  };
  checked = lib.throwIf (named != "") "no names of Python: ${named}" content;
in
text "vm-test-run-${name}" checked {
  nodes = evaluated;
  driver = text "nixos-test-driver-${name}" checked { meta.mainProgram = "nixos-test-driver"; };
  # Of this stand-in only, for tests that read it.
  inherit testScript;
}
