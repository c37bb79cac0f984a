# Packages as fixed fake store paths, /nix/store/<32 zeros>-<name>: enough to write a program's path
# into a unit. Knows no version and no content; nothing can be built; any other name is an error.
{ lib, system }:
let
  fake =
    hash: name: attrs:
    attrs
    // {
      type = "derivation";
      inherit name system;
      drvPath = "/nix/store/${hash}-${name}.drv";
      outPath = "/nix/store/${hash}-${name}";
    };
  zeros = "00000000000000000000000000000000";
  package =
    name: meta:
    fake zeros name {
      pname = name;
      inherit meta;
    };
  # The path of a text contains the hash of the text: equal paths mean equal texts.
  text =
    name: content: attrs:
    fake (lib.substring 0 32 (builtins.hashString "sha256" content)) name (
      attrs // { text = content; }
    );

  # Each package with its main program, null where the real one names none.
  programs = {
    bash = "bash";
    busybox = null;
    caddy = "caddy";
    cmake = "cmake";
    coreutils = null;
    coturn = null;
    curl = "curl";
    findutils = null;
    glibcLocales = null;
    go = "go";
    gnugrep = "grep";
    gnused = "sed";
    graphviz = null;
    haproxy = "haproxy";
    hello = "hello";
    iproute2 = "ip";
    jq = "jq";
    just = "just";
    mongosh = "mongosh";
    nats-server = "nats-server";
    natscli = "nats";
    netcat = "nc";
    nftables = "nft";
    nginx = "nginx";
    nixfmt = "nixfmt";
    nodejs = "node";
    nsc = "nsc";
    openssh = "ssh";
    openssl = "openssl";
    perl = "perl";
    pkg-config = "pkg-config";
    procps = null;
    pulumi-bin = "pulumi";
    qemu = null;
    shadow = null;
    socat = "socat";
    systemd = null;
    tzdata = null;
  };
  packages = lib.mapAttrs (
    name: mainProgram:
    package name (lib.optionalAttrs (mainProgram != null) { inherit mainProgram; })
  );
  pkgs =
    packages programs
    // packages (import ./ours.nix)
    // import ./builders.nix { inherit lib package system text; }
    // {
      inherit lib;
      pkgsStatic = { inherit (pkgs) busybox; };

      # The file's function on what it asks for by name.
      callPackage =
        file: arguments:
        let
          function = import file;
        in
        function (builtins.intersectAttrs (lib.functionArgs function) pkgs // arguments);

      stdenv.hostPlatform = {
        inherit system;
        isx86_64 = lib.hasPrefix "x86_64-" system;
      };

      testers.runNixOSTest = import ./nixos/test.nix { inherit lib pkgs text; };

      writeText = name: content: text name content { };
      writeTextDir = path: content: text (baseNameOf path) content { };
      writeShellScriptBin = name: content: text name content { meta.mainProgram = name; };

      formats.json = _: {
        type =
          let
            inherit (lib.types)
              attrsOf
              bool
              float
              int
              listOf
              nullOr
              oneOf
              path
              str
              ;
            atom = [
              bool
              int
              float
              str
              path
            ];
            nested = [
              (attrsOf value)
              (listOf value)
            ];
            value = nullOr (oneOf (atom ++ nested)) // {
              description = "JSON value";
            };
          in
          value;
        generate = name: value: text name (builtins.toJSON value) { };
      };
    };
in
pkgs
