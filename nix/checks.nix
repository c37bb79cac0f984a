# What `nix flake check` builds on one system.
{
  lib,
  merge,
  pkgs,
  self,
}:
let
  inherit (pkgs.stdenv.hostPlatform) system;
  inherit (self.packages.${system}) holo-infra;

  inherit (everything.config.system.build) toplevel;
  everything = lib.nixosSystem {
    modules = [
      self.nixosModules.default
      ./services.nix
      { nixpkgs.hostPlatform = system; }
    ];
  };
in
merge [
  { package = holo-infra; }
  {
    # The committed modules are those that the definitions make.
    modules = pkgs.runCommand "modules-are-current" { nativeBuildInputs = [ holo-infra ]; } ''
      holo modules made
      diff --recursive made ${../modules}
      touch $out
    '';
  }
  {
    # Evaluated to its derivation, not built: that would compile conductors.
    services = pkgs.runCommand "services-evaluate" {
      derivation = builtins.unsafeDiscardStringContext toplevel.drvPath;
    } "echo $derivation > $out";
  }
  {
    # ../modules has the form that its printer gives it.
    format = pkgs.runCommand "nix-is-formatted" { nativeBuildInputs = [ pkgs.nixfmt ]; } ''
      nixfmt --check ${../flake.nix} ${./.}/*.nix
      touch $out
    '';
  }
  # NixOS tests: fleets on virtual machines.
  (import ./scenarios.nix {
    inherit
      lib
      merge
      pkgs
      self
      ;
  })
]
