# Which packages are those of a version of Holochain, as `version` of the modules names it.
{ inputs, lib }:
let
  # `holonix` has conductor and bootstrap service; the latter's program is in `bootstrap`. `gateway`
  # is the source of the HTTP gateway, of which there is none for conductors before 0.4.
  versions = {
    "0.3" = {
      holonix = inputs.holonix_0_3;
      bootstrap = "holochain";
    };
    "0.4" = {
      holonix = inputs.holonix_0_4;
      bootstrap = "holochain";
      gateway = inputs.hc-http-gw_0_4;
    };
    "0.5" = {
      holonix = inputs.holonix_0_5;
      bootstrap = "bootstrap-srv";
      gateway = inputs.hc-http-gw_0_5;
    };
    latest = versions."0.5";
  };

  package =
    { stdenv, ... }:
    version: name:
    let
      inherit (stdenv.hostPlatform) system;
    in
    versions.${version}.holonix.packages.${system}.${name}
      or (throw "holonix has no `${name}` of Holochain ${version} for ${system}");
in
{
  # The conductor, built anew where it is to have features. They are any text, and holonix writes
  # its extra arguments into a script of the shell.
  conductor =
    pkgs: version: features:
    let
      built = package pkgs version "holochain";
      cargoExtraArgs = lib.escapeShellArg "--features=${lib.concatStringsSep "," features}";
    in
    if features == [ ] then built else built.override { inherit cargoExtraArgs; };

  bootstrap = pkgs: version: package pkgs version versions.${version}.bootstrap;

  hasGateway = version: versions.${version} ? gateway;

  gateway =
    pkgs: version:
    pkgs.callPackage ./hc-http-gw.nix {
      src =
        versions.${version}.gateway
          or (throw "there is no hc-http-gw for Holochain ${version}: set holo.hc-http-gw.package");
    };
}
