# `nixosModules`: each file of ../modules, with the packages of this flake where nixpkgs has none.
# Whatever comes in twice, by itself and with `default`, counts once: its key is its place.
{
  holochain,
  inputs,
  lib,
  merge,
  self,
}:
let
  modules = ../modules;
  isModule = name: type: type == "regular" && lib.hasSuffix ".nix" name && name != "default.nix";
  files = lib.attrNames (lib.filterAttrs isModule (builtins.readDir modules));
  names = map (lib.removeSuffix ".nix") files;

  ours = service: {
    ${service} =
      { pkgs, ... }:
      let
        inherit (pkgs.stdenv.hostPlatform) system;
      in
      {
        holo.${service}.package = lib.mkDefault self.packages.${system}.holo-infra;
      };
  };
  packages = merge [
    (ours "gateway")
    (ours "host-agent")
    (ours "orchestrator")
    {
      hc-http-gw =
        { config, pkgs, ... }:
        let
          # That of the conductor, where it is on the same machine. Where there is none for it,
          # only a machine that is to run one has to know.
          conductor = config.holo.holochain.version or "latest";
          known = config.holo.hc-http-gw.enable || holochain.hasGateway conductor;
          version = if known then conductor else "latest";
        in
        {
          holo.hc-http-gw.package = lib.mkDefault (holochain.gateway pkgs version);
        };
      holochain =
        { config, pkgs, ... }:
        let
          inherit (config.holo.holochain) features version;
        in
        {
          holo.holochain.package = lib.mkDefault (holochain.conductor pkgs version features);
        };
      holochain-bootstrap =
        { config, pkgs, ... }:
        let
          inherit (config.holo.holochain-bootstrap) version;
        in
        {
          holo.holochain-bootstrap.package = lib.mkDefault (holochain.bootstrap pkgs version);
        };
    }
  ];
  unknown = lib.filter (name: !lib.elem name names) (lib.attrNames packages);

  module =
    name: imports:
    let
      key = "${toString modules}#${name}";
    in
    {
      inherit imports key;
      _file = key;
    };
  each = lib.genAttrs names (
    name:
    let
      beside = lib.optional (packages ? ${name}) packages.${name};
    in
    module name ([ (modules + "/${name}.nix") ] ++ beside)
  );
in
lib.throwIf (unknown != [ ]) "not in modules: ${lib.concatStringsSep ", " unknown}" (merge [
  each
  { default = module "default" (lib.attrValues each); }
  # Not for every machine, so not part of `default`.
  {
    hetzner.imports = [
      inputs.disko.nixosModules.disko
      ./hetzner.nix
    ];
  }
])
