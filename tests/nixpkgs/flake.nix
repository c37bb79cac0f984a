# A stand-in for nixpkgs, for tests without network. Knows the options and packages that this
# project uses, nothing of a NixOS release: what it accepts is well-formed, not known to boot.
{
  description = "Stand-in for nixpkgs in the tests of holo-infra";

  outputs =
    { self }:
    let
      lib = import ./lib;
      systems = [
        "aarch64-linux"
        "x86_64-linux"
      ];
    in
    {
      lib = lib // {
        nixosSystem = args: import ./nixos/eval-config.nix ({ inherit lib; } // args);
      };
      legacyPackages = lib.genAttrs systems (system: import ./pkgs.nix { inherit lib system; });
    };
}
