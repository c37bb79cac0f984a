# Services of this machine, each a hardened systemd unit under a user of its own.
#
# Made by `just modules` from holo_infra.services.units; do not edit.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:

let
  cfg = config.holo;
  confined = {
    LockPersonality = true;
    MemoryDenyWriteExecute = true;
    NoNewPrivileges = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    UMask = "0077";
  };
  sandbox = {
    DynamicUser = true;
    KeyringMode = "private";
    PrivateDevices = true;
    PrivateMounts = true;
    PrivateTmp = true;
    ProcSubset = "pid";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictNamespaces = true;
    SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
  };
in
{
  options.holo.units = lib.mkOption {
    type = lib.types.attrsOf (lib.types.submodule {
      options = {
        description = lib.mkOption {
          type =
            lib.types.strMatching "([^[:cntrl:][:space:]\\\\]+( +[^[:cntrl:][:space:]\\\\]+)*)?";
          default = "";
          description = "What the unit is for, on one line.";
        };
        execStart = lib.mkOption {
          type = lib.types.addCheck (lib.types.nonEmptyListOf lib.types.str) (
            items:
            builtins.match "(/[A-Za-z0-9+_-][A-Za-z0-9+._-]*)+|[A-Za-z0-9_][A-Za-z0-9+._-]*" (
              lib.head items
            )
            != null
          );
          example = [ "busybox" "httpd" "-f" "-p" "127.0.0.1:8000" ];
          description = ''
            The command line, run without a shell. The first word is an absolute path, or
            the bare name of a program: of `package`, or of the package that has the
            program's name. The other words reach the program as they are; nothing in them
            is expanded.
          '';
        };
        package = lib.mkOption {
          type = lib.types.nullOr lib.types.package;
          default = null;
          description = "The package that holds the program, where it does not have the program's name.";
        };
        environment = lib.mkOption {
          type = lib.types.attrsOf (lib.types.strMatching "[^[:cntrl:]]*([\t\n][^[:cntrl:]]*)*");
          default = { };
          example.LEVEL = "info";
          description = "Environment variables of the service; their values reach it as they are.";
          apply = lib.mapAttrs (
            name: value:
            lib.throwIf (builtins.match "[A-Za-z_][A-Za-z0-9_]*" name == null) (
              "holo.units.<name>.environment: the name does not match [A-Za-z_][A-Za-z0-9_]*: "
              + name
            ) value
          );
        };
      };
    });
    default = { };
    description = "Services of this machine, each a hardened unit.";
    apply = lib.mapAttrs (
      name: value:
      lib.throwIf (builtins.match "[a-z]([a-z0-9-]{0,198}[a-z0-9])?" name == null) (
        "holo.units: the name does not match [a-z]([a-z0-9-]{0,198}[a-z0-9])?: " + name
      ) value
    );
  };

  config.systemd.services = lib.mkMerge (lib.mapAttrsToList (
    name: u: {
      ${name} = {
        description = lib.replaceStrings [ "%" ] [ "%%" ] (
          if u.description == "" then name else u.description
        );
        after = [ "network.target" ];
        wantedBy = [ "multi-user.target" ];
        environment = lib.mapAttrs (
          name2: value:
          lib.replaceStrings [ "%" ] [ "%%" ] value
        ) u.environment;
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = lib.mkMerge [
          confined
          sandbox
          {
            Type = "exec";
            ExecStart = utils.escapeSystemdExecArgs (
              [
                (
                  if lib.hasPrefix "/" (lib.head u.execStart) then
                    lib.head u.execStart
                  else
                    lib.getExe' (if u.package != null then u.package else pkgs.${lib.head u.execStart}) (
                      lib.head u.execStart
                    )
                )
              ]
              ++ lib.tail u.execStart
            );
            Restart = "always";
            RestartSec = 2;
            KillMode = "mixed";
            StateDirectory = "holo/units/${name}";
            CapabilityBoundingSet = "";
            PrivateUsers = true;
            RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX";
          }
        ];
      };
    }
  ) cfg.units);
}
