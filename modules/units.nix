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
  hardening = {
    LockPersonality = lib.mkDefault true;
    MemoryDenyWriteExecute = lib.mkDefault true;
    NoNewPrivileges = lib.mkDefault true;
    RestrictRealtime = lib.mkDefault true;
    RestrictSUIDSGID = lib.mkDefault true;
    SystemCallArchitectures = lib.mkDefault "native";
    SystemCallErrorNumber = lib.mkDefault "EPERM";
    UMask = lib.mkDefault "0077";
    DynamicUser = lib.mkDefault true;
    KeyringMode = lib.mkDefault "private";
    PrivateDevices = lib.mkDefault true;
    PrivateMounts = lib.mkDefault true;
    PrivateTmp = lib.mkDefault true;
    ProtectClock = lib.mkDefault true;
    ProtectControlGroups = lib.mkDefault true;
    ProtectHome = lib.mkDefault true;
    ProtectHostname = lib.mkDefault true;
    ProtectKernelLogs = lib.mkDefault true;
    ProtectKernelModules = lib.mkDefault true;
    ProtectProc = lib.mkDefault "invisible";
    ProtectSystem = lib.mkDefault "strict";
    RemoveIPC = lib.mkDefault true;
    RestrictNamespaces = lib.mkDefault true;
    SystemCallFilter = lib.mkDefault [ "@system-service" "~@privileged @resources" ];
    ProcSubset = lib.mkDefault "pid";
    ProtectKernelTunables = lib.mkDefault true;
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
        secrets = lib.mkOption {
          type = lib.types.listOf (lib.types.strMatching "[A-Za-z_][A-Za-z0-9_.-]{0,199}");
          default = [ ];
          example = [ "nats.creds" ];
          description = ''
            Secrets of the container that the service finds as files in
            `$CREDENTIALS_DIRECTORY`.
          '';
        };
        settings = lib.mkOption {
          type = lib.types.attrsOf (
            lib.types.strMatching "([^[:cntrl:][:space:]\\\\]+( +[^[:cntrl:][:space:]\\\\]+)*)?"
          );
          default = { };
          example.MemoryDenyWriteExecute = "false";
          description = ''
            Directives of the unit's section `[Service]` as systemd reads them, specifiers
            included. They take the place of our hardening; what other fields say cannot be
            replaced.
          '';
          apply = lib.mapAttrs (
            name: value:
            lib.throwIf (builtins.match "[A-Z][A-Za-z0-9]{0,99}" name == null) (
              "holo.units.<name>.settings: the name does not match [A-Z][A-Za-z0-9]{0,99}: " + name
            ) value
          );
        };
      };
    });
    default = { };
    description = "Services of this machine, each a hardened unit.";
    apply = lib.mapAttrs (
      name: value:
      lib.throwIf (builtins.match "[a-z]([a-z0-9-]{0,24}[a-z0-9])?" name == null) (
        "holo.units: the name does not match [a-z]([a-z0-9-]{0,24}[a-z0-9])?: " + name
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
          hardening
          {
            Type = lib.mkDefault "exec";
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
            LoadCredential = lib.mkIf (u.secrets != [ ]) u.secrets;
            User = lib.mkDefault "holo-${name}";
            Restart = lib.mkDefault "always";
            RestartSec = lib.mkDefault 2;
            KillMode = lib.mkDefault "mixed";
            StateDirectory = lib.mkDefault "holo/units/${name}";
            CapabilityBoundingSet = lib.mkDefault "";
            PrivateUsers = lib.mkDefault true;
            RestrictAddressFamilies = lib.mkDefault "AF_INET AF_INET6 AF_UNIX";
          }
          u.settings
        ];
      };
    }
  ) cfg.units);
}
