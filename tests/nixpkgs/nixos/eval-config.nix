# What `lib.nixosSystem` calls: the option table and the user's modules, evaluated. Knows none of
# NixOS's own units, files and users; lacks extendModules.
{
  lib,
  modules,
  system ? null,
  pkgs ? null,
  specialArgs ? { },
}@args:
let
  # Modules without a file of their own are shown as standing in the caller's.
  location = (builtins.unsafeGetAttrPos "modules" args).file or "<unknown-file>";
  base =
    { config, ... }:
    {
      _file = ./eval-config.nix;
      imports = [
        ./options.nix
        ./units.nix
        ./toplevel.nix
      ];
      nixpkgs.hostPlatform = lib.mkIf (system != null) (lib.mkDefault system);
      _module.args = {
        utils = import ./utils.nix { inherit lib; };
        pkgs =
          if pkgs != null then
            pkgs
          else
            import ../pkgs.nix {
              inherit lib;
              inherit (config.nixpkgs.hostPlatform) system;
            };
      };
    };
  evaluated = lib.evalModules {
    specialArgs = { modulesPath = toString ./.; } // specialArgs;
    modules = [ base ] ++ map (lib.setDefaultModuleLocation location) modules;
  };
in
evaluated
// {
  inherit lib;
  inherit (evaluated._module.args) pkgs;
}
