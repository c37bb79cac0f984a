# A stand-in for a branch of holonix: the packages that it has of the version of Holochain in the
# file `version`, as fake store paths. Knows nothing of how they are built.
{
  description = "Stand-in for holonix in the tests of holo-infra";

  outputs =
    { ... }:
    let
      version = builtins.head (builtins.match "([0-9.]+)\n" (builtins.readFile ./version));
      package = pname: system: cargoExtraArgs: rec {
        type = "derivation";
        inherit cargoExtraArgs pname system;
        name = "${pname}-${version}";
        drvPath = "${outPath}.drv";
        outPath =
          let
            hash = builtins.hashString "sha256" "${system} ${cargoExtraArgs}";
          in
          "/nix/store/${builtins.substring 0 32 hash}-${name}";
        override = arguments: package pname system arguments.cargoExtraArgs;
      };
      # Up to 0.4 the programs of the bootstrap service are in the conductor's package.
      names =
        [
          "holochain"
          "lair-keystore"
        ]
        ++ (
          if builtins.compareVersions version "0.5" < 0 then
            [ ]
          else
            [
              "bootstrap-srv"
              "hc"
            ]
        );
      listed =
        list: make:
        builtins.listToAttrs (
          map (name: {
            inherit name;
            value = make name;
          }) list
        );
    in
    {
      packages = listed [ "aarch64-linux" "x86_64-linux" ] (
        system: listed names (name: package name system "")
      );
    };
}
