# The project as a flake: NixOS modules, the tool `holo`, and what it takes to work on them. Fleets
# compiled by `holo compile` take it as an input.
{
  description = "Typed fleets of NixOS hosts with systemd-nspawn containers on private networks";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";

    # A branch for each version of Holochain, with the nixpkgs that it is tested and cached with:
    # docs/decisions/0019-the-projects-flake.md.
    holonix_0_3.url = "github:holochain/holonix?ref=main-0.3";
    holonix_0_4.url = "github:holochain/holonix?ref=main-0.4";
    holonix_0_5.url = "github:holochain/holonix?ref=main-0.5";

    disko.url = "github:nix-community/disko";
    disko.inputs.nixpkgs.follows = "nixpkgs";

    hc-http-gw_0_4 = {
      url = "github:holochain/hc-http-gw?ref=v0.1.0";
      flake = false;
    };
    hc-http-gw_0_5 = {
      url = "github:holochain/hc-http-gw?ref=v0.2.0";
      flake = false;
    };
  };

  outputs =
    { self, nixpkgs, ... }@inputs:
    let
      inherit (nixpkgs) lib;
      merge = import ./nix/merge.nix { inherit lib; };
      holochain = import ./nix/holochain.nix { inherit inputs lib; };
      systems = [
        "aarch64-linux"
        "x86_64-linux"
      ];
      forSystems = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      nixosModules = import ./nix/modules.nix {
        inherit
          holochain
          inputs
          lib
          merge
          self
          ;
      };

      overlays.default = final: _: { holo-infra = final.callPackage ./nix/package.nix { }; };

      packages = forSystems (pkgs: rec {
        default = holo-infra;
        holo-infra = pkgs.callPackage ./nix/package.nix { };
        hc-http-gw_0_4 = holochain.gateway pkgs "0.4";
        hc-http-gw_0_5 = holochain.gateway pkgs "0.5";
      });

      apps = forSystems (pkgs: {
        default = {
          type = "app";
          program = lib.getExe self.packages.${pkgs.stdenv.hostPlatform.system}.default;
          meta.description = "Check, compile and run fleets";
        };
      });

      checks = forSystems (
        pkgs:
        import ./nix/checks.nix {
          inherit
            lib
            merge
            pkgs
            self
            ;
        }
      );

      devShells = forSystems (pkgs: {
        default = import ./nix/shell.nix { inherit lib pkgs; };
      });

      # `nix fmt`, in the folder of this file.
      formatter = forSystems (
        pkgs:
        pkgs.writeShellApplication {
          name = "format-nix";
          runtimeInputs = [ pkgs.nixfmt ];
          text = "nixfmt flake.nix nix/*.nix";
        }
      );
    };
}
