# Units that can be started if a forward's service is ready.
#
# Made by `just modules` from holo_infra.network.readiness; do not edit.
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
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictNamespaces = true;
    SystemCallFilter = [ "@system-service" "~@privileged @resources" ];
    ProcSubset = "pid";
    ProtectKernelTunables = true;
  };
  socat = lib.getExe' pkgs.socat "socat";
  curl = lib.getExe' pkgs.curl "curl";
in
{
  config.systemd.services = lib.mkMerge (lib.mapAttrsToList (
    container: c:
    lib.mkMerge (lib.mapAttrsToList (
      forward: f: {
        "ready-${container}-${forward}" = lib.mkIf (
          c.network == "private" && (f.protocol == "tcp" && f.probe != "none")
        ) {
          description = "Whether ${forward} of container ${container} is ready";
          after = [ "container@${container}.service" ];
          requisite = [ "container@${container}.service" ];
          unitConfig = {
            StartLimitIntervalSec = 0;
            CollectMode = "inactive-or-failed";
          };
          serviceConfig = lib.mkMerge [
            confined
            sandbox
            {
              Type = "oneshot";
              NetworkNamespacePath = "/run/netns/${container}";
              ExecStart =
                lib.optional (f.probe == "tcp") (utils.escapeSystemdExecArgs [
                  socat
                  "-u"
                  "OPEN:/dev/null"
                  "TCP4:${if f.engine == "nftables" then c.address else "127.0.0.1"}:${toString f.port},connect-timeout=3"
                ])
                ++ lib.optional (lib.hasPrefix "http:" f.probe) (utils.escapeSystemdExecArgs [
                  curl
                  "--silent"
                  "--fail"
                  "--output"
                  "/dev/null"
                  "--max-time"
                  "3"
                  "http://${if f.engine == "nftables" then c.address else "127.0.0.1"}:${toString f.port}${lib.removePrefix "http:" f.probe}"
                ]);
              TimeoutStartSec = 5;
              LogLevelMax = "emerg";
              CapabilityBoundingSet = "";
              PrivateUsers = true;
              RestrictAddressFamilies = "AF_INET";
              IPAddressAllow = [ "localhost" ] ++ lib.optional (f.engine == "nftables") c.address;
              IPAddressDeny = "any";
            }
          ];
        };
      }
    ) c.forwards)
  ) cfg.containers);
}
