# `system.build.toplevel`: a derivation that holds the configuration as JSON, so that asking for its
# drvPath forces and checks every option of the table. Knows nothing of kernels and boot loaders.
{ config, lib, ... }:
let
  failed = lib.filter (check: !check.assertion) config.assertions;
  messages = map (check: "- ${check.message}") failed;
  complain = lib.throwIf (failed != [ ]) (
    "\nFailed assertions:\n${lib.concatStringsSep "\n" messages}"
  );
  warn = value: lib.foldl' (result: message: lib.warn message result) value config.warnings;
  content = {
    inherit (config)
      boot
      environment
      fileSystems
      networking
      services
      time
      users
      ;
    inherit (config.system) stateVersion;
    inherit (config.systemd) packages tmpfiles units;
    holo = config.holo or null;
  };
in
{
  options.system.build.toplevel = lib.mkOption {
    type = lib.types.package;
    readOnly = true;
  };
  config.system.build.toplevel = complain warn (derivation {
    name = "nixos-system-${config.networking.hostName}-stand-in";
    inherit (config.nixpkgs.hostPlatform) system;
    builder = "/bin/sh";
    args = [
      "-c"
      "read -r json < \"$jsonPath\" || :; printf '%s\\n' \"$json\" > \"$out\""
    ];
    json = builtins.toJSON content;
    passAsFile = [ "json" ];
  });
}
