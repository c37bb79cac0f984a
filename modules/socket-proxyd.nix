# Forwards by systemd-socket-proxyd: a socket on the host, a proxy in a container's network.
#
# Made by `just modules` from holo_infra.network.socket_proxyd; do not edit.
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
  proxy = {
    Type = "exec";
    Restart = "always";
    RestartSec = 2;
    TimeoutStartSec = 300;
    TimeoutStopSec = 10;
    KillMode = "mixed";
    CapabilityBoundingSet = "";
    PrivateUsers = true;
    RestrictAddressFamilies = "AF_INET";
    IPAddressAllow = "localhost";
    IPAddressDeny = "any";
  };
  socat = lib.getExe' pkgs.socat "socat";
  curl = lib.getExe' pkgs.curl "curl";
  proxyd = "${config.systemd.package}/lib/systemd/systemd-socket-proxyd";
in
{
  config.systemd = {
    services = lib.mkMerge (lib.mapAttrsToList (
      container: c:
      lib.mkMerge (lib.mapAttrsToList (
        forward: f: {
          "socket-proxyd-${container}-${forward}" = lib.mkIf (
            c.network == "private" && f.protocol == "tcp" && f.engine == "socket-proxyd"
          ) {
            description = "Proxy of forward ${forward} of container ${container}";
            after = [
              "container@${container}.service"
              "socket-proxyd-${container}-${forward}.socket"
            ];
            requires = [ "socket-proxyd-${container}-${forward}.socket" ];
            bindsTo = [ "container@${container}.service" ];
            unitConfig.StartLimitIntervalSec = 0;
            serviceConfig = lib.mkMerge [
              confined
              sandbox
              proxy
              {
                NetworkNamespacePath = "/run/netns/${container}";
                ExecStartPre =
                  lib.optional (
                    f.protocol == "tcp" && f.probe == "tcp"
                  ) "-${utils.escapeSystemdExecArgs [ socat "-u" "OPEN:/dev/null" "TCP4:127.0.0.1:${toString f.port},forever,interval=0.1" ]}"
                  ++ lib.optional (
                    f.protocol == "tcp" && lib.hasPrefix "http:" f.probe
                  ) "-${utils.escapeSystemdExecArgs [ curl "--silent" "--fail" "--output" "/dev/null" "--max-time" "5" "--retry" "1000" "--retry-delay" "1" "--retry-all-errors" "http://127.0.0.1:${toString f.port}${lib.removePrefix "http:" f.probe}" ]}";
                ExecStart = utils.escapeSystemdExecArgs [
                  proxyd
                  "--connections-max=4096"
                  "127.0.0.1:${toString f.port}"
                ];
                LimitNOFILE = 24640;
              }
            ];
          };
        }
      ) c.forwards)
    ) cfg.containers);
    sockets = lib.mkMerge (lib.mapAttrsToList (
      container: c:
      lib.mkMerge (lib.mapAttrsToList (forward: f: {
        "socket-proxyd-${container}-${forward}" = lib.mkIf (
          c.network == "private" && f.protocol == "tcp" && f.engine == "socket-proxyd"
        ) {
          description = "Forward ${forward} of container ${container}";
          after = [ "container@${container}.service" ];
          before = [ "shutdown.target" ];
          bindsTo = [ "container@${container}.service" ];
          conflicts = [ "shutdown.target" ];
          wantedBy = [ "container@${container}.service" "multi-user.target" ];
          unitConfig = {
            StartLimitIntervalSec = 0;
            DefaultDependencies = false;
          };
          listenStreams = [ "${f.bind}:${toString f.hostPort}" ];
          socketConfig = {
            Backlog = 4096;
            FreeBind = true;
            KeepAlive = true;
            KeepAliveTimeSec = 600;
            NoDelay = true;
            TriggerLimitIntervalSec = 0;
          };
        };
      }) c.forwards)
    ) cfg.containers);
  };
}
